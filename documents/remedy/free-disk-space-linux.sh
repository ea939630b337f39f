# Frees space where patching lacks it, and only from what comes back by itself or is worth nothing:
# downloaded packages, old journals, the payload of a dead patch run. Never user data.
REMEDY=free-disk-space
JOURNAL_KEPT=100M
LEFTOVER_MINUTES=2

# packages_in FOLDER PATTERN: removes downloaded packages, and adds their size to packages_kb;
# follows no link, leaves no file system.
packages_in() {
    [ -d "$1" ] || return 0
    packages_kb=$((packages_kb + $(limit 60 find "$1" -xdev -type f -name "$2" -exec du -k {} + 2>/dev/null | sum_kb)))
    limit 60 find "$1" -xdev -type f -name "$2" -exec rm -f {} +
}

sum_kb() {
    sum=0
    while read -r sum_size sum_name; do
        is_number "$sum_size" && sum=$((sum + sum_size))
    done
    printf '%s' "$sum"
}

# By hand, not by `apt-get clean` and its like: those take whatever lies in the folder, and some
# must write before they can remove, which a full disk does not let them.
free_packages() {
    packages_kb=0
    packages_in /var/cache/apt/archives '*.deb'
    for folder in /var/cache/dnf /var/cache/yum /var/cache/libdnf5 /var/cache/PackageKit /var/cache/zypp/packages; do
        packages_in "$folder" '*.rpm'
    done
    fact freed_packages_mb $((packages_kb / 1024))
}

free_journals() {
    have journalctl || return 0
    journals_before=$(journals_kb)
    limit 60 journalctl -q --vacuum-size="$JOURNAL_KEPT" >/dev/null 2>&1
    fact freed_journals_mb $(((journals_before - $(journals_kb)) / 1024))
}

journals_kb() {
    limit 20 du -sk /var/log/journal /run/log/journal 2>/dev/null | sum_kb
}

free_payload() {
    payload_kb=$(limit 20 du -sk "$PAYLOAD" "$PAYLOAD".patchmedic-removed.* 2>/dev/null | sum_kb)
    remove_leftovers "$LEFTOVER_MINUTES" "$PAYLOAD"
    fact removed_folders "$removed_folders"
    [ -z "$removed_folders" ] || fact freed_payload_mb $((payload_kb / 1024))
}

need_root
find_short_space
case $? in
    1)
        fact path "$tight_path"
        fact free_mb "$tight_free_mb"
        report nothing-to-do ;;
    2) refuse 'df gave no numbers for any folder that patching uses' ;;
esac
need_no_patch_run
need_no_package_lock
path=$short_path before_mb=$short_free_mb
free_packages
free_journals
free_payload
free_of "$path"
freed_mb=$((free_mb - before_mb))
[ "$freed_mb" -ge 0 ] || freed_mb=0
fact path "$path"
fact freed_mb "$freed_mb"
if find_short_space; then
    fact free_mb "$short_free_mb"
    fact need_mb "$short_need_mb"
    fact free_inodes "$short_free_inodes"
    fact why "$short_path is still short of space; nothing else may be removed by machine"
    report failed
fi
fact free_mb "$free_mb"
report 'done'
