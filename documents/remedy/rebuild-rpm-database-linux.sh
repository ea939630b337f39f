# Builds rpm's database anew from the package headers in it. The work is done on a copy, which
# takes the place of the database only when rpm can read it whole and no package went missing; the
# old one is kept for undo.
#
# Killed at any moment, the file with the headers is whole: the old one or the new one, for it is
# replaced in one step. All else is made from it, and the backup holds what was pending beside it.
REMEDY=rebuild-rpm-database
REBUILD_SECONDS_MAX=900
SPARE_MB=50

# find_database: folder and main, the file with the headers.
find_database() {
    for folder in "$(limit 10 rpm --eval '%{_dbpath}' 2>/dev/null)" /var/lib/rpm /usr/lib/sysimage/rpm; do
        folder=$(readlink -f "$folder" 2>/dev/null)
        case $folder in /?*/?*) ;; *) continue ;; esac
        for main in rpmdb.sqlite Packages.db Packages; do
            [ -f "$folder/$main" ] && return 0
        done
    done
    return 1
}

# What the database is made of; locks and shared memory (__db.*, -shm) belong to the moment.
database_files() {
    for database_file in "$1"/[A-Z]* "$1"/rpmdb.sqlite "$1"/rpmdb.sqlite-wal; do
        [ -f "$database_file" ] && [ -s "$database_file" ] && printf '%s\n' "${database_file##*/}"
    done
    return 0
}

copy_database() {
    mkdir "$2" || return 1
    for copied in $(database_files "$1"); do
        cp -p "$1/$copied" "$2/$copied" || return 1
    done
}

# look_at FOLDER: 0 when rpm reads it whole; packages, how many it could read. rpm writes beside
# what it reads, so this is only asked of copies.
look_at() {
    limit 120 rpm --dbpath "$1" -qa --qf '.\n' >"$work/packages" 2>"$work/said"
    looked=$?
    packages=$(grep -c '^\.$' "$work/packages")
    if have rpmdb; then
        limit 120 rpmdb --dbpath "$1" --verifydb >>"$work/said" 2>&1 || looked=1
    fi
    [ "$looked" -eq 0 ] && [ "$packages" -gt 0 ] && ! grep -q -E 'rror|skipping' "$work/said"
}

# complete_interrupted: what an earlier run that was killed left. Before its swap, only what was
# pending beside the headers may have gone; after it, all is done but the backup's name.
complete_interrupted() {
    clean_away
    [ -d "$before" ] || return 0
    if ! cmp -s "$before/$main" "$folder/$main"; then
        fact kept_after_interruption "$(keep_backup)"
        return 0
    fi
    [ -s "$folder/$main-wal" ] || put_in "$before" || return 1
    rm -rf "$before"
}

keep_backup() {
    kept=$folder.patchmedic-$(now)
    mv "$before" "$kept" && printf '%s' "$kept"
}

# put_in FOLDER: its files take the place of the database's. The main one goes last, in one step,
# and after it the indexes are either its own or stale, which the next run sees and mends.
put_in() {
    rm -f "$folder"/__db.* "$folder/$main-wal" "$folder/$main-shm"
    for incoming in $(database_files "$1" | grep -v -x -F -e "$main"); do
        replace_file "$1/$incoming" "$folder/$incoming" || return 1
    done
    sync
    replace_file "$1/$main" "$folder/$main"
}

replace_file() {
    cp -p "$1" "$folder/.patchmedic-incoming" && mv -f "$folder/.patchmedic-incoming" "$2"
}

# rpm makes a folder beside the one that it rebuilds.
clean_away() {
    rm -rf "$folder.patchmedic-partial" "$folder.patchmedic-new" "$folder.patchmedic-look" \
        "$folder.patchmedic-newrebuilddb".* "$folder/.patchmedic-incoming"
}

give_up() {
    clean_away
    rm -rf "$before"
    fact why "$1"
    report failed
}

have_all_packages() {
    packages=$(limit 120 rpm --dbpath "$folder" -qa --qf '.\n' 2>/dev/null | grep -c '^\.$')
    [ "$packages" -ge "$rebuilt" ]
}

# The backup stays where the next run finds it when even that fails.
restore() {
    put_in "$before" && give_up 'the new files could not be put in place; the database is as it was'
    fact backup "$before"
    fact why 'neither the new files nor the old ones could be put in place'
    report failed
}

need_root
have rpm || refuse 'this node has no rpm'
need_no_patch_run
need_no_package_lock
find_database || refuse 'there is no rpm database to rebuild; it must come from a backup of the node'
[ -s "$folder/$main" ] || refuse "$folder/$main is empty; there is nothing to rebuild it from"
# shellcheck disable=SC2010 # the link targets of all processes in one go
if ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q -F -e "-> $folder/"; then
    refuse "a process has a file in $folder open"
fi
make_work
before=$folder.patchmedic-before
complete_interrupted || refuse 'what an interrupted run left could not be cleared up'
# The copy to look at lies in memory where there is room, so that a sound node is left as it was.
size_mb=$(limit 30 du -skL "$folder" | sed 's/[^0-9].*//')
size_mb=$((${size_mb:-0} / 1024 + 1))
look=$work/look
free_of "$work"
[ "${free_mb:-0}" -gt $((size_mb * 2 + SPARE_MB)) ] || look=$folder.patchmedic-look
free_of "$folder" || refuse "df gave no numbers for $folder"
if [ "$free_mb" -lt $((size_mb * 4 + SPARE_MB)) ]; then
    refuse "$folder has $free_mb MB free; a backup and a new copy need $((size_mb * 4 + SPARE_MB)) MB"
fi
copy_database "$folder" "$look" || refuse "$folder cannot be read"
if look_at "$look"; then
    clean_away
    fact packages "$packages"
    report nothing-to-do
fi
readable=$packages
rm -rf "$look"
fact damage "$(last_words)"
fact packages_before "$readable"
if ! copy_database "$folder" "$folder.patchmedic-partial" ||
    ! mv "$folder.patchmedic-partial" "$before"; then
    rm -rf "$folder.patchmedic-partial"
    give_up 'the backup could not be made'
fi
new=$folder.patchmedic-new
copy_database "$before" "$new" || give_up 'a copy to work on could not be made'
run_tool "$REBUILD_SECONDS_MAX" rpm --dbpath "$new" --rebuilddb ||
    give_up "rpm could not rebuild it; the database is as it was: $(last_words)"
# rpm gives what it rebuilt to root alone; everyone may ask for packages, as before.
chmod "$(stat -c %a "$folder/$main")" "$new/$main" || give_up 'the new database cannot get the mode of the old one'
# What was pending is in the headers now; a journal of the old file would spoil the new one.
rm -f "$new"/__db.* "$new/$main-wal" "$new/$main-shm"
look_at "$new" || give_up "rpm cannot read what it rebuilt; the database is as it was: $(last_words)"
rebuilt=$packages
[ "$rebuilt" -ge "$readable" ] ||
    give_up "only $rebuilt of $readable packages would be left; the database is as it was"
if find_package_lock || ! cmp -s "$before/$main" "$folder/$main"; then
    give_up 'the database was used meanwhile; it is as it was'
fi
if ! put_in "$new" || ! have_all_packages; then
    restore
fi
have restorecon && limit 60 restorecon -R "$folder" >/dev/null 2>&1
clean_away
fact packages "$rebuilt"
fact backup "$(keep_backup)"
report 'done'
