# Removes downloaded packages and repository metadata, so that the next run fetches both afresh.
REMEDY=clean-package-cache

# Every file of a cache; follows no link, leaves no file system. Lock files stay.
cache_files() {
    for folder in /var/cache/apt/archives /var/lib/apt/lists /var/cache/dnf /var/cache/yum \
        /var/cache/libdnf5 /var/cache/zypp/raw /var/cache/zypp/solv /var/cache/zypp/packages; do
        [ -d "$folder" ] || continue
        find "$folder" -xdev -type f ! -name lock ! -name '*.pid' ! -name '*lock.pid' ! -name '.gpgkeyschecked.yum' "$@"
    done
    for file in /var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin; do
        [ -f "$file" ] && find "$file" "$@"
    done
    return 0
}

cache_count() {
    cache_files -print 2>/dev/null | wc -l | tr -d ' '
}

need_root
need_no_patch_run
need_no_package_lock
before=$(cache_count)
if [ "$before" -eq 0 ]; then
    report nothing-to-do
fi
have apt-get && limit 60 apt-get -q clean >/dev/null 2>&1
for tool in dnf yum; do
    have "$tool" && limit 120 "$tool" -q clean all >/dev/null 2>&1
done
have zypper && limit 120 zypper -q --non-interactive clean --all >/dev/null 2>&1
cache_files -exec rm -f {} + 2>/dev/null
after=$(cache_count)
fact removed_files "$((before - after))"
if [ "$after" -gt 0 ]; then
    fact why "$after files could not be removed"
    report failed
fi
report 'done'
