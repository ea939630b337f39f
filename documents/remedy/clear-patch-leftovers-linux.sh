# Takes away what an interrupted patch run left in its working folder. The state and inventory
# files of Patch Manager lie elsewhere and are never touched.
REMEDY=clear-patch-leftovers
LEFTOVER_MINUTES=2
# A run that asked for a restart waits behind this folder.
REBOOT_LEFTOVER_MINUTES=60

need_root
need_no_patch_run
remove_leftovers "$LEFTOVER_MINUTES" "$PAYLOAD" || failed=yes
all_removed=$removed_folders
remove_leftovers "$REBOOT_LEFTOVER_MINUTES" \
    "$PAYLOAD-reboot-194" "$PAYLOAD-reboot-195" "$PAYLOAD-reboot-196" || failed=yes
all_removed="$all_removed${all_removed:+${removed_folders:+ }}$removed_folders"
fact removed_folders "$all_removed"
if [ "${failed:-no}" = yes ]; then
    fact why 'a folder could not be removed'
    report failed
fi
[ -n "$all_removed" ] || report nothing-to-do
report 'done'
