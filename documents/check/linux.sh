# Linux: the checks that only make sense here, and the closed list of this platform.
PLATFORM=linux
PLATFORM_CHECKS='disk-space package-lock patch-runs payload-leftovers credentials s3-reach
    ssm-reach package-repositories agent imds dpkg-state clock reboot-pending patch-log-tail'

check_package_lock() {
    find_package_lock
    case $? in
        0)
            state=bad
            fact manager "$lock_manager"
            fact lock "$lock_file"
            fact holder_pid "$lock_pid"
            fact holder "$lock_holder" ;;
        1) state=ok ;;
        *) could_not_look 'no package manager that this check knows' ;;
    esac
}

# One question for each server, not for each repository; a server that answers at all is reached.
REPOSITORY_SERVERS_MAX=6
check_package_repositories() {
    repository_servers=$(repository_urls | expand_repository_variables |
        sed -n -E 's#^(tls-own )?(mirror\+)?(https?://[^/[:space:]]+).*#\1\3/#p' | grep -v '\$' | sort -u |
        sed -n "1,${REPOSITORY_SERVERS_MAX}p")
    if [ -z "$repository_servers" ]; then
        could_not_look 'no repository with an http address is configured'
        return 0
    fi
    use_package_proxy
    state=ok
    repository_asked=''
    for repository_word in $repository_servers; do
        if [ "$repository_word" = tls-own ]; then
            repository_own_tls=yes
            continue
        fi
        ask_repository "$repository_word" || return 0
        repository_own_tls=no
        repository_asked="$repository_asked${repository_asked:+ }$repository_word"
    done
    fact repository "$repository_asked"
    fact error ''
}

ask_repository() {
    probe "$1" 5
    case $probe_error in
        no-tool)
            could_not_look 'neither curl nor wget is installed'
            return 1 ;;
        tls) [ "${repository_own_tls:-no}" = yes ] && return 0 ;;
        '') case $probe_code in 502 | 503 | 504) probe_error=http-$probe_code ;; *) return 0 ;; esac ;;
    esac
    state=bad
    fact repository "$1"
    fact error "$probe_error"
    return 1
}

# Every enabled repository's address, one a line. "tls-own " marks a file whose repositories bring
# their own certificates (RHUI and the like): what curl thinks of those means nothing.
repository_urls() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n -E 's/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]]+).*/\2/p'
    for repository_file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$repository_file" ] || continue
        grep -q -i '^Enabled: *no' "$repository_file" && continue
        sed -n -E 's/^URIs:[[:space:]]*//p' "$repository_file" | tr ' ' '\n'
    done
    for repository_file in /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo; do
        [ -r "$repository_file" ] && enabled_sections "$repository_file"
    done
}

enabled_sections() (
    mark=''
    grep -q -E '^ssl(clientcert|cacert|verify)' "$1" && mark='tls-own '
    enabled=yes urls=''
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            '['*)
                [ "$enabled" = yes ] && printf '%s' "$urls"
                enabled=yes urls='' ;;
            enabled*=*0*) enabled=no ;;
            baseurl*=* | mirrorlist*=* | metalink*=*)
                urls="$urls$mark$(printf '%s' "${line#*=}" | sed 's/^ *//; s/[ ,].*//')$NEWLINE" ;;
        esac
    done <"$1"
    [ "$enabled" = yes ] && printf '%s' "$urls"
)

# $name in an address comes from a file of that name; the Region is known.
expand_repository_variables() (
    script="s/[\$][{]?awsregion[}]?/$REGION/g;s/[\$][{]?awsdomain[}]?/$AWS_DOMAIN/g;s/[\$][{]?awsproto[}]?/https/g"
    for variable_file in /etc/dnf/vars/* /etc/yum/vars/*; do
        [ -r "$variable_file" ] || continue
        variable_name=${variable_file##*/}
        case $variable_name in *[!A-Za-z0-9_]*) continue ;; esac
        variable_value=''
        read -r variable_value <"$variable_file" || [ -n "$variable_value" ] || continue
        case $variable_value in *[!A-Za-z0-9._:/-]*) continue ;; esac
        script="$script;s#[\$][{]?${variable_name}[}]?#$variable_value#g"
    done
    sed -E "$script"
)

# The package manager's own proxy applies to its repositories.
use_package_proxy() {
    package_proxy=''
    if have apt-config; then
        package_proxy=$(limit 5 apt-config dump 2>/dev/null |
            sed -n -E 's/^Acquire::https?::[Pp]roxy "(https?:[^"]+)";$/\1/p' | tail -n 1)
    fi
    for proxy_file in /etc/dnf/dnf.conf /etc/yum.conf; do
        [ -n "$package_proxy" ] || [ ! -r "$proxy_file" ] ||
            package_proxy=$(sed -n -E 's/^proxy[[:space:]]*=[[:space:]]*(https?:[^[:space:]]+)$/\1/p' "$proxy_file" | tail -n 1)
    done
    if [ -n "$package_proxy" ]; then
        http_proxy=$package_proxy https_proxy=$package_proxy
        export http_proxy https_proxy
    fi
}

# Half-installed packages mean an interrupted run, unless dpkg is at work this moment.
check_dpkg_state() {
    if ! have dpkg-query; then
        could_not_look 'this node has no dpkg'
        return 0
    fi
    if find_kernel_lock apt /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock; then
        could_not_look 'dpkg is at work, its state is in motion'
        return 0
    fi
    # shellcheck disable=SC2016 # the dollars are dpkg-query's
    dpkg_list=$(limit 10 dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' 2>/dev/null)
    if [ -z "$dpkg_list" ]; then
        state=bad
        fact broken 'the package list itself cannot be read'
        return 0
    fi
    dpkg_broken=$(printf '%s\n' "$dpkg_list" | sed -n -E 's/^(.[HUFWt].|..R)\|(.*)$/\2/p' | tr '\n' ' ')
    # shellcheck disable=SC2010,SC2012 # the journal's files have numbers for names
    dpkg_journal=$(ls /var/lib/dpkg/updates 2>/dev/null | grep -c '^[0-9][0-9]*$')
    state=ok
    if [ -n "$dpkg_broken" ] || [ "$dpkg_journal" -gt 0 ]; then
        state=bad
    fi
    fact broken "${dpkg_broken% }"
    fact journal "$dpkg_journal"
}

check_reboot_pending() {
    reboot_reasons=''
    for reboot_flag in /run/reboot-required /var/run/reboot-required /run/reboot-needed; do
        [ -e "$reboot_flag" ] && { reboot_reasons="$reboot_flag"; break; }
    done
    for reboot_flag in "$PAYLOAD"-reboot-194 "$PAYLOAD"-reboot-195 "$PAYLOAD"-reboot-196; do
        [ -d "$reboot_flag" ] && reboot_reasons="$reboot_reasons${reboot_reasons:+ }$reboot_flag"
    done
    if kernel_since_boot; then
        reboot_reasons="$reboot_reasons${reboot_reasons:+ }a kernel was installed after the last start"
    fi
    state=ok
    [ -n "$reboot_reasons" ] && state=bad
    fact reasons "$reboot_reasons"
}

# The change time, not the written time: packages keep the date of their build.
kernel_since_boot() {
    read -r boot_uptime </proc/uptime 2>/dev/null || return 1
    boot_uptime=${boot_uptime%%.*}
    is_number "$boot_uptime" || return 1
    boot_time=$(($(now) - boot_uptime))
    for boot_kernel in /boot/vmlinuz-*; do
        boot_changed=$(limit 2 stat -c %Z "$boot_kernel" 2>/dev/null)
        is_number "$boot_changed" || continue
        # A minute of grace for boot scripts that touch /boot.
        [ "$boot_changed" -gt $((boot_time + 60)) ] && return 0
    done
    return 1
}
