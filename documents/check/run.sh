# Runs the checks that were asked for, all at once, each within its own time, and prints one
# document. Nothing is written outside one temporary folder, which goes away with the script.
MARK_BEGIN='<<<PATCHMEDIC-FINDINGS'
MARK_END='PATCHMEDIC-FINDINGS>>>'
RUN_SECONDS_MAX=50
OUTPUT_CHARACTERS_MAX=19000
work=''

# Seconds that a check may take; the network ones ask several servers in turn.
check_seconds() {
    case $1 in
        s3-reach | package-repositories) printf 40 ;;
        ssm-reach | clock | dns | tls | proxies | agent-diagnostics) printf 30 ;;
        *) printf 20 ;;
    esac
}

validate_parameters() {
    case ${#CHECKS}:$CHECKS in
        ????*:* | *: | *:*[!a-z0-9,-]*) not_valid 'Checks must be all, or names of checks with commas between' ;;
    esac
    case $REGION in
        *[!a-z0-9-]* | *--* | -* | *- | ????????????????????????*) ;;
        [a-z][a-z]-[a-z]*-[0-9]) return ;;
    esac
    not_valid 'Region must be the code of an AWS Region'
}

not_valid() {
    say "The parameter $1." >&2
    exit 2
}

# The names to run, each once, in the order asked for; the tail of the log last, for it may fill
# what room is left.
wanted_checks() {
    wanted=''
    wanted_last=''
    if [ "$CHECKS" = all ]; then
        wanted_from=$PLATFORM_CHECKS
    else
        wanted_from=$(say "$CHECKS" | tr ',' ' ')
    fi
    for wanted_name in $wanted_from; do
        case " $wanted $wanted_last " in *" $wanted_name "*) continue ;; esac
        case $wanted_name in
            patch-log-tail) wanted_last=$wanted_name ;;
            *) wanted="$wanted $wanted_name" ;;
        esac
    done
    say "$wanted $wanted_last"
}

is_known_check() {
    for known_name in $PLATFORM_CHECKS; do
        [ "$known_name" = "$1" ] && return 0
    done
    return 1
}

# run_check NAME: its answer as one JSON object. The name was found in the closed list.
run_check() {
    facts='' state=unknown
    "check_$(say "$1" | tr - _)"
    answer "$1"
}

answer() {
    printf '{"check":"%s","state":"%s","facts":{%s}}\n' "$1" "$state" "$facts"
}

no_answer() {
    facts=''
    unknown "$2"
    answer "$1"
}

# A folder in memory first: on a node whose disk is full, the check that finds it must still be
# able to say so.
make_work_folder() {
    for work_parent in /dev/shm /run "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        [ -w "$work_parent" ] || continue
        work=$(mktemp -d "$work_parent/patchmedic-check.XXXXXX" 2>/dev/null) || { work=''; continue; }
        # 64 KB must fit: a full disk often still takes an empty folder.
        if dd if=/dev/zero of="$work/room" bs=1024 count=64 2>/dev/null; then
            rm -f "$work/room"
            return 0
        fi
        rm -rf "$work"
        work=''
    done
    return 1
}

clean_up() {
    [ -n "$work" ] && rm -rf "$work"
    work=''
}

# A check may use any variable, so the name stays where it cannot be changed.
write_answer() {
    run_check "$1" >"$work/$1.part" 2>/dev/null
    mv "$work/$1.part" "$work/$1.json"
}

# All at once. Each writes a file of its own and renames it when it is whole, so a check that
# hangs in the kernel cannot hold up the others or the end.
run_side_by_side() {
    running=''
    for name in $(wanted_checks); do
        if ! is_known_check "$name"; then
            no_answer "$name" "no check of this name for $PLATFORM" >"$work/$name.json"
            continue
        fi
        (
            trap - EXIT
            write_answer "$name"
        ) </dev/null >/dev/null 2>&1 &
        running="$running $name:$!"
    done
    while [ -n "$running" ]; do
        # Not every sleep knows fractions.
        sleep 0.2 2>/dev/null || sleep 1
        sift_running
    done
}

sift_running() {
    still=''
    elapsed=$(($(now) - started))
    for entry in $running; do
        name=${entry%%:*}
        [ -f "$work/$name.json" ] && continue
        seconds=$(check_seconds "$name")
        [ "$seconds" -gt "$RUN_SECONDS_MAX" ] && seconds=$RUN_SECONDS_MAX
        if [ "$elapsed" -ge "$seconds" ]; then
            kill "${entry##*:}" 2>/dev/null
            no_answer "$name" "not done within $seconds seconds" >"$work/$name.late"
            continue
        fi
        still="$still $entry"
    done
    running=$still
}

# Without a place to write, one after the other; what the clock leaves no time for is said so.
run_in_turn() {
    for name in $(wanted_checks); do
        if ! is_known_check "$name"; then
            no_answer "$name" "no check of this name for $PLATFORM"
        elif [ $(($(now) - started)) -ge 20 ]; then
            no_answer "$name" 'no time left; nothing on this node can be written to, so checks ran in turn'
        else
            (run_check "$name") 2>/dev/null
        fi
    done
}

# The answers in order, as many as there is room for.
join_answers() {
    joined='' joined_size=0
    while IFS= read -r one; do
        case $one in
            '{"check":"'*'}}') ;;
            *) continue ;;
        esac
        if [ $((joined_size + ${#one})) -gt $OUTPUT_CHARACTERS_MAX ]; then
            one_name=${one#'{"check":"'}
            one=$(no_answer "${one_name%%\"*}" 'no room left in the output')
        fi
        joined="$joined${joined:+,}$one"
        joined_size=${#joined}
    done
    say "$joined"
}

print_document() {
    printf '%s\n{"schema":1,"platform":"%s","checks":[%s]}\n%s\n' \
        "$MARK_BEGIN" "$PLATFORM" "$1" "$MARK_END"
}

main() {
    validate_parameters
    started=$(now)
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if make_work_folder; then
        run_side_by_side
        answers=$(for name in $(wanted_checks); do
            cat "$work/$name.json" 2>/dev/null || cat "$work/$name.late" 2>/dev/null
        done | join_answers)
    else
        answers=$(run_in_turn | join_answers)
    fi
    print_document "$answers"
}

main
exit 0
