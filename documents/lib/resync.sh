# How a remedy of the clock begins and ends: measured by servers, before and after.
WAIT_SECONDS_MAX=60

# need_wrong_clock: ends here when no server tells the time, or when the clock is right.
need_wrong_clock() {
    need_root
    [ -n "$REGION" ] || refuse 'the agent names no Region, so no server can be asked for the time'
    measure_clock || refuse 'no server told the time'
    offset_before=$clock_offset
    fact offset_before_seconds "$offset_before"
    fact source "$clock_source"
    if [ "${clock_offset#-}" -le "$CLOCK_OFFSET_SECONDS_MAX" ]; then
        report nothing-to-do
    fi
    need_no_patch_run
}

# report_clock SERVICE: waits until the clock is right, and says so. Counts turns: the clock that
# is being set cannot tell how long it takes.
report_clock() {
    fact service "$1"
    turns=0
    while [ "$turns" -lt $((WAIT_SECONDS_MAX / 3)) ]; do
        if measure_clock && [ "${clock_offset#-}" -le "$CLOCK_OFFSET_SECONDS_MAX" ]; then
            fact offset_seconds "$clock_offset"
            report 'done'
        fi
        sleep 3
        turns=$((turns + 1))
    done
    fact offset_seconds "$clock_offset"
    fact why "$1 did not correct the clock; whether it reaches its servers must be looked at: $(last_words)"
    report failed
}
