# The node as a system, on Linux and macOS: memory, mounts, names, certificates, proxies, the
# agent's own papers. Not here: packages, the reach of single services (unix.sh), and how one
# platform tells what both are asked for (free_memory, mounts, name_servers, addresses_of,
# agent_settings, system_proxy, manager_proxy: linux.sh, macos.sh).

# What killed, what failed and what was denied counts for a day.
DAY_MINUTES=1440

# kernel_log: "MINUTES-AGO text", the kernel's lines of the last day. A line without its time is
# left out, for it may be of any day.
kernel_log() {
    read -r uptime idle </proc/uptime || return 1
    kernel_text=$(limit 5 dmesg) || return 1
    say "$kernel_text" | awk -v up="${uptime%%.*}" -v day="$DAY_MINUTES" '
        match($0, /^\[ *[0-9]+\./) {
            m = int((up - substr($0, 2, RLENGTH - 2)) / 60)
            if (m < 0) m = 0
            if (m < day) print m, substr($0, RLENGTH + 1)
        }'
}

# Bad: too little is left for a package manager, or the kernel killed one for memory.
check_memory() {
    need_mb=256 free_mb='' swap_free_mb=''
    free_memory
    ! is_number "$free_mb" && unknown 'nothing tells how much memory is free' && return
    killed=$(kernel_log | sed -n -E 's/^([0-9]+) .*Killed process [0-9]+,? \(([^)]*)\).*/\1 \2/p' | tail -n 1)
    killed_minutes=${killed%% *} killed=${killed#* }
    state=ok
    [ $((free_mb + ${swap_free_mb:-0})) -ge "$need_mb" ] || state=bad
    case $killed in
        apt* | dpkg* | unattended-upgr* | dnf* | yum* | rpm* | zypp* | python* | platform-python* | \
            ssm-* | amazon-ssm*) state=bad ;;
    esac
    tell free_mb need_mb swap_free_mb killed killed_minutes
}

# find_mount PATH: device, path and options of the file system that it really lies on.
find_mount() {
    mount_at=$(cd -P "$1" && pwd -P) || return 1
    mount_line=$(mounts | awk -v path="$mount_at/" '{
        at = $2; sub(/\/$/, "", at); at = at "/"
        if (index(path, at) == 1 && length(at) >= best) { best = length(at); found = $0 }
    } END { print found }')
    device=${mount_line%% *} options=${mount_line##* }
    path=${mount_line#* }
    path=${path% *}
    [ -n "$path" ]
}

FILESYSTEM_ERRORS='I/O error|(EXT[234]-fs|BTRFS|XFS|F2FS).*(error|[Cc]orrupt|[Ss]hut)|critical (medium|target) error'
check_filesystems() {
    all='' bad_path='' seen=' ' errors=''
    # macOS has no such log.
    [ ! -r /proc/uptime ] || errors=$(kernel_log) || errors=none
    [ "$errors" = none ] || errors=$(say "$errors" | grep -E "$FILESYSTEM_ERRORS")
    for try in $(space_needs | sed 's/:.*//'); do
        find_mount "$try" || continue
        case $seen in *" $path "*) continue ;; esac
        seen="$seen$path "
        case ,$options, in
            *,ro,* | *,read-only,*) found=read-only ;;
            *)
                device_has_errors || continue
                found=io-errors ;;
        esac
        all="$all${all:+ }$path"
        [ -n "$bad_path" ] || bad_path=$path bad_device=$device error=$found
    done
    if [ -n "$all" ]; then
        state=bad path=$bad_path device=$bad_device
        tell path device error all
    elif [ "$seen" = ' ' ] || [ "$errors" = none ]; then
        unknown 'nothing is mounted read-only, but the log of the kernel cannot be read'
    else
        state=ok
    fi
}

# The kernel speaks of the partition or of its whole disk; behind a name of the mapper is dm-N.
device_has_errors() {
    case $errors:$device in :* | *:/dev/*[!A-Za-z0-9/_-]*) return 1 ;; *:/dev/*) ;; *) return 1 ;; esac
    name=$(readlink -f "$device") || name=$device
    name=${name##*/}
    disk=$(say "$name" | sed -E 's/^((nvme[0-9]+n|mmcblk)[0-9]+)p[0-9]+$/\1/; s/^(x?[vsh]d[a-z]+)[0-9]+$/\1/')
    say "$errors" | grep -q -E "[ (]($name|$disk)([^A-Za-z0-9]|\$)"
}

# Where the agent runs its scripts and the payload its programs.
check_exec_mounts() {
    for try in "$SSM_DATA" "$SSM_DATA"/*/document/orchestration "$SSM_LOG" /opt/aws/ssm; do
        find_mount "$try" || continue
        state=ok
        case ,$options, in
            *,noexec,*)
                state=bad
                tell path options
                return 0 ;;
        esac
    done
    [ "$state" = ok ] || unknown 'the folders of the agent are not there'
}

# Behind a proxy the node needs to know the proxy's name alone, unless AWS is excepted from it.
check_dns() {
    servers=$(name_servers | sed -n 1,4p | tr '\n' ' ')
    find_agent_proxy
    hosts=$(shown_proxy "$agent" | sed -E 's#^.*//##; s/:[0-9]*$//')
    case ${hosts:-amazonaws}$agent_no in *amazonaws* | *'*'*) hosts="$hosts $(agent_hosts) $(s3_hosts)" ;; esac
    ! have getent && ! have dscacheutil && unknown 'no tool asks for names as programs do' && return
    state=ok error='' addresses=''
    for host in $hosts; do
        # An address needs no resolver.
        case $host in '['*) continue ;; *[!0-9.]*) ;; *) continue ;; esac
        found=$(addresses_of "$host" | sort -u | sed -n 1,3p | tr '\n' ' ')
        addresses=${addresses:-$found}
        [ -n "$found" ] && continue
        state=bad error=$(dns_word "$host")
        break
    done
    tell host servers error addresses
}

# Why a name does not resolve. The C library says "again" for a server that is silent and for one
# that refuses; the second is quick. bash is asked for the library's words, not to connect.
dns_word() {
    begun=$(now)
    # shellcheck disable=SC2016 # for that shell
    text=$(limit 6 nslookup "$1" 2>&1 || limit 6 bash -c 'exec 3<>"/dev/tcp/$0/443"' "$1" 2>&1)
    case $servers:$text in
        :*) printf no-resolver ;;
        *NXDOMAIN* | *'ame or service not known'* | *'odename nor servname'*) printf nxdomain ;;
        *REFUSED* | *'onnection refused'*) printf refused ;;
        *'emporary failure'*) [ $(($(now) - begun)) -le 1 ] && printf refused || printf no-answer ;;
        *) printf no-answer ;;
    esac
}

# Who signs what the node sees, and whether it trusts that. A certificate of a firm's own that is
# trusted is no fault here; another program of the node may see it otherwise.
check_tls() {
    for host in $(endpoint ssm) $(endpoint s3); do
        error='' trusted=yes
        if ! probe "https://$host/" 6 && [ "$probe_error" != tls ]; then
            why="$host is not reached: $probe_error"
            continue
        fi
        state=ok
        protocol=$(say "$probe_text" | sed -n -E 's/^\* SSL connection using ([^ ]+).*/\1/p')
        [ -n "$probe_error" ] || continue
        state=bad trusted=no error=$(tls_word "$probe_words")
        # Again without a look at trust, to learn the name; nothing is sent.
        ! have curl || probe "https://$host/" 6 -k
        break
    done
    [ "$state" = unknown ] && unknown "$why" && return
    issuer=$(say "$probe_text" | sed -n 's/^\* *issuer: //p' | tr ';' ',' | tr ',' '\n' |
        sed -n -E 's/^ *(O|CN) *= *//p' | tr '\n' ' ')
    intercepted=no
    # Other authorities sign for the Regions in China.
    case $trusted:$REGION:$issuer in
        no:* | *:cn-*:* | *: | *Amazon* | *Starfield*) ;;
        *) intercepted=yes ;;
    esac
    issuer=${issuer:-unknown} roots_missing=$(missing_roots)
    tell host error issuer trusted protocol intercepted roots_missing
}

tls_word() {
    case $1 in
        *expired*) printf expired ;;
        *'not yet'*) printf not-yet-valid ;;
        *'subject name'* | *'alternative name'* | *' match'*) printf name ;;
        *certificate* | *issuer* | *' CA'*) printf untrusted ;;
        *) printf protocol ;;
    esac
}

# proxy_in NAME: the last value that the settings in standard input give the variable.
proxy_in() {
    sed -n -E "/^[[:space:]]*#/d; s/^(.*[^A-Za-z_])?($1|$(say "$1" | tr '[:lower:]' '[:upper:]'))=[\"']?([^\"' ;]+).*/\3/p" | tail -n 1
}

# The proxy that the agent's service is given, hence the patch run: this script's environment,
# which the agent hands down, else what the service will be started with the next time.
find_agent_proxy() {
    agent_http=${http_proxy:-${HTTP_PROXY:-}}
    agent_no=${no_proxy:-${NO_PROXY:-}}
    agent=${https_proxy:-${HTTPS_PROXY:-$agent_http}}
    [ -z "$agent" ] || return 0
    settings=$(agent_settings)
    agent_http=$(say "$settings" | proxy_in http_proxy)
    agent_no=$(say "$settings" | proxy_in no_proxy)
    agent=$(say "$settings" | proxy_in https_proxy)
    agent=${agent:-$agent_http}
}

# shown_proxy URL: scheme, host and port alone; never who logs in to it.
shown_proxy() {
    say "$1" | sed -E 's#^([A-Za-z0-9]+://)?(.*@)?([^/@]*).*#\1\3#'
}

# try_proxy URL: asked to lead to S3; the word for what went wrong, none when it leads there.
# The address goes by the environment, for a command line can be seen by all.
try_proxy() (
    unset no_proxy NO_PROXY
    https_proxy=$1
    export https_proxy
    probe "https://$(endpoint s3)/" 6 || [ "$probe_error" != proxy ] && exit 0
    status=$(say "$probe_words" | sed -n -E 's/.*(response|code) ([345][0-9]{2}).*/\2/p')
    case $probe_text:$probe_detail in
        *'esolve proxy'* | *'esolving proxy'*) printf dns ;;
        *:dns | *:timeout | *:refused | *:unreachable) say "$probe_detail" ;;
        *) say "${status:+http-}${status:-no-answer}" ;;
    esac
)

# Bad: a proxy that patching uses does not lead anywhere, instance metadata would go through one,
# or the parts of the node do not agree.
check_proxies() {
    ! have curl && unknown 'curl, which would try the proxies, is not installed' && return
    find_agent_proxy
    error='' proxy='' disagree='' bypass='' tried=' '
    note_proxy agent "$agent"
    package_manager=$(manager_proxy)
    note_proxy package_manager "$package_manager"
    environment=$(system_proxy)
    note_proxy environment "$environment"
    # Only the proxy for http:// can come between the node and its metadata.
    case ${agent_http:+,}$(say "$agent_no" | tr -d ' '), in
        [!,]* | ,) [ -z "$agent_http" ] || bypass=no ;;
        *,169.254.169.254,* | *,169.254.*/*,* | *,'*',*) bypass=yes ;;
        *) bypass=no ;;
    esac
    state=ok
    case $error$disagree$bypass in '' | yes) ;; *) state=bad ;; esac
    agent=$(shown_proxy "$agent") environment=$(shown_proxy "$environment")
    package_manager=$(shown_proxy "$package_manager")
    tell agent environment package_manager bypass error proxy disagree
}

# note_proxy WHO URL. What a login gets decides nothing for a patch run: its failure is told
# beside its name, and not taken for the fault.
note_proxy() {
    [ -n "$2" ] || return 0
    case $tried in *" $2 "*) return 0 ;; esac
    tried="$tried$2 "
    word=$(try_proxy "$2")
    [ "$1" = agent ] || disagree="$disagree${disagree:+ }$1${word:+($word)}"
    [ "$1" = environment ] || [ -z "$word" ] || [ -n "$error" ] ||
        error=$word proxy=$(shown_proxy "$2")
}

# The agent's own look at itself. What it says of services that patching does not need is no
# fault, nor is its look at credentials when only STS cannot be reached.
check_agent_diagnostics() {
    version=$(agent_version)
    for cli in /usr/bin/ssm-cli /snap/amazon-ssm-agent/current/ssm-cli /opt/aws/ssm/bin/ssm-cli; do
        [ -x "$cli" ] && break
    done
    { [ ! -x "$cli" ] || ! version_at_least "${version:-0}" 3.1.501.0; } && unknown 'the agent has no ssm-cli that can diagnose (from 3.1.501.0)' && return
    # One object a line, as status|name|note.
    rows=$(limit 25 "$cli" get-diagnostics --output json | tr '\n\t' '  ' | sed 's/}/\
/g' | sed -n -E 's/.*"Check" *: *"([^"]*)".*"Status" *: *"([^"]*)".*"Note" *: *"(.*)".*/\2|\1|\3/p')
    [ -z "$rows" ] && unknown 'ssm-cli gave no diagnostics' && return
    spare='kms|logs|monitoring'
    ! version_at_least "$version" 3.3.40.0 || spare="ec2messages|$spare"
    rows_bad=$(say "$rows" | grep '^Failed' | grep -v -E "to ($spare) endpoint|Credentials\|.*([Ss][Tt][Ss] (call|endpoint))")
    state=ok
    [ -z "$rows_bad" ] || state=bad
    failed=$(say "$rows_bad" | cut -d '|' -f 2 | tr '\n' ',')
    failed=${failed%,}
    notes=$(say "$rows_bad" | cut -d '|' -f 3- | cut -c 1-90)
    credentials=$(say "$rows" | sed -n -E 's#.*\|AWS Cred.*:assumed-role/([A-Za-z0-9+=,.@_-]+).*#\1#p')
    expiry=$(say "$rows" | sed -n -E 's/.*\|AWS Cred.*expire at ([0-9: -]+).*/\1/p')
    proxy=$(say "$rows" | sed -n 's/^[A-Za-z]*|Proxy configuration|//p')
    tell failed notes credentials expiry proxy
}

check_hibernation() {
    minutes='' reason=''
    [ ! -r "$SSM_LOG" ] && unknown 'the log folder of the agent cannot be read' && return
    state=ok
    [ ! -s "$SSM_LOG/hibernate.log" ] || minutes=$(age_minutes "$SSM_LOG/hibernate.log")
    if [ "${minutes:-$DAY_MINUTES}" -lt "$DAY_MINUTES" ]; then
        state=bad
        reason=$({
            tail -c 20000 "$SSM_LOG/hibernate.log"
            tail -c 300000 "$SSM_LOG/amazon-ssm-agent.log"
        } | sed -n -E 's/.*(Entering SSM Agent hibernate|Health ping failed with error) - //p' | tail -n 1)
    fi
    tell minutes reason
}

# As whom the agent is registered, and which instance this is. The agent that runs this script
# says by its environment who it is; a key in its vault that is another's was copied, as in an image.
check_registration() {
    error='' instance_id=${AWS_SSM_INSTANCE_ID:-} vault=$SSM_DATA/Vault/Store
    registered_as=$(registered_id "$vault/RegistrationKey" "$SSM_DATA/registration")
    if is_hybrid_node; then
        kind=hybrid
        [ -n "$registered_as" ] || error=missing
    else
        kind=ec2 registered_as=${registered_as:-$(registered_id "$vault/EC2RegistrationKey")}
        registered_as=${registered_as:-$instance_id}
        imds_ask instance-id
        instance_id=${imds_name:-$instance_id}
    fi
    [ -z "$instance_id" ] && unknown 'neither the metadata nor the agent says which instance this is' && return
    [ -n "$error" ] || [ "$registered_as" = "$instance_id" ] || error=mismatch
    state=ok
    [ -z "$error" ] || state=bad
    tell kind registered_as instance_id error
}

# The id alone: what lies beside it is the node's private key.
registered_id() {
    cat "$@" | sed -n -E 's/.*"(instanceID|ManagedInstanceID)" *: *"(m?i-[0-9a-f]+)".*/\2/p' | sed -n 1p
}

# What the payload remembers between runs.
check_state_files() {
    find_patch_processes && unknown 'a patch run is alive, its state files are in motion' && return
    state=ok
    find_damaged_state_file || return 0
    state=bad
    tell file error
}
