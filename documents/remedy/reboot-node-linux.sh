# Restarts the node for what waits for a restart, or for a damaged state file of Patch Manager.
# Exit status 194 makes the agent restart the node and start this script again, which then knows by
# its note that the restart took place. A note of the last restart keeps it from doing so for ever.
REMEDY=reboot-node
NOTE_FOLDER=/var/lib/patchmedic
NOTE=$NOTE_FOLDER/reboot-node
UPTIME_SECONDS_MIN=600
ASKED_MAX=2
# For so long the last restart counts as this remedy's, and no other is tried.
AGAIN_SECONDS_MIN=86400

# read_note: note_kind (asked, restarted or none), note_boot, note_time, note_count.
read_note() {
    note_kind=none note_boot='' note_time='' note_count=''
    [ -f "$NOTE" ] && [ ! -L "$NOTE" ] || return 0
    read -r note_kind note_boot note_time note_count <"$NOTE" 2>/dev/null
    case $note_kind in
        asked | restarted) is_number "$note_time" && is_number "$note_count" && return 0 ;;
    esac
    note_kind=none
}

write_note() {
    mkdir -p "$NOTE_FOLDER" && printf '%s %s %s %s\n' "$1" "$boot" "$(now)" "$2" >"$NOTE.new" &&
        mv -f "$NOTE.new" "$NOTE" && sync
}

# find_reasons: reasons, all that a restart is for.
find_reasons() {
    find_reboot_reasons
    reasons=$reboot_reasons
    if find_damaged_state_file; then
        reasons="$reasons${reasons:+, }$file is $error"
    fi
    [ -n "$reasons" ]
}

# After the restart: the same command again, started by the agent.
report_restart() {
    write_note restarted 0 || refuse "$NOTE cannot be written"
    find_reasons
    fact restarted yes
    fact still_there "$reasons"
    report 'done'
}

need_root
read -r boot </proc/sys/kernel/random/boot_id 2>/dev/null
case $boot in
    '' | *[!0-9a-f-]*) refuse 'the kernel does not tell its boot id, so a restart could not be recognised' ;;
esac
read_note
note_age=$(($(now) - ${note_time:-0}))
if [ "$note_kind" = asked ] && [ "$note_boot" != "$boot" ] && [ "$note_age" -lt "$AGAIN_SECONDS_MIN" ]; then
    report_restart
fi
find_reasons || report nothing-to-do
fact reasons "$reasons"
if [ "$note_kind" = restarted ] && [ "$note_age" -lt "$AGAIN_SECONDS_MIN" ]; then
    refuse "this remedy restarted the node $((note_age / 60)) minutes ago, and that did not help"
fi
asked=0
[ "$note_kind" != asked ] || [ "$note_boot" != "$boot" ] || asked=$note_count
[ "$asked" -lt "$ASKED_MAX" ] || refuse "the agent was asked $asked times to restart the node and did not"
need_no_patch_run
need_no_package_lock
if have dpkg-query && find_dpkg_state && [ -n "$dpkg_half$dpkg_worse" ]; then
    refuse "packages are half installed, the node might not start: $dpkg_half $dpkg_worse"
fi
[ ! -e /run/systemd/shutdown/scheduled ] || refuse 'someone has already scheduled a shutdown'
read -r uptime </proc/uptime
uptime=${uptime%%.*}
if ! is_number "$uptime" || [ "$uptime" -lt "$UPTIME_SECONDS_MIN" ]; then
    refuse "the node started only ${uptime:-unknown} seconds ago"
fi
write_note asked $((asked + 1)) || refuse "$NOTE cannot be written, so a restart could not be recognised"
printf '%s\n' "The agent restarts the node now: $reasons"
exit 194
