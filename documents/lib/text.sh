# Text, time limits and JSON for every script: what a node says becomes harmless ASCII here.
# Not here: any look at the node. Law: no here-documents and no temporary files (an older bash
# puts here-documents into /tmp, and /tmp may be what is full), nothing beyond POSIX sh.

LC_ALL=C
export LC_ALL
PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export PATH
umask 077

NEWLINE='
'

have() {
    command -v "$1" >/dev/null 2>&1
}

now() {
    date +%s
}

# say TEXT: as one line, whatever it begins with.
say() {
    printf '%s\n' "$1"
}

# How `timeout` wants its argument: busybox before 1.30 had a form of its own, macOS has none.
if timeout -k 1 5 true >/dev/null 2>&1; then
    TIMEOUT_STYLE=gnu
elif timeout 5 true >/dev/null 2>&1; then
    TIMEOUT_STYLE=plain
elif timeout -t 5 true >/dev/null 2>&1; then
    TIMEOUT_STYLE=old-busybox
else
    TIMEOUT_STYLE=none
fi

# limit SECONDS COMMAND [ARGUMENT...]: the command, killed when its time is up (never 0 then).
limit() {
    limit_seconds=$1
    shift
    case $TIMEOUT_STYLE in
        gnu) timeout -k 1 "$limit_seconds" "$@" </dev/null ;;
        plain) timeout "$limit_seconds" "$@" </dev/null ;;
        old-busybox) timeout -t "$limit_seconds" "$@" </dev/null ;;
        *) limit_by_hand "$@" ;;
    esac
}

limit_by_hand() {
    "$@" </dev/null &
    limit_pid=$!
    (
        # The watchdog holds no pipe open, and takes its own sleep with it when it is not needed.
        trap 'kill "$limit_sleep" 2>/dev/null; exit 0' TERM
        sleep "$limit_seconds" &
        limit_sleep=$!
        wait "$limit_sleep"
        kill "$limit_pid" 2>/dev/null
        sleep 1
        kill -9 "$limit_pid" 2>/dev/null
    ) </dev/null >/dev/null 2>&1 &
    limit_dog=$!
    wait "$limit_pid"
    limit_result=$?
    kill "$limit_dog" 2>/dev/null
    wait "$limit_dog" 2>/dev/null
    return "$limit_result"
}

# Secrets that commands and logs are known to print, in standard input, become ****.
mask_secrets() {
    sed -E \
        -e 's/(AKIA|ASIA)[A-Z0-9]{12,}/****/g' \
        -e 's#(://)[^/@[:space:]]+@#\1****@#g' \
        -e 's/([Bb]earer|[Bb]asic)[[:space:]]+[A-Za-z0-9+\/=._-]{8,}/\1 ****/g' \
        -e 's/([Ss][Ee][Cc][Rr][Ee][Tt][A-Za-z_-]*|[Tt][Oo][Kk][Ee][Nn]|[Pp][Aa][Ss][Ss][Ww][A-Za-z]*|[Ss]ignature|X-Amz-Credential|AccessKeyId|[Aa][Ww][Ss]_[Aa][Cc][Cc][Ee][Ss][Ss]_[Kk][Ee][Yy]_[Ii][Dd])("?[[:space:]]*[=:][[:space:]]*"?)[^[:space:]"&,;]+/\1\2****/g'
}

# json_text MAX: standard input, any bytes at all, as the inside of a JSON string in pure ASCII,
# at most MAX characters of it. What is no UTF-8 becomes U+FFFD.
json_text() {
    if ! have awk || ! have od; then
        # A bare node: keep what is certainly harmless.
        json_plain=$(tr -c 'A-Za-z0-9 ._:/,@=+()-' '?' | cut -c "1-$1")
        printf '%s' "$json_plain"
        return 0
    fi
    od -An -v -tu1 | awk -v max="$1" '
        function unit(c) { return sprintf("\\u%04x", c) }
        function put(c) {
            if (count >= max) return
            count++
            if (c == 34) printf "\\\""
            else if (c == 92) printf "\\\\"
            else if (c == 10) printf "\\n"
            else if (c == 9) printf "\\t"
            else if (c < 32 || (c > 126 && c < 65536)) printf "%s", unit(c)
            else if (c < 127) printf "%c", c
            else printf "%s%s", unit(55296 + int((c - 65536) / 1024)), unit(56320 + (c - 65536) % 1024)
        }
        function broken() { if (need > 0) put(65533); need = 0 }
        function byte(b) {
            if (need > 0 && b >= 128 && b < 192) {
                point = point * 64 + b - 128
                if (--need > 0) return
                if (point < least || point > 1114111 || (point >= 55296 && point < 57344)) put(65533)
                else put(point)
                return
            }
            broken()
            if (b < 128) put(b)
            else if (b >= 194 && b < 224) { need = 1; point = b - 192; least = 128 }
            else if (b >= 224 && b < 240) { need = 2; point = b - 224; least = 2048 }
            else if (b >= 240 && b < 245) { need = 3; point = b - 240; least = 65536 }
            else put(65533)
        }
        { for (i = 1; i <= NF; i++) byte($i + 0) }
        END { broken() }
    '
}

# fact NAME VALUE [MAX]: adds one fact to the answer that is being made; NAME is ours.
fact() {
    case $2 in
        *[!A-Za-z0-9\ ./,+\(\)_-]* | *AKIA* | *ASIA*)
            fact_value=$(printf '%s' "$2" | mask_secrets | json_text "${3:-300}") ;;
        *) fact_value=$(printf '%.300s' "$2") ;;
    esac
    facts="$facts${facts:+,}\"$1\":\"$fact_value\""
}

# is_number TEXT: digits only, and few enough for the shell to count with.
is_number() {
    case $1 in
        '' | *[!0-9]* | ????????????????*) return 1 ;;
        *) return 0 ;;
    esac
}

# version_at_least VERSION WANTED: numbers compared part by part, "3.10" is more than "3.9".
version_at_least() (
    IFS=.
    set -f
    # shellcheck disable=SC2086 # split on the dots, on purpose
    set -- $1 : $2
    have_parts=''
    while [ $# -gt 0 ] && [ "$1" != : ]; do
        have_parts="$have_parts $1"
        shift
    done
    shift
    IFS=' '
    for part in $have_parts; do
        is_number "$part" || return 1
        is_number "${1:-0}" || return 1
        [ "$part" -gt "${1:-0}" ] && return 0
        [ "$part" -lt "${1:-0}" ] && return 1
        [ $# -gt 0 ] && shift
    done
    for part in "$@"; do
        [ "$part" = 0 ] || return 1
    done
    return 0
)

# age_minutes PATH: whole minutes since the path was last written; nothing when it has no time.
age_minutes() {
    age_written=$(written_at "$1")
    is_number "$age_written" || return 1
    printf '%s' $((($(now) - age_written) / 60))
}

# written_at PATH: seconds since the epoch; GNU and busybox stat, then that of macOS.
written_at() {
    limit 5 stat -c %Y "$1" 2>/dev/null || limit 5 stat -f %m "$1" 2>/dev/null
}
