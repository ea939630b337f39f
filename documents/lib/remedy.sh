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

# make_work: work, a folder of this remedy alone that goes when it ends; what a killed remedy left
# goes first, for only one runs on a node at a time.
make_work() {
    work=''
    for work_parent in /run /var/run /tmp; do
        [ -d "$work_parent" ] && [ -w "$work_parent" ] || continue
        rm -rf "$work_parent"/patchmedic-remedy.*
        work=$(mktemp -d "$work_parent/patchmedic-remedy.XXXXXX" 2>/dev/null) && break
    done
    [ -n "$work" ] || refuse 'there is nowhere to make a folder for what the tools say'
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
}

# run_tool SECONDS COMMAND...: as an administrator would, with files that others may read; what it
# says goes to a file, for a service that it starts may keep a pipe open for ever.
run_tool() (
    umask 022
    limit "$@" >"$work/said" 2>&1
)

# last_words: the end of what a tool said, the complaints first.
last_words() {
    grep -a -i -E 'error|fail|cannot|unable|not found|denied' "$work/said" 2>/dev/null | tail -n 2 |
        cut -c 1-130 | tr '\n' ' '
}

# find_dpkg_state: dpkg_half, packages that `dpkg --configure -a` completes; dpkg_worse, packages
# that it cannot; dpkg_journal, how many notes an interrupted dpkg left. 1: no list can be read.
find_dpkg_state() {
    # shellcheck disable=SC2016 # the dollars are dpkg-query's
    dpkg_list=$(limit 30 dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' 2>/dev/null)
    [ -n "$dpkg_list" ] || return 1
    dpkg_half=$(printf '%s\n' "$dpkg_list" | sed -n -E 's/^.[UFWt] \|(.*)$/\1/p' | tr '\n' ' ')
    dpkg_worse=$(printf '%s\n' "$dpkg_list" | sed -n -E 's/^(.H.|..R)\|(.*)$/\2/p' | tr '\n' ' ')
    # shellcheck disable=SC2010,SC2012 # the journal's files have numbers for names
    dpkg_journal=$(ls /var/lib/dpkg/updates 2>/dev/null | grep -c '^[0-9][0-9]*$')
    dpkg_half=${dpkg_half% } dpkg_worse=${dpkg_worse% }
}
