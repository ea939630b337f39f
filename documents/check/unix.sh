# The checks that Linux and macOS share. A check sets `state` (ok, bad, unknown) and adds facts;
# it begins as `unknown`, so a check that forgets to decide claims nothing.

# could_not_look WHY
could_not_look() {
    state=unknown
    fact why "$1"
}

check_disk_space() {
    find_short_space
    case $? in
        0)
            state=bad
            fact path "$short_path"
            fact free_mb "$short_free_mb"
            fact need_mb "$short_need_mb"
            fact free_inodes "$short_free_inodes"
            fact all_short "$short_all" ;;
        1)
            state=ok
            fact path "$tight_path"
            fact free_mb "$tight_free_mb"
            fact need_mb "$tight_need_mb"
            fact free_inodes "$tight_free_inodes" ;;
        *) could_not_look 'df gave no numbers for any folder that patching uses' ;;
    esac
}

# Bad: two runs are alive at once, or two commands overlapped within the last hours (the folders
# of the agent tell when each began and last wrote).
check_patch_runs() {
    find_patch_processes
    read_recent_runs
    state=ok
    if [ "$patch_running" -ge 2 ] || [ -n "$overlapping_runs" ]; then
        state=bad
    fi
    fact running "$patch_running"
    fact pids "$patch_pids"
    fact last_run_seconds "$last_run_seconds"
    [ -n "$overlapping_runs" ] && fact overlapping "$overlapping_runs"
    return 0
}

RECENT_RUN_SECONDS=21600
OVERLAP_SLACK_SECONDS=15
read_recent_runs() {
    overlapping_runs='' last_run_seconds='' recent_until=0 recent_command=''
    recent_now=$(now)
    for recent_line in $(recent_runs | sort -n); do
        recent_rest=${recent_line#*:}
        recent_start=${recent_line%%:*} recent_end=${recent_rest%%:*} recent_id=${recent_rest#*:}
        last_run_seconds=$((recent_now - recent_end))
        [ $((recent_now - recent_start)) -le "$RECENT_RUN_SECONDS" ] || continue
        if [ -n "$recent_command" ] && [ "$recent_command" != "$recent_id" ] &&
            [ "$recent_start" -le $((recent_until + OVERLAP_SLACK_SECONDS)) ]; then
            overlapping_runs="$recent_command $recent_id"
        fi
        if [ "$recent_end" -ge "$recent_until" ]; then
            recent_until=$recent_end recent_command=$recent_id
        fi
    done
}

# "start:end:command" of the newest patch runs. A run begins when the agent writes its script and
# was last heard of when its output was last written.
recent_runs() {
    newest_run_folders 20 | while IFS= read -r run_folder; do
        run_id=$(command_of_folder "$run_folder")
        [ -n "$run_id" ] || continue
        run_start=$(written_at "$run_folder/_script.sh") || continue
        run_end=$(written_at "$run_folder/stdout") || run_end=$run_start
        is_number "$run_start" || continue
        is_number "$run_end" || continue
        printf '%s:%s:%s\n' "$run_start" "$run_end" "$run_id"
    done
}

# The id of the command whose output folder this is; nothing when it has none.
command_of_folder() {
    folder_id=${1#*/orchestration/}
    folder_id=${folder_id%%/*}
    case $folder_id in '' | *[!A-Za-z0-9-]*) return 0 ;; esac
    printf '%s' "$folder_id"
}

# shellcheck disable=SC2012 # sorted by time; the names are the agent's own
newest_run_folders() {
    ls -1dt "$SSM_DATA"/*/document/orchestration/*/Patch[LM]*/ \
        "$SSM_DATA"/*/document/orchestration/*/*/Patch[LM]*/ 2>/dev/null |
        sed -n -e 's#/$##' -e "1,${1}p"
}

# Bad: a working folder of the payload lies there although no patch run is alive. A reboot folder
# gets longer, for the run that made it waits for the restart.
check_payload_leftovers() {
    leftover_folders='' leftover_age=''
    if find_patch_processes; then
        state=ok
        fact folders ''
        fact age_minutes ''
        fact why 'a patch run is alive and owns them'
        return 0
    fi
    for leftover in "$PAYLOAD" "$PAYLOAD"-reboot-194 "$PAYLOAD"-reboot-195 "$PAYLOAD"-reboot-196; do
        [ -d "$leftover" ] || continue
        leftover_minutes=$(age_minutes "$leftover") || continue
        case $leftover in
            *-reboot-*) [ "$leftover_minutes" -ge 60 ] || continue ;;
            *) [ "$leftover_minutes" -ge 2 ] || continue ;;
        esac
        leftover_folders="$leftover_folders${leftover_folders:+ }$leftover"
        leftover_age=$leftover_minutes
    done
    state=ok
    [ -n "$leftover_folders" ] && state=bad
    fact folders "$leftover_folders"
    fact age_minutes "$leftover_age"
}

# Which credentials a patch run on this node would use, by source and path; never a key.
# This script is a child of the agent, so its environment is the one that a patch run gets. Keys
# with an expiry in it come from the agent itself.
check_credentials() {
    credentials_agent=$(agent_version)
    credentials_path=''
    state=ok
    if [ -n "${AWS_ACCESS_KEY_ID:-}" ]; then
        if [ -n "${AWS_CREDENTIAL_EXPIRATION:-}" ]; then
            credentials_source=agent
        else
            state=bad credentials_source=environment
        fi
    elif credentials_in_named_file; then
        :
    elif [ -s "$SSM_DATA/credentials" ] && version_at_least "${credentials_agent:-3.2.183.0}" 3.2.183.0; then
        credentials_source=ssm-file credentials_path=$SSM_DATA/credentials
    elif shared_file_counts && shared_file_with_keys; then
        credentials_source=shared-file
        # On a hybrid node the agent itself keeps its keys in that file.
        is_hybrid_node || state=bad
    elif ! is_hybrid_node && imds_role; then
        credentials_source=imds
    else
        credentials_source=none
        could_not_look 'no credentials where the agent and the patch run look for them'
    fi
    fact source "$credentials_source"
    fact path "$credentials_path"
    fact agent_version "$credentials_agent"
}

credentials_in_named_file() {
    [ -s "${AWS_SHARED_CREDENTIALS_FILE:-}" ] || return 1
    credentials_path=$AWS_SHARED_CREDENTIALS_FILE
    case $credentials_path in
        "$SSM_DATA"/*) credentials_source=ssm-file ;;
        *) state=bad credentials_source=shared-file ;;
    esac
}

# Agents from 3.2.183.0 up to 3.2.1296 took the role before the shared file; older and newer ones
# were seen to take the file.
shared_file_counts() {
    [ -z "$credentials_agent" ] && return 0
    version_at_least "$credentials_agent" 3.2.1297.0 && return 0
    ! version_at_least "$credentials_agent" 3.2.183.0
}

# Only the profile that would be picked counts: the default one, or the one named in AWS_PROFILE.
shared_file_with_keys() {
    for credentials_home in "${HOME:-/root}" /root /var/root; do
        for credentials_file in "$credentials_home/.aws/credentials" "$credentials_home/.aws/config"; do
            if [ -r "$credentials_file" ] && profile_has_keys "$credentials_file" "${AWS_PROFILE:-default}"; then
                credentials_path=$credentials_file
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

# Reach, then leave: the very address that the last patch run fetched its payload from, where the
# agent still has that run's output, else a public file of the Region.
check_s3_reach() {
    for s3_host in "s3.$REGION.$AWS_DOMAIN" "s3.dualstack.$REGION.$AWS_DOMAIN"; do
        # China has no such dual-stack name in use for payloads.
        [ "$AWS_DOMAIN" = amazonaws.com ] || [ "${s3_host#s3.dualstack}" = "$s3_host" ] || continue
        if ! probe "https://$s3_host/" 6; then
            s3_says bad "$s3_host" "$probe_error"
            return 0
        fi
    done
    s3_url=$(last_payload_url)
    [ -n "$s3_url" ] || s3_url="https://s3.$REGION.$AWS_DOMAIN/amazon-ssm-$REGION/latest/VERSION"
    s3_host=${s3_url#https://}
    if ! probe "$s3_url" 6; then
        s3_says bad "${s3_host%%/*}" "$probe_error"
    elif [ "$probe_code" = 403 ]; then
        s3_says bad "${s3_host%%/*}" http-403
    else
        s3_says ok "${s3_host%%/*}" ''
    fi
    fact url "$s3_url"
}

s3_says() {
    state=$1
    if [ "$3" = no-tool ]; then
        could_not_look 'neither curl nor wget is installed'
        return 0
    fi
    fact host "$2"
    fact error "$3"
    fact seconds "$probe_seconds"
}

# A log is untrusted: only an https address of AWS, of harmless characters, is taken from it.
last_payload_url() {
    newest_run_folders 1 | while IFS= read -r url_folder; do
        tail -c 400000 "$url_folder/stdout" 2>/dev/null |
            sed -n -E 's#.*Downloading payload from (https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/[A-Za-z0-9._/-]+)[[:space:]]*$#\1#p' |
            tail -n 1 | cut -c 1-250
    done
}

# ec2messages is only needed by agents before 3.3.40.0.
check_ssm_reach() {
    ssm_hosts="ssm.$REGION.$AWS_DOMAIN ssmmessages.$REGION.$AWS_DOMAIN"
    ssm_agent=$(agent_version)
    if [ -n "$ssm_agent" ] && ! version_at_least "$ssm_agent" 3.3.40.0; then
        ssm_hosts="$ssm_hosts ec2messages.$REGION.$AWS_DOMAIN"
    fi
    for ssm_host in $ssm_hosts; do
        if ! probe "https://$ssm_host/" 5; then
            if [ "$probe_error" = no-tool ]; then
                could_not_look 'neither curl nor wget is installed'
                return 0
            fi
            state=bad
            fact host "$ssm_host"
            fact error "$probe_error"
            return 0
        fi
    done
    state=ok
    fact host "$ssm_hosts"
    fact error ''
}

check_agent() {
    agent_is=$(agent_state)
    state=ok
    [ "$agent_is" = running ] || state=bad
    fact version "$(agent_version)"
    fact state "$agent_is"
}

# A node under default host management has no role of its own and keeps the agent's credentials
# file instead; that is well.
check_imds() {
    if is_hybrid_node; then
        could_not_look 'a hybrid node has no instance metadata'
        return 0
    fi
    imds_role
    case $imds_status in
        200) state=ok ;;
        404)
            state=bad
            [ -s "$SSM_DATA/credentials" ] && state=ok ;;
        no-tool)
            could_not_look 'neither curl nor wget is installed'
            return 0 ;;
        *) state=bad ;;
    esac
    fact status "$imds_status"
    fact version "$imds_version"
    fact role "$imds_name"
}

# AWS refuses a signature that is five minutes off. Plain HTTP serves too: a wrong clock can break
# TLS itself.
CLOCK_OFFSET_SECONDS_MAX=300
check_clock() {
    clock_source='' clock_text=''
    for clock_url in "https://s3.$REGION.$AWS_DOMAIN/" "http://s3.$REGION.$AWS_DOMAIN/" "https://ssm.$REGION.$AWS_DOMAIN/"; do
        clock_text=$(http_date "$clock_url")
        if [ -n "$clock_text" ]; then
            clock_source=$clock_url
            break
        fi
    done
    clock_there=$(epoch_of "$clock_text")
    if ! is_number "$clock_there"; then
        could_not_look 'no server told the time'
        return 0
    fi
    clock_offset=$(($(now) - clock_there))
    state=ok
    [ "${clock_offset#-}" -gt "$CLOCK_OFFSET_SECONDS_MAX" ] && state=bad
    fact offset_seconds "$clock_offset"
    fact source "$clock_source"
}

# The end of the newest patch run's output, and which command it was: a later run's end must not be
# taken for the failed one's.
check_patch_log_tail() {
    tail_folder=$(newest_run_folders 1)
    if [ -z "$tail_folder" ]; then
        could_not_look 'the agent keeps no output of a patch run'
        return 0
    fi
    state=ok
    fact command "$(command_of_folder "$tail_folder")"
    tail_text=$(log_tail "$tail_folder" 4900 900)
    # What is no plain character takes six in the answer: such a log gets less room.
    if [ "$(printf '%s' "$tail_text" | tr -d ' -~\n' | wc -c)" -gt 1200 ]; then
        tail_text=$(log_tail "$tail_folder" 1300 600)
    fi
    fact tail "$tail_text" 6000
}

# log_tail FOLDER BYTES-OF-STDOUT BYTES-OF-STDERR
log_tail() {
    # The marker of this very document must not come back out of a log.
    {
        tail -c "$2" "$1/stdout" 2>/dev/null
        printf '\n--- stderr ---\n'
        tail -c "$3" "$1/stderr" 2>/dev/null
    } | sed -e 's/PATCHMEDIC-/PATCHMEDIC_/g'
}
