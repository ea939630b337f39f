# Removes downloaded packages and repository metadata, so that the next run fetches both afresh.
REMEDY=clean-package-cache

# Every file of a cache; follows no link, leaves no file system. Lock files stay, and so does what
# someone put among the packages of apt (`apt-get clean` would take that too).
cache_files() {
    if [ -d /var/cache/apt/archives ]; then
        find /var/cache/apt/archives -xdev -type f -name '*.deb' "$@"
    fi
    for folder in /var/lib/apt/lists /var/cache/dnf /var/cache/yum \
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
