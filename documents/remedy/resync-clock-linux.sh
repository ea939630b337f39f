# Lets the node's own time service step the clock. Sets no time by itself, and neither installs nor
# switches on a service.
REMEDY=resync-clock

# runs NAME...: a process of that name is alive.
runs() {
    for run_name in "$@"; do
        grep -q -s -x -F -e "$run_name" /proc/[0-9]*/comm && return 0
    done
    return 1
}

# find_unit NAME...: unit, the first service that starts with the node.
find_unit() {
    unit=''
    [ -d /run/systemd/system ] || return 1
    for unit in "$@"; do
        case $(limit 10 systemctl is-enabled "$unit" 2>/dev/null) in
            enabled* | static | alias) return 0 ;;
        esac
    done
    unit=''
    return 1
}

restart_service() {
    if find_unit "$@"; then
        run_tool 60 systemctl restart "$unit"
        return
    fi
    for init_name in "$@"; do
        [ -x "/etc/init.d/$init_name" ] || continue
        run_tool 60 "/etc/init.d/$init_name" restart
        return
    done
    return 1
}

# chronyd measures first, so that it steps by what is true now.
step_by_chrony() {
    run_tool 20 chronyc burst 4/4
    run_tool 40 chronyc waitsync 6 0 0 5
    run_tool 20 chronyc makestep
}

need_wrong_clock
make_work
if runs chronyd && have chronyc; then
    service=chronyd
    step_by_chrony || refuse "chronyd did not take the order to step the clock: $(last_words)"
elif runs systemd-timesyn systemd-timesyncd; then
    service=systemd-timesyncd
    restart_service systemd-timesyncd || refuse "systemd-timesyncd could not be restarted: $(last_words)"
elif runs ntpd; then
    service=ntpd
    restart_service ntpd ntp ntpsec || refuse "ntpd could not be restarted: $(last_words)"
elif find_unit chronyd chrony systemd-timesyncd ntpd ntp ntpsec; then
    service=$unit
    run_tool 60 systemctl restart "$unit" || refuse "$unit is stopped and could not be started: $(last_words)"
else
    refuse 'no time service is configured on this node (chronyd, systemd-timesyncd or ntpd)'
fi
report_clock "$service"
