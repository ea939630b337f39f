# Waits until no package manager holds its lock. Never removes one: a lock whose holder lives is
# right to be there.
REMEDY=wait-for-package-lock
WAIT_SECONDS_MAX=600
POLL_SECONDS=2
# The nightly jobs of a distribution take the lock several times in a row.
FREE_POLLS_NEEDED=3

find_package_lock
case $? in
    1) report nothing-to-do ;;
    2) refuse 'no package manager that this remedy knows' ;;
esac
fact holder "$lock_holder"
fact lock "$lock_file"
started=$(now)
free_polls=0
while [ "$free_polls" -lt "$FREE_POLLS_NEEDED" ]; do
    waited=$(($(now) - started))
    if [ "$waited" -ge "$WAIT_SECONDS_MAX" ]; then
        fact waited_seconds "$waited"
        fact why "${lock_holder:-a process} (process ${lock_pid:-unknown}) still holds ${lock_file:-the lock}"
        report failed
    fi
    sleep "$POLL_SECONDS"
    if find_package_lock; then
        free_polls=0
    else
        free_polls=$((free_polls + 1))
    fi
done
fact waited_seconds "$(($(now) - started))"
report 'done'
