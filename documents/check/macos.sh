# macOS: where the agent keeps its files, and the closed list of this platform.
PLATFORM=macos
PLATFORM_CHECKS='disk-space memory filesystems exec-mounts clock dns tls proxies s3-reach ssm-reach
    credentials imds agent agent-diagnostics hibernation registration patch-runs payload-leftovers
    state-files reboot-pending patch-python patch-log-tail'
SSM_DATA=/opt/aws/ssm/data

# A restart that the payload asked for and that has not come; macOS keeps no flag of its own.
check_reboot_pending() {
    reboot_reasons=''
    for reboot_flag in "$PAYLOAD"-reboot-19[456]; do
        [ -d "$reboot_flag" ] && reboot_reasons="$reboot_reasons${reboot_reasons:+ }$reboot_flag"
    done
    state=ok
    [ -n "$reboot_reasons" ] && state=bad
    fact reasons "$reboot_reasons"
}

# The payload takes python3, else the older python of the system. /usr/bin/python3 is only a
# stand-in, which asks for the command line tools, until those are installed.
check_patch_python() {
    python_found=''
    for python_try in python3 python python2; do
        python_path=$(command -v "$python_try" 2>/dev/null) || continue
        [ "$python_path" != /usr/bin/python3 ] || limit 5 xcode-select -p >/dev/null 2>&1 || continue
        python_version=$(limit 5 "$python_path" -V 2>&1 | sed -n -E 's/^Python ([0-9.]+).*/\1/p')
        [ -n "$python_version" ] && { python_found=$python_path; break; }
    done
    state=ok
    fact manager softwareupdate
    if [ -n "$python_found" ]; then
        fact python "$python_found"
        fact version "$python_version"
        fact error ''
    else
        state=bad
        fact error missing
    fi
}

# --- what system.sh asks of a platform; only a Mac can show that its tools still answer like this

# macOS makes swap as it needs it, on the disk that disk-space looks at.
free_memory() {
    swap_free_mb=0
    free_mb=$(limit 5 vm_stat | tr -d '.' | awk '/page size of/ { page = $8 }
        /^Pages (free|inactive|speculative|purgeable):/ { n += $NF }
        END { if (page > 0) print int(n * page / 1048576) }')
}

# The system's own volume is read-only by design; what patching writes lies on others.
mounts() {
    { limit 5 mount; } | sed -n -E 's/, /,/g; s#( on / \(.*),read-only#\1#; s#^([^ ]+).* on (/[^ ]*) \((.*)\)$#\1 \2 \3#p'
}

name_servers() {
    limit 5 scutil --dns | sed -n -E 's/^ *nameserver\[[0-9]+\] : ([0-9A-Fa-f.:]+)$/\1/p' | sort -u
}

addresses_of() {
    limit 6 dscacheutil -q host -a name "$1" | sed -n -E 's/^ip(v6)?_address: //p'
}

# The variables of the launch file, in the shape of others: name=value.
agent_settings() {
    tr '\n' ' ' </Library/LaunchDaemons/com.amazon.aws.ssm.plist |
        sed -E 's#<!--([^-]|-[^-])*-->##g; s#</key> *<string>#=#g; s/[<>]/\
/g'
}

system_proxy() {
    limit 5 scutil --proxy | awk '$1 == "HTTPSEnable" { on = $3 } $1 == "HTTPSProxy" { host = $3 }
        $1 == "HTTPSPort" { port = $3 } END { if (on == 1) print "http://" host ":" port }'
}

manager_proxy() {
    :
}
