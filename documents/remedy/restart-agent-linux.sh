# Restarts the agent when its service is down and only a worker of it runs this very script. That is
# left to the system a few seconds from now, so that the worker can still report this command.
REMEDY=restart-agent
RESTART_DELAY_SECONDS=10

agent_pid() {
    # shellcheck disable=SC2013 # names of the kernel's, no blanks
    for comm_file in $(grep -l -s -x -E 'amazon-ssm-age(n|nt)' /proc/[0-9]*/comm 2>/dev/null); do
        comm_file=${comm_file#/proc/}
        printf '%s' "${comm_file%/comm}"
        return 0
    done
}

# Seconds since the process began, from the kernel's tick count (100 a second on every Linux ABI).
process_seconds() {
    read -r up </proc/uptime && up=${up%%.*}
    stat_line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name, in brackets, may hold blanks; field 22 is the 20th after it.
    begun=$(printf '%s' "${stat_line##*) }" | cut -d ' ' -f 20)
    is_number "$begun" || return 1
    printf '%s' $((up - begun / 100))
}

restart_command() {
    if [ -d /run/systemd/system ]; then
        for unit in amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service; do
            if limit 10 systemctl cat "$unit" >/dev/null 2>&1; then
                printf 'systemctl restart %s' "$unit"
                return 0
            fi
        done
        return 1
    fi
    if have initctl && limit 10 initctl status amazon-ssm-agent >/dev/null 2>&1; then
        printf 'initctl restart amazon-ssm-agent'
    elif have service && [ -e /etc/init.d/amazon-ssm-agent ]; then
        printf 'service amazon-ssm-agent restart'
    else
        return 1
    fi
}

# A transient timer of systemd survives the agent; elsewhere a process of its own session does,
# and the agent inherits what that process has: files that it makes must be as they ever were.
schedule_restart() {
    umask 022
    # shellcheck disable=SC2086 # a command of fixed words
    if have systemd-run && [ -d /run/systemd/system ] &&
        limit 10 systemd-run --unit="patchmedic-restart-agent-$$" \
            --on-active="$RESTART_DELAY_SECONDS" $1 >/dev/null 2>&1; then
        return 0
    fi
    if have setsid; then
        setsid nohup sh -c "sleep $RESTART_DELAY_SECONDS; $1" </dev/null >/dev/null 2>&1 &
    else
        nohup sh -c "sleep $RESTART_DELAY_SECONDS; $1" </dev/null >/dev/null 2>&1 &
    fi
}

need_root
pid=$(agent_pid)
if [ -n "$pid" ]; then
    fact agent_seconds "$(process_seconds "$pid")"
    report nothing-to-do
fi
need_no_patch_run
command=$(restart_command) || refuse 'the agent is not a service that this remedy knows how to restart'
schedule_restart "$command"
fact command "$command"
fact in_seconds "$RESTART_DELAY_SECONDS"
report 'done'
