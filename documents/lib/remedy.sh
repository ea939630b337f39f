# How every remedy ends: one JSON document between markers, and an exit status that Run Command
# understands. Sourced after text.sh and node.sh; REMEDY is set by the remedy itself.
facts=''

# report STATE: done, nothing-to-do, refused (a precondition does not hold) or failed.
report() {
    printf '%s\n{"schema":1,"remedy":"%s","state":"%s","facts":{%s}}\n%s\n' \
        '<<<PATCHMEDIC-REMEDY' "$REMEDY" "$1" "$facts" 'PATCHMEDIC-REMEDY>>>'
    case $1 in
        done | nothing-to-do) exit 0 ;;
        *) exit 1 ;;
    esac
}

refuse() {
    fact why "$1"
    report refused
}

need_root() {
    [ "$(id -u)" = 0 ] || refuse 'this remedy needs root'
}

need_no_patch_run() {
    if find_patch_processes; then
        refuse "a patch run is alive (processes $patch_pids)"
    fi
}

need_no_package_lock() {
    if find_package_lock; then
        refuse "$lock_holder (process $lock_pid) holds $lock_file"
    fi
}

# remove_leftovers MINUTES FOLDER...: takes away folders of the payload that were not written to
# for that long. Each is renamed first, so that a run which starts this moment makes a new one and
# never finds half of the old; what an earlier, killed remedy renamed goes too.
remove_leftovers() {
    leftover_minutes_min=$1
    shift
    removed_folders=''
    for leftover in "$@"; do
        for half_removed in "$leftover".patchmedic-removed.*; do
            [ -d "$half_removed" ] || continue
            rm -rf "$half_removed" || return 1
            removed_folders="$removed_folders${removed_folders:+ }$half_removed"
        done
        [ -d "$leftover" ] || continue
        leftover_minutes=$(age_minutes "$leftover") || continue
        [ "$leftover_minutes" -ge "$leftover_minutes_min" ] || continue
        mv "$leftover" "$leftover.patchmedic-removed.$$" || return 1
        rm -rf "$leftover.patchmedic-removed.$$" || return 1
        removed_folders="$removed_folders${removed_folders:+ }$leftover"
    done
    return 0
}
