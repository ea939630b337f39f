# Reaching out: one request to one address, and one word for what went wrong with it.
# Uses the node's own curl or wget with the environment that the agent gives to the patch run, so
# that a proxy set there counts here too.

# The DNS suffix of the Region's partition.
case $REGION in
    cn-*) AWS_DOMAIN=amazonaws.com.cn AWS_DUAL=api.amazonwebservices.com.cn ;;
    *) AWS_DOMAIN=amazonaws.com AWS_DUAL=api.aws ;;
esac

# endpoint SERVICE: the name that this node must use; one without IPv4 needs the dual-stack ones.
endpoint() {
    if ! ipv6_only; then
        printf '%s.%s.%s' "$1" "$REGION" "$AWS_DOMAIN"
    elif [ "$1" = s3 ]; then
        printf 's3.dualstack.%s.%s' "$REGION" "$AWS_DOMAIN"
    else
        printf '%s.%s.%s' "$1" "$REGION" "$AWS_DUAL"
    fi
}

# No default route of IPv4, and one of IPv6 (lo always has one, which leads nowhere).
ipv6_only() {
    [ -r /proc/net/route ] && [ -r /proc/net/ipv6_route ] &&
        awk '$2 == "00000000" { exit 1 }' /proc/net/route &&
        ! awk '$1 $2 ~ /^0+$/ && $NF != "lo" { exit 1 }' /proc/net/ipv6_route
}

# The hosts that the agent talks to. ec2messages is only needed by agents before 3.3.40.0, and not
# there in dual-stack.
agent_hosts() {
    hosts_agent=$(agent_version)
    endpoint ssm
    printf ' '
    endpoint ssmmessages
    [ -z "$hosts_agent" ] || version_at_least "$hosts_agent" 3.3.40.0 || ipv6_only ||
        printf ' ec2messages.%s.%s' "$REGION" "$AWS_DOMAIN"
}

# GNU wget retries twenty times unless told; the small one of busybox may know neither option, and
# `limit` ends it.
WGET_OPTIONS=''
if have wget && wget --version 2>/dev/null | grep -q 'GNU Wget'; then
    WGET_OPTIONS='-t 1 -T 5'
fi

# probe URL SECONDS [-k]: probe_error is empty when any HTTP answer came, and probe_code is its
# number. phase says how far it got when it failed: tcp, or tls when a connection stood.
# probe_detail is the word for the failure itself where a proxy has to answer for it.
probe() {
    probe_error='' probe_code='' probe_text='' seconds='' phase=tcp
    probe_started=$(now)
    if have curl; then
        # Told in words, for the number 7 is refused and unreachable alike.
        probe_text=$(limit $(($2 + 2)) curl -sSvI ${3:+"$3"} -o /dev/null -m "$2" \
            -w '\nprobe=%{http_code}\n' "$1" 2>&1)
        probe_result=$?
        probe_code=$(say "$probe_text" | sed -n 's/^probe=//p' | tail -n 1)
        probe_words=$(say "$probe_text" | grep -E '^curl: |[Cc]onnect (to|fail).*: ')
    elif have wget; then
        # shellcheck disable=SC2086 # two options or none
        probe_text=$(limit $(($2 + 2)) wget -S --spider -O /dev/null $WGET_OPTIONS "$1" 2>&1)
        probe_result=$?
        probe_code=$(say "$probe_text" | sed -n -E 's/.*HTTP\/[0-9.]+ ([0-9]{3}).*/\1/p' | tail -n 1)
        probe_words=$probe_text
    else
        probe_error=no-tool
        return 1
    fi
    seconds=$(($(now) - probe_started))
    case $probe_code in
        [1-5][0-9][0-9]) [ "$probe_code" != 407 ] && return 0 ;;
    esac
    probe_detail=$(probe_word "$probe_result" "$probe_words")
    probe_error=$probe_detail
    case $probe_text in *'* Connected to'* | *'TLS handshake'* | *' connected.'*) phase=tls ;; esac
    case $probe_text in
        *'Proxy replied 200'* | *'Proxy replied OK'* | *'tunnel established'*) ;;
        *'Uses proxy env variable '[!nN]*) probe_error=proxy ;;
    esac
    return 1
}

# The words: dns, timeout, refused, reset, unreachable, tls, proxy, no-answer.
# Text decides before the exit status: wget knows few, and curl's 35 is a broken TLS handshake
# whether a certificate or a firewall broke it.
probe_word() {
    case $2 in
        *[Rr]esolve*' proxy'* | *[Pp]roxy*407* | *407*[Pp]roxy* | *'from proxy after CONNECT'* | \
            *'CONNECT tunnel failed'*)
            printf proxy ;;
        *'not resolve'* | *'unable to resolve'* | *'bad address'* | *'Name or service not known'* | \
            *'Temporary failure in name resolution'* | *'Resolving timed out'*) printf dns ;;
        *'reset by peer'* | *SSL_ERROR_SYSCALL* | *'unexpected eof'* | *'onnection was closed'* | *'onnection reset'*)
            printf reset ;;
        *certificate* | *'SSL routines'* | *'SSL_'* | *'TLS '* | *gnutls* | *'SSL connection'* | *'SSL handshake'*)
            case $2 in
                *'timed out'* | *'timeout'*) printf timeout ;;
                *) printf tls ;;
            esac ;;
        *'onnection refused'*) printf refused ;;
        *'etwork is unreachable'* | *'o route to host'* | *'mmediate connect fail'*)
            printf unreachable ;;
        *'timed out'* | *'timeout'*) printf timeout ;;
        *) probe_status_word "$1" ;;
    esac
}

# What the number says when the words did not: those of curl (wget's 4 and 5 mean network and TLS).
probe_status_word() {
    case $1 in
        5) printf proxy ;;
        6) printf dns ;;
        7) printf refused ;;
        28 | 124 | 137 | 143) printf timeout ;;
        35 | 51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 82 | 83 | 90 | 91) printf tls ;;
        52 | 55 | 56) printf reset ;;
        97) printf proxy ;;
        *) printf no-answer ;;
    esac
}

# imds_ask PATH: status is the HTTP status, or what went wrong; version is v2 or v1;
# imds_name is the answer's one line. The keys themselves are never asked for.
IMDS=http://169.254.169.254/latest
imds_ask() {
    status='' version='' imds_name=''
    if have curl; then
        imds_token=$(limit 3 curl -sS --noproxy '*' -m 2 -X PUT -f \
            -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/api/token" 2>&1)
        imds_result=$?
        case $imds_result in
            0) version=v2 ;;
            22) version=v1 imds_token='' ;;
            *)
                status=$(probe_word "$imds_result" "$imds_token")
                return 1 ;;
        esac
        imds_text=$(limit 3 curl -sS --noproxy '*' -m 2 -w '\n%{http_code}' \
            -H "X-aws-ec2-metadata-token: $imds_token" "$IMDS/meta-data/$1")
        imds_result=$?
        status=$(say "$imds_text" | tail -n 1)
        imds_name=$(say "$imds_text" | sed -n 1p)
    elif have wget; then
        # busybox has no PUT; GNU wget has.
        imds_token=$(limit 2 wget -q -O - --no-proxy --method=PUT \
            --header='X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/api/token") || imds_token=''
        version=v1
        [ -n "$imds_token" ] && version=v2
        imds_text=$(limit 3 wget -S -O - --header="X-aws-ec2-metadata-token: $imds_token" \
            "$IMDS/meta-data/$1" 2>&1)
        imds_result=$?
        status=$(say "$imds_text" | sed -n -E 's/.*HTTP\/[0-9.]+ ([0-9]{3}).*/\1/p' | tail -n 1)
        imds_name=$(say "$imds_text" | tail -n 1)
    else
        status=no-tool
        return 1
    fi
    case $status in
        200)
            case $imds_name in *[!A-Za-z0-9+=,.@_-]*) imds_name='' ;; esac
            return 0 ;;
        [1-5][0-9][0-9]) imds_name='' ;;
        *) status=$(probe_word "$imds_result" "$imds_text") imds_name='' ;;
    esac
    return 1
}

imds_role() {
    imds_ask iam/security-credentials/
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

# epoch_of "22 Nov 2026 16:30:00", the month in figures too: seconds since 1970, by arithmetic; date -d is not everywhere.
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
        [01][0-9]) month=${2#0} ;;
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

# measure_clock: clock_offset, the seconds that the node's clock is ahead of a server's, and
# clock_source, that server's address; 1 when none told the time. AWS refuses a signature that is
# five minutes off. Plain HTTP serves too: a wrong clock can break TLS itself.
CLOCK_OFFSET_SECONDS_MAX=300
measure_clock() {
    clock_source='' clock_text=''
    for clock_url in "https://s3.$REGION.$AWS_DOMAIN/" "http://s3.$REGION.$AWS_DOMAIN/" "https://ssm.$REGION.$AWS_DOMAIN/"; do
        clock_text=$(http_date "$clock_url")
        if [ -n "$clock_text" ]; then
            clock_source=$clock_url
            break
        fi
    done
    clock_there=$(epoch_of "$clock_text")
    is_number "$clock_there" || return 1
    clock_offset=$(($(now) - clock_there))
}
