# Linux: what the package managers say of themselves: locks, databases, repositories, keys.
# Read-only; a database that could change by being opened is looked at in a copy. Not here: what
# finds a lock (lib/node.sh), and any judging of causes. What a check says on stderr goes nowhere:
# run.sh sees to that.

# finding STATE NAME...: the answer of a check, whole. Always 1, to leave a loop with.
finding() {
    state=$1
    shift
    tell "$@"
    return 1
}

# unwell NAME...: of the repository that is being looked at.
unwell() {
    repository=$url
    finding bad repository "$@"
}

# The manager that a patch run would take: the first of these.
find_manager() {
    for manager in apt-get dnf yum zypper; do
        have "$manager" && return 0
    done
    manager=''
    return 1
}
NO_MANAGER='no package manager that this check knows'

check_package_lock() {
    find_package_lock
    case $? in
        0)
            manager=$lock_manager lock=$lock_file holder_pid=$lock_pid holder=$lock_holder
            finding bad manager lock holder_pid holder ;;
        1) state=ok ;;
        *) unknown "$NO_MANAGER" ;;
    esac
}

# --- databases ------------------------------------------------------------------------------------

dpkg_list() {
    # shellcheck disable=SC2016 # the dollars are dpkg-query's
    limit 10 dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' 2>&1
}

# Half-installed packages mean an interrupted run, unless dpkg is at work this moment.
check_dpkg_state() {
    ! have dpkg-query && unknown 'no dpkg' && return
    find_kernel_lock apt /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock && unknown 'dpkg is at work, its state is in motion' && return
    list=$(dpkg_list)
    case $list in
        '' | *'dpkg-query: error'*)
            broken="the package list itself cannot be read: $list"
            finding bad broken || return 0 ;;
    esac
    broken=$(say "$list" | sed -n -E 's/^(.[HUFWt].|..R)\|(.*)$/\2/p' | tr '\n' ' ')
    # shellcheck disable=SC2010,SC2012 # the journal's files have numbers for names
    journal=$(ls /var/lib/dpkg/updates | grep -c '^[0-9][0-9]*$')
    finding ok broken journal
    [ "$broken$journal" = 0 ] || state=bad
}

# copy_rpmdb NAME: copy is a copy of the database, for rpm writes beside what it reads
# (locks, journals, shared memory). 1 and detail: nothing to look at; 2 and detail: it is damaged.
copy_rpmdb() {
    copy=$work/rpm-$1 backend='' error=damaged detail='no packages of rpm'
    find_manager
    case $manager in '' | apt-get) return 1 ;; esac
    have rpm || return 1
    for folder in "$(limit 5 rpm --eval '%{_dbpath}')" /var/lib/rpm /usr/lib/sysimage/rpm; do
        for file in sqlite:rpmdb.sqlite ndb:Packages.db bdb:Packages; do
            [ -f "$folder/${file#*:}" ] && backend=${file%%:*} && break 2
        done
    done
    detail='there is no database'
    [ -n "$backend" ] || return 2
    detail='rpm is at work'
    find_kernel_lock rpm "$folder/.rpm.lock" && return 1
    detail='no room for a copy of the database'
    size=$(limit 5 du -skL "$folder" | sed 's/[^0-9].*//')
    size=$((${size:-0} / 512 + 32))
    memory=$(sed -n -E 's/^MemAvailable: *([0-9]+)[0-9]{3} kB/\1/p' /proc/meminfo)
    { [ -n "$work" ] && free_of "$work" && [ "$free_mb" -gt "$size" ] && [ "${memory:-$free_mb}" -gt "$size" ] && mkdir "$copy"; } || return 1
    error=unreadable
    for file in "$folder"/[A-Z]* "$folder"/rpmdb.sqlite "$folder"/rpmdb.sqlite-wal; do
        [ ! -f "$file" ] || detail=$(limit 10 cp "$file" "$copy/" 2>&1) || return 2
    done
}

check_rpm_db() {
    copy_rpmdb db
    case $? in
        1) unknown "$detail" && return ;;
        2) finding bad backend error detail || return 0 ;;
    esac
    packages=$(limit 8 rpm --dbpath "$copy" -qa --qf '.\n' 2>"$copy/said" | grep -c '^\.$')
    result=0
    have rpmdb && { limit 8 rpmdb --dbpath "$copy" --verifydb >>"$copy/said" 2>&1 || result=$?; }
    error='' detail=$(grep -m 1 -E 'rror|skipping' "$copy/said")
    case $result:$packages:$detail in
        124:* | 137:*) unknown 'no answer in time' ;;
        0:[1-9]*:) finding ok backend packages error ;;
        *)
            error=damaged
            finding bad backend packages error detail ;;
    esac
}

# Only what is installed is weighed: without lists, and without a cache that apt would write.
check_package_dependencies() {
    if copy_rpmdb dependencies; then
        tool=rpm lacks='^Unsatisfied dependencies for (.*):$'
        # A package's own verify script must not run.
        said=$(limit 15 rpm --dbpath "$copy" -Va --nofiles --noscripts --nodigest --nosignature 2>&1)
    elif [ "$manager" = apt-get ]; then
        tool=apt lacks='^ ([^ :]+)[^ ]* : .*'
        said=$(limit 15 apt-get -o Dir::State::lists=/nonexistent -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null \
            -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 check 2>&1)
    else
        unknown "$detail"
        return 0
    fi
    result=$?
    broken=$(say "$said" | sed -n -E "s/$lacks/\1/p" | tr '\n' ' ')
    case $result:$broken in
        0:) finding ok tool ;;
        *:) unknown "$tool: $said" ;;
        *)
            detail=$(say "$said" | sed -n -E '/^ [^ ]+ : |is needed by/{s/^[[:space:]]*//p;}' | sed -n 1p)
            finding bad tool broken detail ;;
    esac
}

check_package_holds() {
    ! find_manager && unknown "$NO_MANAGER" && return
    held=$(held_ones | sed -E '/^ *(#|$)/d' | sort -u | tr '\n' ' ')
    tool=${manager%-get} count=$(say "$held" | wc -w | tr -d ' ')
    finding ok tool held count
    [ -z "$held" ] || state=bad
}

held_ones() {
    case $manager in
        apt-get) dpkg_list | sed -n 's/^h[^|]*|//p' ;;
        zypper) sed -n -E 's/^solvable_name: *//p' /etc/zypp/locks ;;
        *)
            cat /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list
            sed -n -E 's/^exclude(pkgs)? *= *//p' "/etc/$manager/$manager.conf" "/etc/$manager.conf" ;;
    esac
}

# --- the repositories that are switched on --------------------------------------------------------

# repos: one a line, "kind|id|addresses|certificate|key|ca|verify|optional|keys".
# kind is apt, base, list (of mirrors) or metalink; id is what the cache names it by.
repos() {
    # Prints what it would ask for, and asks for nothing.
    have apt-get && limit 10 apt-get --print-uris -o Debug::NoLocking=1 update |
        sed -n -E "s#^'([^']*/)InRelease' ([^ ]*)InRelease .*#apt|\2|\1InRelease#p"
    have awk && for file in /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo; do
        [ -r "$file" ] && awk "$REPO_AWK" "$file"
    done | expand
}

# A value goes on in the lines below it that begin with a blank.
# shellcheck disable=SC2016 # the dollars are awk's
REPO_AWK='
    function no(x) { return tolower(x) ~ /^(0|no|false|off)$/ }
    function out() {
        u = v["baseurl"]; k = "base"
        if (v["mirrorlist"]) { k = "list"; u = v["mirrorlist"] }
        if (v["metalink"]) { k = "metalink"; u = v["metalink"] }
        o = v["skip_if_unavailable"]
        if (u && id != "main" && !no(v["enabled"]))
            print k, id, u, v["sslclientcert"], v["sslclientkey"], v["sslcacert"], no(v["sslverify"]) ? "no" : "", \
                o == "" || no(o) ? "" : "yes", no(v["gpgcheck"]) ? "" : v["gpgkey"]
        split("", v)
    }
    BEGIN { OFS = "|" }
    { sub(/[ \t\r]+$/, ""); gsub(/[|]/, "") }
    /^[ \t]*[#;]/ || /^$/ { next }
    /^\[/ { out(); id = substr($0, 2); sub(/\].*/, "", id); next }
    /^[ \t]/ { sub(/^[ \t]+/, " "); v[k] = v[k] $0; next }
    {
        i = index($0, "="); k = tolower(substr($0, 1, i - 1)); x = substr($0, i + 1)
        gsub(/[ \t]/, "", k); sub(/^[ \t]+/, "", x); v[k] = x
    }
    END { out() }'

# $name in an address comes from a file of that name; the Region, the release and the machine are
# known. What stays unknown keeps its dollar, and then only the server is asked.
expand() (
    # shellcheck disable=SC2030
    edits=''
    variable awsregion "$REGION"
    variable awsdomain "$AWS_DOMAIN"
    for file in /etc/dnf/vars/* /etc/yum/vars/* /etc/zypp/vars.d/*; do
        value=''
        [ -r "$file" ] && read -r value <"$file"
        variable "${file##*/}" "$value"
    done
    # Amazon Linux 2023 counts its releases by date: a bare year is none.
    value=$(system_release)
    case $value in
        '') value=$(sed -n -E 's/^VERSION_ID="?([0-9.]+).*/\1/p' /etc/os-release) ;;
        2023) value='' ;;
        2023.*) ;;
        *) value=${value%%.*} ;;
    esac
    variable releasever "$value"
    variable basearch "$(uname -m | sed 's/^i.86/i386/')"
    sed -E "$edits"
)

system_release() {
    sed -n -E 's/.* release ([0-9.]+).*/\1/p' /etc/system-release
}

variable() {
    case $1/$2 in */ | *[!A-Za-z0-9_]*/* | */*[!A-Za-z0-9._:/-]*) return 0 ;; esac
    # shellcheck disable=SC2031 # in the same subshell
    edits="$edits;s#[\$][{]$1[}]#$2#g;s#[\$]$1([^A-Za-z0-9_]|\$)#$2\1#g"
}

# next_repo: takes the next of lines apart; 1 when there is none.
next_repo() {
    [ -n "$lines" ] || return 1
    line=${lines%%"$NEWLINE"*}
    lines=${lines#"$line"}
    lines=${lines#"$NEWLINE"}
    IFS='|'
    set -f
    # shellcheck disable=SC2086 # split into fields, on purpose
    set -- $line
    set +f
    unset IFS
    kind=$1 id=$2 url=$3 cert=${4-} key=${5-} ca=${6-} verify=${7-}
    extra=${8-} keys=${9-} query='' login=''
    case $url in
        mirror+file:*/dists/*)
            # A list in a file: its first mirror.
            mirror=${url#mirror+file:}
            mirror=$(sed -n -E 's#^(https?://[^[:space:]]*[^/[:space:]]).*#\1#p' "/${mirror%%/dists/*}" | sed -n 1p)
            url=$mirror/dists/${url#*/dists/} ;;
        plugin:*susecloud*) url='https://smt-ec2.susecloud.net/$' ;;
        *\?credentials=*) login=/etc/zypp/credentials.d/${url##*[=/]} url=${url%%\?*} ;;
        *\?*) [ "$kind" != base ] || { query="?${url#*\?}" && url=${url%%\?*}; } ;;
    esac
}

# begin NAME SECONDS: for a check that goes through them all. The package manager's own proxy
# applies to its repositories.
begin() {
    to=/dev/null deadline=$(($(now) + $2)) proxy=$(manager_proxy)
    [ -z "$work" ] || { mkdir "$work/$1" && to=$work/$1/got; }
    [ -z "$proxy" ] || export "http_proxy=$proxy" "https_proxy=$proxy"
    lines=$(repos)
}

# fetch URL: as the package manager would ask for it, but without a login; probe_error and
# probe_code as after `probe`, the answer in the file to.
fetch() {
    asks=$1 probe_error=''
    case $1 in
        *://*:*@*)
            login=yes
            asks=${1%%://*}://${1#*@} ;;
    esac
    have curl || { probe "$asks" 5; return; }
    set -- -sS -L -m 6 -o "$to" -w '\n%{http_code}'
    [ -z "$cert" ] || set -- "$@" --cert "$cert" --key "${key:-$cert}"
    [ -z "$ca" ] || set -- "$@" --cacert "$ca"
    [ "$verify" != no ] || set -- "$@" -k
    probe_text=$(limit 8 curl "$@" "$asks" 2>&1)
    probe_result=$?
    probe_code=$(say "$probe_text" | tail -n 1)
    case $probe_code in [1-5][0-9][0-9]) return 0 ;; esac
    probe_error=$(probe_word "$probe_result" "$probe_text")
    return 1
}

# The same, but only an answer that is the thing asked for, and only while there is time.
fetched() {
    [ "$(now)" -lt "$deadline" ] && fetch "$1" && [ "$probe_code" = 200 ]
}

# --- one question to each -------------------------------------------------------------------------

check_package_repositories() {
    begin repositories 26
    checked=0 left=0 worst='' failed='' dead=' ' error=''
    while next_repo; do
        case $url in http://* | https://*) ask_repo ;; esac
    done
    if [ "$error" = no-tool ] || [ "$checked$left" = 00 ]; then
        unknown 'no http repository, or no curl and no wget'
    elif [ -z "$worst" ] && [ "$left" -gt 0 ]; then
        unknown "no time to ask $left of the repositories"
    else
        repository=${worst%% *} host=$worst_host error=${worst##* }
        finding ok repository host error checked failed
        [ -z "$worst" ] || state=bad
    fi
}

# The first of its addresses that answers will do.
ask_repo() {
    for address in $(say "$url" | tr ',' ' '); do
        [ "$(now)" -lt "$deadline" ] || { left=$((left + 1)) && return 0; }
        ask "$address"
        [ -n "$error" ] || break
    done
    checked=$((checked + 1))
    [ -n "$error" ] || return 0
    case " $failed " in
        *" $host=$error "*) ;;
        *) failed="$failed${failed:+ }$host=$error" ;;
    esac
    # The package manager goes on without a repository that it may skip.
    [ -n "$worst$extra" ] || worst="$asked $error" worst_host=$host
}

# ask ADDRESS: `error` is the word for what is wrong with the repository's own metadata.
ask() {
    error='' asked=$1
    case $1 in
        *'$'*) asked=${1%"${1#*://*/}"} ;;
        *) [ "$kind" != base ] || asked=${1%/}/repodata/repomd.xml$query ;;
    esac
    host=${1#*://}
    host=${host%%/*} host=${host##*@}
    case $dead in
        *" $host="*)
            error=${dead#*" $host="}
            error=${error%% *} ;;
        *)
            if ! fetch "$asked"; then
                error=$probe_error
                # What a server thinks of an own certificate is not always told before it hangs up.
                case $error:$cert in
                    *:) dead="$dead$host=$error " ;;
                    tls:* | reset:* | no-answer:*) ! have openssl || limit 5 openssl x509 -noout -checkend 0 -in "$cert" >/dev/null || error=subscription ;;
                esac
                ! is_retired "$1" || error=retired
            elif [ "${1#*\$}" = "$1" ]; then
                judge "$1"
            fi ;;
    esac
}

judge() {
    case $probe_code in 2?? | 3??) ;; *) error=http-$probe_code ;; esac
    case $probe_code in
        401 | 403)
            case $cert/$host in
                ?*/* | *.redhat.com | *.suse.com | *.susecloud.net | */esm.ubuntu.com) error=subscription ;;
            esac
            # Logins are not at hand here, nor what RHUI's plugin shows of the instance.
            if [ -n "$login" ] || { [ -n "$cert" ] && [ -r /etc/dnf/plugins/amazon-id.conf ]; } ||
                grep -q -F "$host" /etc/apt/auth.conf /etc/apt/auth.conf.d/*; then
                error=''
            fi ;;
        404 | 410)
            if [ "$kind" = apt ] && fetched "${1%InRelease}Release"; then
                error=''
            elif is_retired "$1"; then
                error=retired
            fi ;;
    esac
}

# is_retired ADDRESS: does the distribution's archive have the release that its servers dropped?
is_retired() {
    path=${1#*://*/}
    case $1 in
        *debian.org/debian*/dists/*) path=archive.debian.org/$path ;;
        *.ubuntu.com/*/dists/*) path=old-releases.ubuntu.com/ubuntu/dists/${path#*dists/} ;;
        *://mirror*.centos.org/*) path=vault.centos.org/$(system_release)/ ;;
        *) return 1 ;;
    esac
    [ "http://$path" != "$1" ] && fetched "http://$(say "$path" | sed 's/InRelease$/Release/')"
}

# --- what the node keeps of them ------------------------------------------------------------------

check_package_metadata() {
    seen=0
    { find_package_lock || ! have awk; } && unknown 'a package manager is at work' && return
    begin metadata 9
    while next_repo; do
        see_lists "/var/lib/apt/lists/$id" || return 0
        for file in /var/cache/dnf/"$id"-????????????????/repodata/repomd.xml \
            /var/cache/yum/*/*/"$id"/repomd.xml /var/cache/zypp/raw/"$id"/repodata/repomd.xml; do
            [ ! -f "$file" ] || see_repomd || return 0
        done
    done
    state=ok
    [ "$seen" = 1 ] || unknown 'nothing is cached here'
}

see_repomd() {
    seen=1
    odd=$(tr '<' '\n' <"$file" | awk '
        { split($0, p, /["\047>]/) }
        /^data / { t = s = n = ""; z = 0 }
        /^checksum / { t = p[2] == "sha" ? "sha1" : p[2]; s = p[4] }
        /^size>/ { z = p[2] }
        /^location / { n = p[2]; sub(/.*\//, "", n) }
        /^\/data>/ { print t, z, s, n }' | differing "${file%repomd.xml}")
    no_difference
}

# no_difference: none in odd; else that is the answer of the check.
no_difference() {
    [ -n "$odd" ] || return 0
    error=${odd%% *} file=${odd#* }
    unwell error file
}

# differing PREFIX: reads "type size sum name"; the first file that differs, "error path".
differing() {
    while read -r type size sum name; do
        case $type in sha1 | sha256 | sha512) [ -f "$1$name" ] || continue ;; *) continue ;; esac
        odd=size
        if [ "$size" = 0 ] || [ $(($(wc -c <"$1$name"))) = "$size" ]; then
            odd=checksum
            has=$(limit 10 "${type}sum" "$1$name")
            case ${has%% *} in "$sum" | '') continue ;; esac
        fi
        printf '%s %s' "$odd" "$1$name"
        break
    done
}

# Old lists are no fault, the next update renews them; unless the server's own are as old.
see_lists() {
    [ "$kind" = apt ] || return 0
    if [ -f "$1InRelease" ]; then
        seen=1
        odd=$(awk '/^[A-Z]/ { on = $1 == "SHA256:" }
            on && NF == 3 { gsub(/_/, "%5f", $3); gsub(/\//, "_", $3); print "sha256", $2, $1, $3 }' "$1InRelease" | differing "$1")
        no_difference || return 1
        expired "$1InRelease" || return 0
    fi
    if limit 5 apt-config dump Acquire::Check-Valid-Until | grep -q -E '"(no|false|0)"' || ! fetched "$url"; then return 0; fi
    seen=1
    expired "$to" || return 0
    error=expired file=$1InRelease
    unwell error file expired_days
}

# expired FILE: has its Valid-Until passed?
expired() {
    days_since "$(epoch_of "$(sed -n -E 's/^Valid-Until: [A-Z][a-z]+, *([0-9]+ [A-Z][a-z]+ [0-9]{4} [0-9:]+) .*/\1/p' "$1" | sed -n 1p)")"
}

# days_since EPOCH: expired_days; 1 when it is still to come, 2 when it is no time at all.
days_since() {
    is_number "$1" || return 2
    expired_days=$((($(now) - $1) / 86400))
    [ "$1" -le "$(now)" ]
}

# --- keys and subscriptions -----------------------------------------------------------------------

# What the server signs with today counts: a key that was changed there is the usual fault.
check_signing_keys() {
    seen=0
    begin keys 9
    while next_repo; do
        if [ "$kind" = apt ]; then
            [ -z "$work" ] || see_signature || return 0
        else
            see_key_files || return 0
        fi
    done
    state=ok
    [ "$seen" -gt 0 ] || unknown 'no signed repository, or no gpgv'
}

see_signature() {
    have gpgv || return 0
    file=/var/lib/apt/lists/${id}InRelease
    ! fetched "$url" || file=$to
    grep -q 'BEGIN PGP SIGNATURE' "$file" || return 0
    rings=$(apt_keyrings "${url%/InRelease}")
    [ "$rings" != trusted ] || return 0
    set -- --keyring /dev/null
    for ring in $rings; do
        keyring "$ring" >"$work/keys/$#.gpg"
        set -- "$@" --keyring "$work/keys/$#.gpg"
    done
    says=$(limit 5 gpgv --homedir "$work/keys" --status-fd 1 "$@" "$file")
    case $says in
        *'] GOODSIG '*) seen=1 ;;
        *'] EXPKEYSIG '*)
            error=expired expired_days='' key=$(says EXPKEYSIG)
            days_since "$(says KEYEXPIRED)"
            unwell key error expired_days ;;
        *'] NO_PUBKEY '*)
            error=missing key=$(says NO_PUBKEY)
            unwell key error ;;
    esac
}

says() {
    say "$says" | sed -n -E "s/.*\] $1 ([^ ]+).*/\1/p" | sed -n 1p
}

# apt_keyrings ADDRESS: the files with keys for it, or the word trusted. In deb822 a file counts as
# a whole; keys may stand in it too.
apt_keyrings() (
    cd /etc/apt || exit 0
    files=$(grep -l -F "${1%/dists/*}" sources.list.d/*.sources)
    # shellcheck disable=SC2086 # the names of files in one folder
    options=$(
        grep -h -F "${1%/dists/*}" sources.list sources.list.d/*.list | grep -v '^ *#'
        sed -n -E 's/^(Signed-By|Trusted): */\1=/p' /dev/null $files
    )
    case $options in *[Tt]rusted=yes*) printf trusted && exit 0 ;; esac
    rings=$(say "$options" | sed -n -E 's/.*[Ss]igned-[Bb]y=([^] ]*).*/\1/p' | tr ',' '\n' | grep '^/')
    # shellcheck disable=SC2086
    [ -n "$rings" ] || rings=$(grep -l 'BEGIN PGP' /dev/null $files)
    [ -n "$rings" ] || rings=$(ls trusted.gpg trusted.gpg.d/*.gpg trusted.gpg.d/*.asc)
    say "$rings" | sed 's#^[^/]#/etc/apt/&#'
)

# keyring FILE: as gpgv takes it; keys in text are decoded.
keyring() {
    if grep -q 'BEGIN PGP PUBLIC' "$1"; then
        sed -n '/BEGIN PGP PUBLIC/,/END PGP PUBLIC/p' "$1" | sed -E 's/^[[:space:]]+//; s/^\.?$/=/' |
            sed -n '/^=$/,$p' | sed -E '/^=|^-/d' | base64 -d
    else
        cat "$1"
    fi
}

# rpm takes keys from files that the repository names, and does not ask when they expire.
see_key_files() {
    for file in $(say "$keys" | tr ',' ' '); do
        case $file in file:/*) ;; *) continue ;; esac
        seen=1 file=/$(say "$file" | sed 's#^file:/*##')
        error=missing key=$file
        [ -s "$file" ] || unwell key error || return 1
    done
}

check_subscription() {
    kinds=''
    lines=$(repos)
    while next_repo; do
        case $cert in
            '') [ -z "$login" ] || see_papers suse "$login" || return 0 ;;
            *rhui*) see_papers rhui "$cert" || return 0 ;;
            *) see_papers rhsm "$cert" || return 0 ;;
        esac
    done
    [ ! -e /etc/pki/consumer/cert.pem ] || see_papers rhsm /etc/pki/consumer/cert.pem || return 0
    pro=/var/lib/ubuntu-advantage/status.json
    if grep -q -E '"attached": *true' "$pro"; then
        kinds="$kinds${kinds:+ }ubuntu-pro"
        until=$(sed -n -E 's/.*"expires": *"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9:]{8}).*/\3 \2 \1 \4/p' "$pro" | sed -n 1p)
        kind=ubuntu-pro certificate=$pro error=expired
        ! days_since "$(epoch_of "$until")" || finding bad kind certificate error expired_days || return 0
    fi
    [ -z "$kinds" ] && unknown 'no subscription of a vendor' && return
    kind=$kinds
    finding ok kind
}

# see_papers KIND FILE: a certificate, or a file with a login.
see_papers() {
    case " $kinds " in *" $1 "*) ;; *) kinds="$kinds${kinds:+ }$1" ;; esac
    kind=$1 certificate=$2 error=missing
    [ -s "$2" ] || finding bad kind certificate error || return 1
    [ "$1" != suse ] || return 0
    error=expired
    # "Jun  1 12:00:00 2027 GMT"
    until=$(limit 5 openssl x509 -noout -enddate -in "$2" | sed -n -E 's/.*=([A-Z][a-z]+) +([0-9]+) ([0-9:]+) ([0-9]+) GMT/\2 \1 \4 \3/p')
    days_since "$(epoch_of "$until")"
    case $? in
        0) finding bad kind certificate error expired_days ;;
        2) unknown "the certificate $2 could not be read" && return 1 ;;
    esac
}

# --- Python ---------------------------------------------------------------------------------------

# The interpreters and the order are those of the patch run's own script; only for yum it tries on.
check_patch_python() {
    ! find_manager && unknown "$NO_MANAGER" && return
    module='' python='' error=missing
    case $manager in
        apt-get) tries=python3 module=apt ;;
        dnf) tries='python2 python3' module=dnf ;;
        yum) tries='python2.7 python27 python2 python2.6 python26 python' module=yum ;;
        zypper) tries='python3 python2' ;;
    esac
    for try in $tries; do
        have "$try" || continue
        python=$try error=module
        # -B: an import would leave compiled files.
        limit 10 "$try" -B -c "import ${module:-sys}" >/dev/null && error='' && break
        [ "$manager" = yum ] || break
    done
    manager=${manager%-get} version=${python:+$(limit 5 "$python" -V 2>&1 | sed 's/^Python //')}
    finding ok manager python version error module
    [ -z "$error" ] || state=bad
}
