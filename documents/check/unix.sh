# The checks that Linux and macOS share. A check sets `state` (ok, bad, unknown) and adds facts;
# it begins as `unknown`, so a check that forgets to decide claims nothing. What it says on stderr
# goes nowhere: run.sh sees to that.

# unknown WHY
unknown() {
    state=unknown
    fact why "$1"
}

NO_TOOL='neither curl nor wget is installed'

# tell NAME...: adds variables as facts of the same name. Each check runs in a shell of its own, so
# its variables may be called like its facts.
tell() {
    for told; do
        eval "fact $told \"\${$told% }\""
    done
}

check_disk_space() {
    find_short_space
    case $? in
        0)
            state=bad path=$short_path free_mb=$short_free_mb need_mb=$short_need_mb
            free_inodes=$short_free_inodes all_short=$short_all ;;
        1)
            state=ok path=$tight_path free_mb=$tight_free_mb need_mb=$tight_need_mb
            free_inodes=$tight_free_inodes ;;
        *) unknown 'df gave no numbers' && return ;;
    esac
    tell path free_mb need_mb free_inodes
    [ "$state" = ok ] || tell all_short
}

# Bad: two runs are alive at once, or two commands overlapped within the last hours (the folders
# of the agent tell when each began and last wrote).
check_patch_runs() {
    find_patch_processes
    read_recent_runs
    state=ok
    running=$patch_running pids=$patch_pids
    tell running pids last_run_seconds
    [ "$running" -lt 2 ] || state=bad
    [ -z "$overlapping" ] || { state=bad && tell overlapping; }
}

RECENT_RUN_SECONDS=21600
OVERLAP_SLACK_SECONDS=15
read_recent_runs() {
    overlapping='' last_run_seconds='' until=0 command=''
    for line in $(recent_runs | sort -n); do
        rest=${line#*:}
        start=${line%%:*} end=${rest%%:*} id=${rest#*:}
        last_run_seconds=$(($(now) - end))
        [ $((last_run_seconds + end - start)) -le "$RECENT_RUN_SECONDS" ] || continue
        if [ -n "$command" ] && [ "$command" != "$id" ] &&
            [ "$start" -le $((until + OVERLAP_SLACK_SECONDS)) ]; then
            overlapping="$command $id"
        fi
        if [ "$end" -ge "$until" ]; then
            until=$end command=$id
        fi
    done
}

# "start:end:command" of the newest patch runs. A run begins when the agent writes its script and
# was last heard of when its output was last written.
recent_runs() {
    newest_run_folders 20 | while IFS= read -r folder; do
        id=$(command_of_folder "$folder")
        [ -n "$id" ] || continue
        # By its name alone: with the whole path, our own look would look like a patch run.
        cd "$folder" || continue
        start=$(written_at _script.sh) || continue
        end=$(written_at stdout) || end=$start
        is_number "$start" || continue
        is_number "$end" || continue
        say "$start:$end:$id"
    done
}

# The id of the command whose output folder this is; nothing when it has none.
command_of_folder() {
    id=${1#*/orchestration/}
    id=${id%%/*}
    case $id in '' | *[!A-Za-z0-9-]*) return 0 ;; esac
    say "$id"
}

# Newest first. A document that runs documents, as AWS-RunPatchBaselineWithHooks does, has a
# folder for each of its steps and the patch step's below that.
# shellcheck disable=SC2012 # sorted by time; the names are the agent's own
newest_run_folders() {
    root="$SSM_DATA/*/document/orchestration/*"
    # shellcheck disable=SC2086 # patterns, of our own
    ls -1dt $root/Patch[LM]*/ $root/*/Patch[LM]*/ $root/*/*/Patch[LM]*/ \
        $root/*/*/*/Patch[LM]*/ | sed -n -e 's#/$##' -e "1,${1}p"
}

# Bad: a working folder of the payload lies there although no patch run is alive. A reboot folder
# gets longer, for the run that made it waits for the restart.
check_payload_leftovers() {
    folders='' age_minutes='' state=ok
    if find_patch_processes; then
        why='a patch run is alive and owns them'
        tell folders age_minutes why
        return
    fi
    for folder in "$PAYLOAD" "$PAYLOAD"-reboot-19[456]; do
        [ -d "$folder" ] || continue
        minutes=$(age_minutes "$folder") || continue
        case $folder in
            *-reboot-*) [ "$minutes" -ge 60 ] || continue ;;
            *) [ "$minutes" -ge 2 ] || continue ;;
        esac
        state=bad folders="$folders$folder " age_minutes=$minutes
    done
    tell folders age_minutes
}

# Which credentials a patch run on this node would use, by source and path; never a key.
# This script is a child of the agent, so its environment is the one that a patch run gets. Keys
# with an expiry in it come from the agent itself.
check_credentials() {
    agent_version=$(agent_version)
    path=''
    state=ok
    if [ -n "${AWS_ACCESS_KEY_ID:-}" ]; then
        if [ -n "${AWS_CREDENTIAL_EXPIRATION:-}" ]; then
            source=agent
        else
            state=bad source=environment
        fi
    elif named_file; then
        :
    elif [ -s "$SSM_DATA/credentials" ] && version_at_least "${agent_version:-3.2.183.0}" 3.2.183.0; then
        source=ssm-file path=$SSM_DATA/credentials
    elif shared_file_counts && shared_file_with_keys; then
        source=shared-file
        # On a hybrid node the agent itself keeps its keys in that file.
        is_hybrid_node || state=bad
    elif ! is_hybrid_node && imds_role; then
        source=imds
    else
        source=none
        unknown 'no credentials where the agent and the patch run look for them'
    fi
    tell source path agent_version
}

named_file() {
    [ -s "${AWS_SHARED_CREDENTIALS_FILE:-}" ] || return 1
    path=$AWS_SHARED_CREDENTIALS_FILE
    case $path in
        "$SSM_DATA"/*) source=ssm-file ;;
        *) state=bad source=shared-file ;;
    esac
}

# Agents from 3.2.183.0 up to 3.2.1296 took the role before the shared file; older and newer ones
# were seen to take the file.
shared_file_counts() {
    [ -z "$agent_version" ] && return 0
    version_at_least "$agent_version" 3.2.1297.0 && return 0
    ! version_at_least "$agent_version" 3.2.183.0
}

# Only the profile that would be picked counts: the default one, or the one named in AWS_PROFILE.
shared_file_with_keys() {
    for home in "${HOME:-/root}" /root /var/root; do
        for file in "$home/.aws/credentials" "$home/.aws/config"; do
            if [ -r "$file" ] && profile_has_keys "$file" "${AWS_PROFILE:-default}"; then
                path=$file
                return 0
            fi
        done
    done
    return 1
}

profile_has_keys() (
    inside=no
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            "[$2]"* | "[profile $2]"* | "[ $2 ]"*) inside=yes ;;
            '['*) inside=no ;;
            *aws_access_key_id*=* | *credential_process*=*) [ "$inside" = yes ] && exit 0 ;;
        esac
    done <"$1"
    exit 1
)

# Reach, then leave: the endpoints, the patch buckets by their own names (a proxy or a resolver
# may let one through and not the other), then the very address that the last patch run fetched
# its payload from, where the agent still has that run's output, else a public file of the Region.
check_s3_reach() {
    for host in $(s3_hosts); do
        probe "https://$host/" 6 || { reach_says bad && return; }
    done
    url=$(last_payload_url)
    [ -n "$url" ] || url="https://$(endpoint s3)/amazon-ssm-$REGION/latest/VERSION"
    host=${url#https://}
    host=${host%%/*}
    if ! probe "$url" 6; then
        reach_says bad
    elif [ "$probe_code" = 403 ]; then
        probe_error=http-403
        reach_says bad
    else
        reach_says ok
    fi
    tell url
}

# reach_says STATE: of the host that was probed last.
reach_says() {
    state=$1 error=$probe_error
    [ "$error" = no-tool ] && unknown "$NO_TOOL" && return
    tell host error seconds
    [ "$state" = ok ] || tell phase
}

s3_hosts() {
    main=$(endpoint s3)
    say "$main"
    # China has no such dual-stack name in use for payloads.
    case $REGION:$main in
        cn-* | *:s3.dualstack.*) ;;
        *) say "s3.dualstack.$REGION.$AWS_DOMAIN" ;;
    esac
    # Some Regions' names carry a suffix; a name that is none still answers.
    bucket=$(printf '%s\n' af-south-1-tbxdb5b9 ap-south-2-50209442 ap-southeast-3-be0a3174 \
        ap-southeast-4-dc6f76ce eu-south-2-df2c9d70 me-south-1-uduvl7q8 | grep "^$REGION-")
    say "patch-baseline-snapshot-${bucket:-$REGION}.$main"
    printf '%s\n' ap-northeast-1-4849fa78f ap-northeast-2-10467995c ap-northeast-3-67373598a \
        ap-southeast-1-7fdfd9ef7 ap-southeast-2-17283a275 eu-central-1-9163fdaaf eu-west-1-5522fb710 \
        us-east-1-1970c647d us-east-2-552881074 us-west-2-34d7f99f8 |
        sed -n "s/^$REGION-.*/aws-patch-manager-&.$main/p"
}

# A log is untrusted: only an https address of AWS, of harmless characters, is taken from it.
last_payload_url() {
    newest_run_folders 1 | while IFS= read -r folder; do
        tail -c 400000 "$folder/stdout" |
            sed -n -E 's#.*Downloading payload from (https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/[A-Za-z0-9._/-]+)[[:space:]]*$#\1#p' |
            tail -n 1 | cut -c 1-250
    done
}

check_ssm_reach() {
    hosts=$(agent_hosts)
    for host in $hosts; do
        probe "https://$host/" 5 || { reach_says bad && return; }
    done
    host=$hosts
    reach_says ok
}

check_agent() {
    version=$(agent_version) state=$(agent_state) enabled=$(agent_enabled) workers=$(agent_workers)
    tell version state enabled workers
    [ "$state" != running ] && state=bad || state=ok
}

# A node under default host management has no role of its own and keeps the agent's credentials
# file instead; that is well.
check_imds() {
    is_hybrid_node && unknown 'a hybrid node has no instance metadata' && return
    imds_role
    state=bad
    case $status in
        200) state=ok ;;
        404) [ ! -s "$SSM_DATA/credentials" ] || state=ok ;;
        no-tool) unknown "$NO_TOOL" && return ;;
    esac
    role=$imds_name
    tell status version role
}

check_clock() {
    ! measure_clock && unknown 'no server told the time' && return
    state=ok offset_seconds=$clock_offset source=$clock_source
    [ "${clock_offset#-}" -le "$CLOCK_OFFSET_SECONDS_MAX" ] || state=bad
    tell offset_seconds source
}

# The end of the newest patch run's output, and which command it was: a later run's end must not be
# taken for the failed one's.
check_patch_log_tail() {
    folder=$(failed_run_folder)
    [ -z "$folder" ] && unknown 'the agent keeps no output of a patch run' && return
    state=ok
    fact command "$(command_of_folder "$folder")"
    tail=$(log_tail "$folder" 4900 900)
    # What is no plain character takes six in the answer: such a log gets less room.
    if [ "$(say "$tail" | tr -d ' -~\n' | wc -c)" -gt 1200 ]; then
        tail=$(log_tail "$folder" 1300 600)
    fi
    fact tail "$tail" 6000
}

# Of the newest command's folders the newest that failed, else the newest: after a step that
# failed, the document's last one may still run.
failed_run_folder() {
    newest_run_folders 12 | {
        first=''
        while IFS= read -r folder; do
            first=${first:-$folder}
            [ "$(command_of_folder "$folder")" = "$(command_of_folder "$first")" ] || continue
            grep -q 'failed to run commands' "$folder/stderr" || continue
            first=$folder
            break
        done
        say "$first"
    }
}

# log_tail FOLDER BYTES-OF-STDOUT BYTES-OF-STDERR
log_tail() {
    # The marker of this very document must not come back out of a log.
    {
        tail -c "$2" "$1/stdout"
        printf '\n--- stderr ---\n'
        tail -c "$3" "$1/stderr"
    } | sed -e 's/PATCHMEDIC-/PATCHMEDIC_/g'
}
