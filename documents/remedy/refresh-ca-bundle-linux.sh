# Makes the node's bundle of certificate authorities anew from the distribution's own package, and
# installs that package again, in the version that is there, when its files are damaged. Which
# authorities are in it, the distribution and the node's administrator have decided; this remedy
# brings none of its own.
REMEDY=refresh-ca-bundle
TOOL_SECONDS_MAX=120
INSTALL_SECONDS_MAX=300
CERTIFICATES_MIN=20
NEED_MB=20
DEBIAN_ORIGINS='Debian|Ubuntu|Raspbian'
RPM_VENDORS='Amazon|Red Hat|CentOS|Fedora|Rocky|Alma|Oracle|SUSE|openSUSE|VMware|Microsoft'

# find_bundle: bundle, the file that TLS reads here, and maker, what makes it.
find_bundle() {
    if have update-ca-trust; then
        bundle=/etc/pki/tls/certs/ca-bundle.crt maker='update-ca-trust extract'
    elif have update-ca-certificates; then
        maker='update-ca-certificates --fresh' bundle=/var/lib/ca-certificates/ca-bundle.pem
        [ -d /var/lib/ca-certificates ] || bundle=/etc/ssl/certs/ca-certificates.crt
    else
        return 1
    fi
}

# bundle_fault: damage, empty when the bundle is whole and has what Amazon's certificates end in.
bundle_fault() {
    damage='' lacking=''
    if [ ! -f "$bundle" ]; then
        damage=missing
    elif [ ! -s "$bundle" ]; then
        damage=empty
    elif ! is_pem "$bundle"; then
        damage=damaged
    else
        CURL_CA_BUNDLE=$bundle
        lacking=$(missing_roots)
        [ -z "$lacking" ] || damage="lacks ${lacking% }"
    fi
    [ -n "$damage" ]
}

is_pem() {
    begins=$(grep -c '^-----BEGIN [A-Z ]*CERTIFICATE-----$' "$1")
    ends=$(grep -c '^-----END [A-Z ]*CERTIFICATE-----$' "$1")
    [ "$begins" -ge "$CERTIFICATES_MIN" ] && [ "$begins" -eq "$ends" ] || return 1
    # What a power cut leaves: a block of zeros, a line that was cut.
    [ "$(tr -d '\0' <"$1" | wc -c)" -eq "$(wc -c <"$1")" ] || return 1
    have openssl || return 0
    openssl crl2pkcs7 -nocrl -certfile "$1" >/dev/null 2>&1 </dev/null
}

make_bundle() {
    # shellcheck disable=SC2086 # a command of fixed words
    run_tool "$TOOL_SECONDS_MAX" $maker
}

install_package_again() {
    if have apt-get; then
        install_by_apt
    elif have dnf; then
        install_by_rpm dnf
    elif have yum; then
        install_by_rpm yum
    else
        why='no package manager that this remedy can install the package with'
        return 1
    fi
}

# package_whole: the package's own files are as they were installed, settings aside.
package_whole() {
    if have dpkg-query && have apt-get; then
        verified=$(limit 60 dpkg --verify ca-certificates 2>&1)
    else
        verified=$(limit 60 rpm -V --nodeps --noscripts ca-certificates 2>&1)
    fi
    ! printf '%s\n' "$verified" | grep -v -E '^.{9} +[a-z] ' | grep -q .
}

# Only from where apt itself says, by a signed Release file, that the distribution made it.
install_by_apt() {
    # shellcheck disable=SC2016 # the dollar is dpkg-query's
    version=$(limit 10 dpkg-query -W -f '${Version}' ca-certificates 2>/dev/null)
    why='the package ca-certificates is not installed'
    [ -n "$version" ] || return 1
    address=$(limit 60 apt-get -q -y --print-uris --reinstall install "ca-certificates=$version" 2>/dev/null |
        sed -n -E "s/^'([^']+)' .*/\1/p" | sed -n 1p)
    why="no repository offers the installed version $version any more"
    [ -n "$address" ] || return 1
    why='the package would not come from a repository of the distribution'
    comes_from_distribution || return 1
    why=''
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    run_tool "$INSTALL_SECONDS_MAX" apt-get -q -y --no-install-recommends --no-remove \
        -o APT::Get::AllowUnauthenticated=false -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold --reinstall install "ca-certificates=$version"
}

comes_from_distribution() {
    limit 60 apt-cache policy 2>/dev/null | awk -v address="$address" -v origins="^($DEBIAN_ORIGINS)$" '
        /^ *-?[0-9]+ [a-z+]+:/ { root = $2; sub(/\/$/, "", root) }
        /^ *release / && root != "" && index(address, root "/") == 1 {
            n = split($0, parts, ",")
            for (i = 1; i <= n; i++) {
                sub(/^ *(release )?/, "", parts[i])
                if (substr(parts[i], 1, 2) == "o=" && substr(parts[i], 3) ~ origins) found = 1
                if (substr(parts[i], 1, 2) == "o=" && substr(parts[i], 3) !~ origins) other = 1
            }
        }
        END { exit !(found && !other) }'
}

# The same version, made by the distribution, with a signature of a key that rpm already knows.
install_by_rpm() {
    why='the package ca-certificates is not installed'
    vendor=$(limit 20 rpm -q --qf '%{VENDOR}\n' ca-certificates 2>/dev/null) || return 1
    why="the package ca-certificates was made by $vendor, which is no distribution that this remedy knows"
    printf '%s\n' "$vendor" | grep -q -E "$RPM_VENDORS" || return 1
    why=''
    run_tool "$INSTALL_SECONDS_MAX" "$1" -q -y --setopt=gpgcheck=1 --setopt='*.gpgcheck=1' \
        reinstall ca-certificates
}

need_root
find_bundle || refuse 'this node has neither update-ca-certificates nor update-ca-trust'
fact bundle "$bundle"
bundle_fault || report nothing-to-do
fact damage "$damage"
need_no_patch_run
need_no_package_lock
free_of /etc || refuse 'df gave no numbers for /etc'
[ "$free_mb" -ge "$NEED_MB" ] || refuse "/etc has $free_mb MB free, $NEED_MB are needed"
make_work
make_bundle
fact remade yes
if ! bundle_fault; then
    report 'done'
fi
case $damage in
    lacks*) if package_whole; then
        fact why "it $damage: a newer ca-certificates is needed, or someone took the roots out"
        report failed
    fi ;;
esac
if ! install_package_again; then
    fact why "still at fault ($damage): ${why:-the package could not be installed again: $(last_words)}"
    report failed
fi
fact reinstalled yes
make_bundle
if bundle_fault; then
    fact why "still at fault ($damage) after all was installed and made again"
    report failed
fi
report 'done'
