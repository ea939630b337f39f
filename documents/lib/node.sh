# What checks and remedies both ask of a node: free space, who holds a package lock, whether a
# patch run is alive, which agent this is. Only looks; answers in variables named after the
# question.

SSM_LOG=/var/log/amazon/ssm
SSM_DATA=/var/lib/amazon/ssm
PAYLOAD="$SSM_LOG/patch-baseline-operations"

# free_of PATH: free_mb and free_inodes ("not counted" where the file system has no such limit).
free_of() {
    free_mb='' free_inodes='not counted'
    free_line=$(limit 5 df -Pk "$1" 2>/dev/null | sed -n '2,$p' | tr '\n' ' ')
    df_available "$free_line" || return 1
    free_mb=$((df_free / 1024))
    # The macOS df has other columns for -i; APFS does not run out of inodes.
    [ "$(uname -s)" = Darwin ] && return 0
    free_line=$(limit 5 df -Pi "$1" 2>/dev/null | sed -n '2,$p' | tr '\n' ' ')
    if df_available "$free_line" && [ "$df_total" -gt 0 ]; then
        free_inodes=$df_free
    fi
    return 0
}

# The fields of a df line, counted from the percentage: a device name may hold blanks.
df_available() {
    df_free='' df_total='' df_third='' df_second='' df_last=''
    set -f
    # shellcheck disable=SC2086 # split into fields, on purpose
    set -- $1
    set +f
    while [ $# -gt 0 ]; do
        case $1 in
            *% | -)
                if is_number "$df_last" && is_number "$df_third"; then
                    df_free=$df_last df_total=$df_third
                    return 0
                fi ;;
        esac
        df_third=$df_second df_second=$df_last df_last=$1
        shift
    done
    return 1
}

# space_needs: "PATH:MB" lines, where patching writes and how much must be free there.
space_needs() {
    printf '%s\n' \
        /:200 /usr:200 /tmp:50 /var:300 /var/tmp:50 /var/lib/dpkg:100 /var/lib/rpm:100 \
        /var/cache/apt:300 /var/cache/dnf:300 /var/cache/yum:300 /var/cache/zypp:300 /boot:30 \
        "$SSM_LOG:100" "$SSM_DATA:50"
}

# find_short_space: the path that lacks most, in short_path, short_free_mb, short_need_mb and
# short_free_inodes; 1 when there is enough everywhere, 2 when nothing could be measured.
INODES_NEEDED=2000
find_short_space() {
    short_path='' short_free_mb='' short_need_mb='' short_free_inodes='' short_all=''
    tight_path='' tight_free_mb='' tight_need_mb='' tight_free_inodes=''
    for space_line in $(space_needs); do
        space_path=${space_line%:*} space_need=${space_line##*:}
        [ -d "$space_path" ] || continue
        free_of "$space_path" || continue
        note_space
    done
    [ -n "$short_path" ] && return 0
    [ -n "$tight_path" ] && return 1
    return 2
}

note_space() {
    if [ -z "$tight_path" ] || [ $((free_mb - space_need)) -lt $((tight_free_mb - tight_need_mb)) ]; then
        tight_path=$space_path tight_free_mb=$free_mb
        tight_need_mb=$space_need tight_free_inodes=$free_inodes
    fi
    space_is_short || return 0
    short_all="$short_all${short_all:+ }$space_path"
    if [ -z "$short_path" ] || [ $((free_mb - space_need)) -lt $((short_free_mb - short_need_mb)) ]; then
        short_path=$space_path short_free_mb=$free_mb
        short_need_mb=$space_need short_free_inodes=$free_inodes
    fi
}

space_is_short() {
    [ "$free_mb" -lt "$space_need" ] && return 0
    is_number "$free_inodes" && [ "$free_inodes" -lt "$INODES_NEEDED" ]
}

# find_package_lock: 0 and lock_manager, lock_file, lock_pid, lock_holder when a package manager's
# lock is held; 1 when none is; 2 when there is nothing to look at.
find_package_lock() {
    lock_manager='' lock_file='' lock_pid='' lock_holder=''
    lock_seen=no
    find_kernel_lock apt /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock \
        /var/lib/apt/lists/lock /var/cache/apt/archives/lock && return 0
    find_kernel_lock rpm /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock && return 0
    find_pid_lock yum /var/run/yum.pid && return 0
    find_pid_lock dnf /var/cache/dnf/metadata_lock.pid /var/cache/dnf/download_lock.pid \
        /var/lib/dnf/rpmdb_lock.pid && return 0
    find_pid_lock zypper /var/run/zypp.pid && return 0
    [ "$lock_seen" = yes ] && return 1
    for lock_tool in apt-get yum dnf microdnf tdnf zypper; do
        have "$lock_tool" && return 1
    done
    return 2
}

# The kernel's own list of locks needs no tool: a write lock on the file's inode, by a process
# that has that very file open (the device number differs on btrfs and overlay, so it is only
# trusted where the process cannot be seen).
find_kernel_lock() {
    lock_kind=$1
    shift
    [ -r /proc/locks ] || return 1
    for lock_path in "$@"; do
        [ -f "$lock_path" ] || continue
        lock_seen=yes
        # shellcheck disable=SC2012 # one name that is ours
        lock_inode=$(limit 5 ls -diL "$lock_path" 2>/dev/null | sed 's/^ *//; s/ .*//')
        is_number "$lock_inode" || continue
        for lock_pid in $(lock_pids "$lock_inode"); do
            if holds_file "$lock_pid" "$lock_path"; then
                lock_manager=$lock_kind lock_file=$lock_path
                lock_holder=$(process_name "$lock_pid")
                return 0
            fi
        done
    done
    lock_pid=''
    return 1
}

# The processes with a write lock on an inode; "->" marks one that only waits for it.
lock_pids() {
    sed -n -E "/->/d; s/^[0-9]+: +[A-Z]+ +[A-Z]+ +WRITE +(-?[0-9]+) +[0-9a-f]+:[0-9a-f]+:$1 .*/\1/p" \
        /proc/locks 2>/dev/null
}

holds_file() {
    if [ ! -r "/proc/$1/fd" ]; then
        # A process of another namespace holds it. The device must decide then.
        holds_device=$(limit 5 stat -L -c '%D' "$2" 2>/dev/null) || return 1
        lock_on_device "$holds_device" "$lock_inode"
        return
    fi
    # shellcheck disable=SC2010 # the link targets, which find could not print portably
    ls -l "/proc/$1/fd" 2>/dev/null | grep -F -q -e "-> $2"
}

# lock_on_device ST_DEV(hex) INODE: does /proc/locks name this device with this inode?
lock_on_device() {
    case $1 in '' | *[!0-9a-f]*) return 1 ;; esac
    device_number=$((0x$1))
    device_major=$(((device_number >> 8) & 4095))
    device_minor=$(((device_number & 255) | ((device_number >> 12) & 1048320)))
    device_text=$(printf '%02x:%02x' "$device_major" "$device_minor")
    grep -q "WRITE .* $device_text:$2 " /proc/locks 2>/dev/null
}

# A lock file that names its process counts when that process lives.
find_pid_lock() {
    lock_kind=$1
    shift
    for lock_path in "$@"; do
        [ -r "$lock_path" ] || continue
        lock_seen=yes
        lock_pid=''
        read -r lock_pid <"$lock_path" 2>/dev/null || [ -n "$lock_pid" ] || continue
        is_number "$lock_pid" || continue
        if [ -d "/proc/$lock_pid" ]; then
            lock_manager=$lock_kind lock_file=$lock_path
            lock_holder=$(process_name "$lock_pid")
            return 0
        fi
    done
    lock_pid=''
    return 1
}

process_name() {
    process_comm=''
    [ -r "/proc/$1/comm" ] && read -r process_comm <"/proc/$1/comm" 2>/dev/null
    say "${process_comm:-unknown}"
}

# find_patch_processes: patch_pids, and patch_running, how many runs they belong to. The payload
# is a Python that reads its program from a pipe, so its working folder tells, not its name.
find_patch_processes() {
    patch_pids=''
    patch_running=0
    if [ -d /proc/self ]; then
        patch_candidates=$(patch_pids_from_proc)
    else
        patch_candidates=$(patch_pids_from_ps)
    fi
    for patch_pid in $(say "$patch_candidates" | sort -u -n); do
        is_own_process "$patch_pid" || patch_pids="$patch_pids${patch_pids:+ }$patch_pid"
    done
    for patch_pid in $patch_pids; do
        # Each run is a tree of processes; its root has no parent among them.
        patch_parent=$(parent_of "$patch_pid")
        case " $patch_pids " in
            *" $patch_parent "*) ;;
            *) patch_running=$((patch_running + 1)) ;;
        esac
    done
    [ "$patch_running" -gt 0 ]
}

patch_pids_from_proc() {
    # shellcheck disable=SC2012 # link targets of all processes in one go
    ls -l /proc/[0-9]*/cwd 2>/dev/null |
        sed -n -E "s#^.* /proc/([0-9]+)/cwd -> $PAYLOAD(/.*| .*)?\$#\1#p"
    grep -l -s -E 'orchestration/.*/Patch(Linux|MacOS)/_script\.s[h]' /proc/[0-9]*/cmdline 2>/dev/null |
        sed -e 's#^/proc/##' -e 's#/cmdline$##'
}

patch_pids_from_ps() {
    limit 5 ps -axo pid=,command= 2>/dev/null |
        sed -n -E 's#^ *([0-9]+) .*(orchestration/.*/Patch(Linux|MacOS)/_script\.s[h]|[m]ain_entrance\.py).*#\1#p'
}

parent_of() {
    if [ -r "/proc/$1/status" ]; then
        sed -n -E 's/^PPid:[[:space:]]*([0-9]+)$/\1/p' "/proc/$1/status" 2>/dev/null
    else
        limit 5 ps -o ppid= -p "$1" 2>/dev/null | tr -d ' '
    fi
}

# The script's own children are looking at the same paths and are no patch run, nor is what has
# ended since it was listed. The parent of one that lives may end at this very moment: then the
# process has got another one, and the way up begins again.
is_own_process() {
    own_pid=$1
    # Substitutions and pipelines lie deep in each other; and nothing may turn for ever.
    own_step=0
    while [ "$own_step" -lt 40 ]; do
        own_step=$((own_step + 1))
        [ "$own_pid" != "$$" ] || return 0
        own_parent=$(parent_of "$own_pid")
        if is_number "$own_parent"; then
            [ "$own_parent" -gt 1 ] || return 1
            own_pid=$own_parent
        else
            [ "$own_pid" != "$1" ] || return 0
            own_pid=$1
        fi
    done
    return 1
}

# agent_version: asked of package data and logs; running the agent to ask could write its log.
agent_version() (
    if have dpkg-query; then
        # shellcheck disable=SC2016 # the dollar is dpkg-query's
        limit 5 dpkg-query -W -f '${Version}' amazon-ssm-agent 2>/dev/null | clean_version && return 0
    fi
    if [ -r /snap/amazon-ssm-agent/current/meta/snap.yaml ]; then
        sed -n 's/^version: *//p' /snap/amazon-ssm-agent/current/meta/snap.yaml | clean_version && return 0
    fi
    if [ -r "$SSM_LOG/amazon-ssm-agent.log" ]; then
        tail -c 200000 "$SSM_LOG/amazon-ssm-agent.log" 2>/dev/null |
            sed -n -E 's/.*amazon-ssm-agent - v([0-9.]+).*/\1/p' | clean_version && return 0
    fi
    # Asking rpm makes files where its database has none open, and a new database where there is none.
    if [ -e /var/lib/rpm/__db.001 ] || [ -e /var/lib/rpm/rpmdb.sqlite-shm ] || [ -e /usr/lib/sysimage/rpm/Packages.db ]; then
        limit 5 rpm -q --qf '%{VERSION}' amazon-ssm-agent 2>/dev/null | clean_version && return 0
    fi
    return 1
)

# The last line that begins like a version; packagers append a release of their own.
clean_version() {
    version_line=$(sed -n -E "s/^[\"']?([0-9]+(\.[0-9]+){1,3}).*/\1/p" | tail -n 1)
    [ -n "$version_line" ] && say "$version_line"
}

# agent_state: running, stopped or not-installed.
agent_state() {
    process_names | grep -q -E '(^|/)amazon-ssm-agent?$' && printf running && return
    for agent_file in /usr/bin/amazon-ssm-agent /snap/amazon-ssm-agent /opt/aws/ssm/bin/amazon-ssm-agent; do
        [ -e "$agent_file" ] && printf stopped && return
    done
    printf not-installed
}

# agent_enabled: does it start with the node? yes, no or unknown.
agent_enabled() {
    if [ -d /run/systemd/system ]; then
        for agent_unit in amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent; do
            case $(limit 5 systemctl is-enabled "$agent_unit" 2>/dev/null) in
                enabled* | static | indirect | generated) printf yes && return ;;
                disabled | masked*) printf no && return ;;
            esac
        done
    elif [ -r /etc/init/amazon-ssm-agent.conf ] || [ -r /Library/LaunchDaemons/com.amazon.aws.ssm.plist ]; then
        printf yes && return
    fi
    printf unknown
}

# agent_workers: how many of the processes that do the agent's work are alive.
agent_workers() {
    process_names | grep -c -E '(^|/)ssm-agent-worker?$'
}

# process_names: of all that run, a line each; Linux cuts them to 15 characters.
process_names() {
    if [ -d /proc/self ]; then
        cat /proc/[0-9]*/comm
    else
        limit 5 ps -axo comm=
    fi 2>/dev/null
}

# find_reboot_reasons: reboot_reasons, what on a Linux node waits for a restart, and reboot_missed,
# what has waited so long that the restart it asked for did not take place.
MISSED_MINUTES=60
find_reboot_reasons() {
    reboot_reasons='' reboot_missed='' boot_time=0
    read -r boot_uptime </proc/uptime 2>/dev/null && boot_uptime=${boot_uptime%%.*} &&
        is_number "$boot_uptime" && boot_time=$(($(now) - boot_uptime))
    for reboot_flag in /run/reboot-required /var/run/reboot-required /run/reboot-needed; do
        [ -e "$reboot_flag" ] && { reboot_reasons="$reboot_flag"; break; }
    done
    for reboot_flag in "$PAYLOAD"-reboot-194 "$PAYLOAD"-reboot-195 "$PAYLOAD"-reboot-196; do
        reboot_asked=$(written_at "$reboot_flag")
        # One that is older than the last start had its restart.
        is_number "$reboot_asked" && [ "$reboot_asked" -ge "$boot_time" ] || continue
        reboot_reasons="$reboot_reasons${reboot_reasons:+ }$reboot_flag"
        [ $(($(now) - reboot_asked)) -lt $((MISSED_MINUTES * 60)) ] || reboot_missed=$reboot_flag
    done
    if kernel_since_boot; then
        reboot_reasons="$reboot_reasons${reboot_reasons:+ }a kernel was installed after the last start"
    fi
    [ -n "$reboot_reasons" ]
}

# The change time, not the written time: packages keep the date of their build.
kernel_since_boot() {
    [ "$boot_time" -gt 0 ] || return 1
    for boot_kernel in /boot/vmlinuz-*; do
        boot_changed=$(limit 2 stat -c %Z "$boot_kernel" 2>/dev/null)
        is_number "$boot_changed" || continue
        # A minute of grace for boot scripts that touch /boot.
        [ "$boot_changed" -gt $((boot_time + 60)) ] && return 0
    done
    return 1
}

# find_damaged_state_file: file and error of the first one of what the payload remembers between
# runs that is there and cannot be read.
find_damaged_state_file() {
    for file in patch-states-configuration patch-inventory-from-last-operation; do
        file=$SSM_LOG/patch-configuration/$file.json error=''
        [ -e "$file" ] || continue
        if ! cat "$file" >/dev/null 2>&1; then
            error=unreadable
        elif [ ! -s "$file" ]; then
            error=empty
        elif have awk && ! is_json "$file"; then
            error=not-json
        fi
        [ -z "$error" ] || return 0
    done
    return 1
}

# Strings become one mark and other plain values another; then what is whole is folded into a plain
# value, from the inside out, until a single one is left.
is_json() {
    tr '\000-\010' '\010' <"$1" | awk '
        { text = text $0 " " }
        END {
            if (text ~ /\010/) exit 1
            gsub(/"([^"\\]|\\["\\\/bfnrtu])*"/, "\001", text)
            gsub(/-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null/, "\002", text)
            if (text ~ /[\001\002][ \t]*[\001\002]/) exit 1
            gsub(/[ \t\r]+/, "", text)
            while (gsub(/\{(\001:[\001\002](,\001:[\001\002])*)?}|\[([\001\002](,[\001\002])*)?]/, "\002", text)) continue
            exit text !~ /^[\001\002]$/
        }'
}

# Which of the roots that Amazon's certificates end in the node's store lacks, by how they begin.
missing_roots() {
    for store in "${CURL_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" /etc/pki/tls/certs/ca-bundle.crt \
        /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
        [ -r "$store" ] || continue
        for root in CA-1:ITBmyfz5m CA-2:ITBmyf0pY CA-3:ITBmyf1XS CA-4:ITBmyf18G \
            Starfield-G2:MIID7zCCAtegAwIBAgIBADANBgkqhkiG9w0BAQsFADCBmDEL; do
            grep -q -F "${root#*:}" "$store" || printf '%s ' "${root%%:*}"
        done
        return 0
    done
    printf unknown
}
