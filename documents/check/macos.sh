# macOS: where the agent keeps its files, and the closed list of this platform.
PLATFORM=macos
PLATFORM_CHECKS='disk-space patch-runs payload-leftovers credentials s3-reach ssm-reach agent imds
    clock reboot-pending patch-log-tail'
SSM_DATA=/opt/aws/ssm/data

# A restart that the payload asked for and that has not come; macOS keeps no flag of its own.
check_reboot_pending() {
    reboot_reasons=''
    for reboot_flag in "$PAYLOAD"-reboot-194 "$PAYLOAD"-reboot-195 "$PAYLOAD"-reboot-196; do
        [ -d "$reboot_flag" ] && reboot_reasons="$reboot_reasons${reboot_reasons:+ }$reboot_flag"
    done
    state=ok
    [ -n "$reboot_reasons" ] && state=bad
    fact reasons "$reboot_reasons"
}
