# What the remedies of the clock ask: the same servers as the check. Sourced before check/net.sh.
REGION=${AWS_SSM_REGION_NAME:-}
case $REGION in
    [a-z][a-z]-[a-z]*-[0-9]) ;;
    *) REGION='' ;;
esac
case $REGION in *[!a-z0-9-]*) REGION='' ;; esac
