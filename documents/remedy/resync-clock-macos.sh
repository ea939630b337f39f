# Lets macOS set its clock from the time server that is configured, when network time is on.
REMEDY=resync-clock

need_wrong_clock
make_work
if ! have systemsetup || ! have sntp; then
    refuse 'this node has no systemsetup or no sntp'
fi
case $(limit 20 systemsetup -getusingnetworktime 2>/dev/null) in
    *': On') ;;
    *) refuse 'network time is off on this node' ;;
esac
server=$(limit 20 systemsetup -getnetworktimeserver 2>/dev/null | sed -n -E 's/^.*: ([A-Za-z0-9][A-Za-z0-9.:-]*).*$/\1/p' | sed -n 1p)
[ -n "$server" ] || refuse 'no time server is configured on this node'
run_tool 40 sntp -sS "$server"
report_clock "sntp with $server"
