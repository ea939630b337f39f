# Linux: the checks that only make sense here, and the closed list of this platform.
PLATFORM=linux
PLATFORM_CHECKS='disk-space memory filesystems exec-mounts selinux os-limits clock dns tls proxies
    s3-reach ssm-reach credentials imds agent agent-diagnostics hibernation registration patch-runs
    payload-leftovers state-files reboot-pending package-lock dpkg-state rpm-db package-dependencies
    package-holds package-repositories package-metadata signing-keys subscription patch-python
    patch-log-tail'

check_reboot_pending() {
    find_reboot_reasons
    state=ok
    [ -n "$reboot_reasons" ] && state=bad
    fact reasons "$reboot_reasons"
    [ -z "$reboot_missed" ] || fact missed "$reboot_missed"
}

# Bad: it enforces, and lately denied something to what patching runs. One that only watched, or
# a service of its own that it fences in, is no fault here.
check_selinux() {
    mode=''
    read -r mode </sys/fs/selinux/enforce
    case $mode in
        1) mode=enforcing ;;
        0) mode=permissive ;;
        *)
            unknown 'this node has no SELinux'
            return 0 ;;
    esac
    last=$(recent_denials)
    state=ok
    [ "$mode" != enforcing ] || [ -z "$last" ] || state=bad
    denials=$(say "$last" | grep -c .)
    last=$(say "$last" | tail -n 1)
    tell mode denials last
}

# "process -> target class", a line a denial, of the audit log or else of the kernel's.
recent_denials() {
    {
        tail -c 3000000 /var/log/audit/audit.log || limit 5 dmesg
    } | awk -v since=$(($(now) - DAY_MINUTES * 60)) '
        function part(name) { return match($0, name "[^ ]+") ? substr($0, RSTART + length(name), RLENGTH - length(name)) : "" }
        /avc: +denied/ && !/permissive=1/ && match($0, /audit\([0-9]+/) && substr($0, RSTART + 6, RLENGTH - 6) + 0 >= since {
            who = part("comm="); gsub(/"/, "", who)
            split(part("scontext="), from, ":"); split(part("tcontext="), to, ":")
            if (who ~ /^(rpm|yum|dnf|ssm-|amazon-ssm)/ ||
                (who ~ /^((platform-)?python|sh$|bash$)/ && from[3] ~ /^(rpm|rpm_script|init|initrc|unconfined|unconfined_service)_t$|ssm/))
                print who " -> " to[3] " " part("tclass=")
        }'
}

# Bad: one of the kernel's tables is full, so nothing more is opened, started or watched.
check_os_limits() {
    limit='' used='' max=''
    # shellcheck disable=SC2046 # numbers
    note_limit files $(cat /proc/sys/fs/file-nr | awk '{ print $1, $3 }')
    tasks=$(sed -E 's#.*/([0-9]+) .*#\1#' /proc/loadavg)
    for max_file in pid_max threads-max; do
        note_limit processes "$tasks" "$(cat "/proc/sys/kernel/$max_file")"
    done
    # Of root, who runs the agent.
    watchers=$(limit 5 ls -n /proc/[0-9]*/fd |
        awk '/^\/proc/ { sub(/fd:$/, "fdinfo/"); at = $0 } $3 == 0 && /:inotify/ { print at $9 }')
    inotify=/proc/sys/fs/inotify/max_user
    note_limit inotify "$(say "$watchers" | grep -c .)" "$(cat "${inotify}_instances")"
    # shellcheck disable=SC2086 # paths of /proc
    note_limit inotify "$(cat $watchers /dev/null | grep -c '^inotify ')" "$(cat "${inotify}_watches")"
    [ -z "$limit" ] && unknown 'the kernel tells none of its limits' && return
    state=ok
    [ $((used * 100)) -lt $((max * 98)) ] || state=bad
    tell limit used max
}

# note_limit NAME USED MAX: keeps the one that is nearest to its end. Some maxima are beyond what
# the shell can count with, and so beyond reach.
note_limit() {
    is_number "$2" && is_number "$3" && [ "$3" -gt 0 ] || return 0
    [ -z "$limit" ] || [ $(($2 * 1000 / $3)) -gt $((used * 1000 / max)) ] || return 0
    limit=$1 used=$2 max=$3
}

# --- what system.sh asks of a platform

free_memory() {
    free_mb=$(awk '{ v[$1] = $2 } END {
        if (!("MemAvailable:" in v)) v["MemAvailable:"] = v["MemFree:"] + v["Buffers:"] + v["Cached:"]
        if ("MemFree:" in v) print int(v["MemAvailable:"] / 1024) }' /proc/meminfo)
    swap_free_mb=$(awk '$1 == "SwapFree:" { print int($2 / 1024) }' /proc/meminfo)
}

mounts() {
    awk '{ print $1, $2, $4 }' /proc/self/mounts
}

name_servers() {
    sed -n -E 's/^[[:space:]]*nameserver[[:space:]]+([0-9A-Fa-f.:]+).*/\1/p' /etc/resolv.conf
}

addresses_of() {
    limit 6 getent ahosts "$1" | sed -n -E 's/^([0-9A-Fa-f.:]+) .*/\1/p'
}

agent_settings() {
    cat /etc/systemd/system/*amazon-ssm-agent*.service /etc/systemd/system/*amazon-ssm-agent*/*.conf /etc/init/amazon-ssm-agent.*
}

# What a login gets, and services without settings of their own.
system_proxy() {
    system_text=$(cat /etc/environment /etc/profile.d/*.sh)
    for system_name in http_proxy https_proxy; do
        say "$system_text" | proxy_in "$system_name"
    done | tail -n 1
}

manager_proxy() {
    {
        cat /etc/yum.conf /etc/dnf/dnf.conf
        # SUSE's file for all of them, when it is on.
        ! grep -q -i '^PROXY_ENABLED="*yes' /etc/sysconfig/proxy || sed -n -E 's/^HTTPS?_PROXY="(.*)"/proxy=\1/p' /etc/sysconfig/proxy
        limit 5 apt-config dump | sed -n -E 's/^Acquire::https?::[Pp]roxy "(.*)";$/proxy=\1/p'
    } | sed -n -E 's/^proxy *= *([^ ]*[^ :_]:[^ ]+).*/\1/p' | tail -n 1
}
