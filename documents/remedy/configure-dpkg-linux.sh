# Completes what an interrupted dpkg left: packages that are unpacked and not configured, and the
# notes of its journal. Settings that someone changed stay as they are; nothing is removed, added
# or downloaded.
REMEDY=configure-dpkg
CONFIGURE_SECONDS_MAX=1200

need_root
if ! have dpkg || ! have dpkg-query; then
    refuse 'this node has no dpkg'
fi
need_no_patch_run
need_no_package_lock
find_dpkg_state || refuse "dpkg's list of packages cannot be read; a person must restore it (/var/lib/dpkg/status-old)"
if [ -z "$dpkg_half" ] && [ "$dpkg_journal" -eq 0 ]; then
    [ -z "$dpkg_worse" ] || refuse "these must be installed anew by hand: $dpkg_worse"
    report nothing-to-do
fi
if find_short_space; then
    refuse "$short_path has $short_free_mb MB and $short_free_inodes inodes free, too little to configure packages"
fi
half_before=$dpkg_half journal_before=$dpkg_journal
make_work
DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none
export DEBIAN_FRONTEND DEBIAN_PRIORITY NEEDRESTART_MODE NEEDRESTART_SUSPEND UCF_FORCE_CONFFOLD
export APT_LISTCHANGES_FRONTEND
started=$(now)
run_tool "$CONFIGURE_SECONDS_MAX" dpkg --force-confdef --force-confold --configure -a
status=$?
fact packages "$half_before"
fact journal "$journal_before"
fact seconds "$(($(now) - started))"
if ! find_dpkg_state; then
    fact why "dpkg's list of packages cannot be read afterwards"
    report failed
fi
if [ -n "$dpkg_half" ] || [ "$dpkg_journal" -gt 0 ]; then
    fact still_broken "$dpkg_half"
    fact exit_code "$status"
    fact why "dpkg could not complete them: $(last_words)"
    report failed
fi
if [ -n "$dpkg_worse" ]; then
    fact still_broken "$dpkg_worse"
    fact why 'the rest was completed; these must be installed anew by hand'
    report failed
fi
report 'done'
