# Reaching out: one request to one address, and one word for what went wrong with it.
# Uses the node's own curl or wget with the environment that the agent gives to the patch run, so
# that a proxy set there counts here too.

# The DNS suffix of the Region's partition.
case $REGION in
    cn-*) AWS_DOMAIN=amazonaws.com.cn ;;
    *) AWS_DOMAIN=amazonaws.com ;;
esac

# GNU wget retries twenty times unless told; the small one of busybox may know neither option, and
# `limit` ends it.
WGET_OPTIONS=''
if have wget && wget --version 2>/dev/null | grep -q 'GNU Wget'; then
    WGET_OPTIONS='-t 1 -T 5'
fi

# probe URL SECONDS: probe_error is empty when any HTTP answer came, and probe_code is its number.
probe() {
    probe_error='' probe_code='' probe_text='' probe_seconds=''
    probe_started=$(now)
    if have curl; then
        probe_text=$(limit $(($2 + 2)) curl -sS -I -o /dev/null -m "$2" -w '\n%{http_code}' "$1" 2>&1)
        probe_result=$?
        probe_code=$(printf '%s\n' "$probe_text" | tail -n 1)
    elif have wget; then
        # shellcheck disable=SC2086 # two options or none
        probe_text=$(limit $(($2 + 2)) wget -S --spider -O /dev/null $WGET_OPTIONS "$1" 2>&1)
        probe_result=$?
        probe_code=$(printf '%s\n' "$probe_text" | sed -n -E 's/.*HTTP\/[0-9.]+ ([0-9]{3}).*/\1/p' | tail -n 1)
    else
        probe_error=no-tool
        return 1
    fi
    probe_seconds=$(($(now) - probe_started))
    case $probe_code in
        [1-5][0-9][0-9]) [ "$probe_code" != 407 ] && return 0 ;;
    esac
    probe_error=$(probe_word "$probe_result" "$probe_text")
    return 1
}

# The words: dns, timeout, refused, reset, unreachable, tls, proxy, no-answer.
# Text decides before the exit status: wget knows few, and curl's 35 is a broken TLS handshake
# whether a certificate or a firewall broke it.
probe_word() {
    case $2 in
        *[Rr]esolve*' proxy'* | *[Pp]roxy*407* | *407*[Pp]roxy* | *'from proxy after CONNECT'*)
            printf 'proxy' ;;
        *'not resolve'* | *'unable to resolve'* | *'bad address'* | *'Name or service not known'* | \
            *'Temporary failure in name resolution'* | *'Resolving timed out'*) printf 'dns' ;;
        *'reset by peer'* | *SSL_ERROR_SYSCALL* | *'unexpected eof'* | *'onnection was closed'* | *'onnection reset'*)
            printf 'reset' ;;
        *certificate* | *'SSL routines'* | *'SSL_'* | *'TLS '* | *gnutls* | *'SSL connection'* | *'SSL handshake'*)
            case $2 in
                *'timed out'* | *'timeout'*) printf 'timeout' ;;
                *) printf 'tls' ;;
            esac ;;
        *'onnection refused'*) printf 'refused' ;;
        *'etwork is unreachable'* | *'o route to host'*) printf 'unreachable' ;;
        *'timed out'* | *'timeout'*) printf 'timeout' ;;
        *) probe_status_word "$1" ;;
    esac
}

# What the number says when the words did not: those of curl (wget's 4 and 5 mean network and TLS).
probe_status_word() {
    case $1 in
        5) printf 'proxy' ;;
        6) printf 'dns' ;;
        7) printf 'refused' ;;
        28 | 124 | 137 | 143) printf 'timeout' ;;
        35 | 51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 82 | 83 | 90 | 91) printf 'tls' ;;
        52 | 55 | 56) printf 'reset' ;;
        97) printf 'proxy' ;;
        *) printf 'no-answer' ;;
    esac
}

# imds_role: imds_status is the HTTP status of the question for the role, or what went wrong;
# imds_version is v2 or v1; imds_name is the role. The keys themselves are never asked for.
IMDS=http://169.254.169.254/latest
imds_role() {
    imds_status='' imds_version='' imds_name=''
    if have curl; then
        imds_token=$(limit 3 curl -sS --noproxy '*' -m 2 -X PUT -f \
            -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/api/token" 2>&1)
        imds_result=$?
        case $imds_result in
            0) imds_version=v2 ;;
            22) imds_version=v1 imds_token='' ;;
            *)
                imds_status=$(probe_word "$imds_result" "$imds_token")
                return 1 ;;
        esac
        imds_text=$(limit 3 curl -sS --noproxy '*' -m 2 -w '\n%{http_code}' \
            -H "X-aws-ec2-metadata-token: $imds_token" "$IMDS/meta-data/iam/security-credentials/" 2>/dev/null)
        imds_result=$?
        imds_status=$(printf '%s\n' "$imds_text" | tail -n 1)
        imds_name=$(printf '%s\n' "$imds_text" | sed -n 1p)
    elif have wget; then
        # busybox has no PUT; GNU wget has.
        imds_token=$(limit 2 wget -q -O - --no-proxy --method=PUT \
            --header='X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/api/token" 2>/dev/null) || imds_token=''
        imds_version=v1
        [ -n "$imds_token" ] && imds_version=v2
        imds_text=$(limit 3 wget -S -O - --header="X-aws-ec2-metadata-token: $imds_token" \
            "$IMDS/meta-data/iam/security-credentials/" 2>&1)
        imds_result=$?
        imds_status=$(printf '%s\n' "$imds_text" | sed -n -E 's/.*HTTP\/[0-9.]+ ([0-9]{3}).*/\1/p' | tail -n 1)
        imds_name=$(printf '%s\n' "$imds_text" | tail -n 1)
    else
        imds_status=no-tool
        return 1
    fi
    case $imds_status in
        200)
            case $imds_name in *[!A-Za-z0-9+=,.@_-]*) imds_name='' ;; esac
            return 0 ;;
        [1-5][0-9][0-9]) imds_name='' ;;
        *) imds_status=$(probe_word "$imds_result" "$imds_text") imds_name='' ;;
    esac
    return 1
}

is_hybrid_node() {
    case ${AWS_SSM_INSTANCE_ID:-} in
        mi-*) return 0 ;;
        i-*) return 1 ;;
    esac
    [ -s "$SSM_DATA/registration" ] || [ -s "$SSM_DATA/Vault/Store/RegistrationKey" ]
}

# http_date URL: the Date header of the answer.
http_date() {
    if have curl; then
        limit 6 curl -sS -I -m 5 "$1" 2>/dev/null
    else
        # shellcheck disable=SC2086 # two options or none
        limit 6 wget -S --spider -O /dev/null $WGET_OPTIONS "$1" 2>&1
    fi | tr -d '\r' | sed -n -E 's/^ *[Dd]ate: *[A-Za-z]+, ([0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8}) GMT.*/\1/p' | tail -n 1
}

# epoch_of "22 Nov 2026 16:30:00": seconds since 1970, by arithmetic; date -d is not everywhere.
epoch_of() (
    set -f
    # shellcheck disable=SC2086 # split into fields, on purpose
    set -- $1
    [ $# -eq 4 ] || return 1
    day=${1#0} year=$3 clock=$4
    case $2 in
        Jan) month=1 ;; Feb) month=2 ;; Mar) month=3 ;; Apr) month=4 ;;
        May) month=5 ;; Jun) month=6 ;; Jul) month=7 ;; Aug) month=8 ;;
        Sep) month=9 ;; Oct) month=10 ;; Nov) month=11 ;; Dec) month=12 ;;
        *) return 1 ;;
    esac
    hour=${clock%%:*} second=${clock##*:} minute=${clock#*:}
    minute=${minute%%:*}
    hour=${hour#0} minute=${minute#0} second=${second#0}
    # Years begin in March here, so that the leap day is the last of its year.
    if [ "$month" -le 2 ]; then
        month=$((month + 12)) year=$((year - 1))
    fi
    days=$((365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 719469))
    printf '%s' $((((days * 24 + hour) * 60 + minute) * 60 + second))
)
