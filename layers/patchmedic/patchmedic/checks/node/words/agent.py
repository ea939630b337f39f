"""What the checks say about the agent: credentials, metadata, registration, patch runs.

Data only; the shapes and the rules for it are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words.shapes import Advice, Special, Words, t

_START_MACOS = "sudo launchctl load -w /Library/LaunchDaemons/com.amazon.aws.ssm.plist"
_RESTART_LINUX = "sudo systemctl restart amazon-ssm-agent || sudo snap restart amazon-ssm-agent"
_RESTART_MACOS = (
    "sudo launchctl unload /Library/LaunchDaemons/com.amazon.aws.ssm.plist && sudo launchctl"
    " load -w /Library/LaunchDaemons/com.amazon.aws.ssm.plist"
)

WORDS: Mapping[str, Words] = {
    "credentials": Words(
        ok=t(
            "A patch run takes its credentials from where it should ({source}).",
            "パッチ処理は正しい場所（{source}）から認証情報を取得します。",
        ),
        bad=t(
            "A patch run picks up foreign credentials: source {source}, file {path} (agent"
            " {agent_version}).",
            "パッチ処理が、インスタンスのロールではない別の認証情報を使用します（取得元:"
            " {source}、ファイル: {path}、エージェント: {agent_version}）。",
        ),
    ),
    "imds": Words(
        ok=t(
            "Instance metadata answers ({version}) and names the role {role}.",
            "インスタンスメタデータは応答しています（{version}、ロール: {role}）。",
        ),
        bad=t(
            "Instance metadata gave {status} when asked for the role of the instance.",
            "インスタンスメタデータにロールを問い合わせた結果は {status} でした。",
        ),
    ),
    "agent": Words(
        ok=t(
            "The SSM agent runs (version {version}).",
            "SSM Agent は稼働しています（バージョン {version}）。",
        ),
        bad=t(
            "The SSM agent's service is {state} (version {version}, starts with the system:"
            " {enabled}).",
            "SSM Agent のサービスが正常ではありません（状態: {state}、バージョン: {version}、自動"
            "起動: {enabled}）。",
        ),
        special={
            "not-enabled": Special(
                t(
                    "The SSM agent runs (version {version}), but it does not start with the"
                    " system: after a restart the node would be out of reach.",
                    "SSM Agent は稼働していますが（バージョン {version}）、自動起動が無効です。再"
                    "起動するとノードを管理できなくなります。",
                ),
                Advice(
                    t(
                        "Let the agent start with the system.",
                        "エージェントの自動起動を有効にしてください。",
                    ),
                    {
                        "linux": (
                            "sudo systemctl enable amazon-ssm-agent || sudo snap start --enable"
                            " amazon-ssm-agent",
                        ),
                        "macos": (_START_MACOS,),
                        "windows": ("Set-Service AmazonSSMAgent -StartupType Automatic",),
                    },
                ),
            ),
        },
    ),
    "agent-diagnostics": Words(
        ok=t(
            "The agent's own diagnosis (ssm-cli) found nothing wrong (credentials: {credentials}).",
            "エージェント自身の診断（ssm-cli）では、異常は見つかりませんでした（認証情報:"
            " {credentials}）。",
        ),
        bad=t(
            "The agent's own diagnosis (ssm-cli) reports failures: {failed}. {notes}",
            "エージェント自身の診断（ssm-cli）が失敗を報告しています: {failed}（{notes}）。",
        ),
        advice=Advice(
            t(
                "Read the whole diagnosis on the node; its notes say what each failed check needs.",
                "ノード上で診断結果の全体を確認してください。失敗した項目ごとに、必要な対処が記載"
                "されています。",
            ),
            {
                "linux": ("sudo ssm-cli get-diagnostics --output table",),
                "macos": ("sudo ssm-cli get-diagnostics --output table",),
                "windows": (
                    r"& 'C:\Program Files\Amazon\SSM\ssm-cli.exe' get-diagnostics --output table",
                ),
            },
        ),
    ),
    "hibernation": Words(
        ok=t(
            "The agent has not hibernated in the last 24 hours.",
            "過去 24 時間に、エージェントは休止状態に入っていません。",
        ),
        bad=t(
            "The agent wrote to its hibernation log {minutes} minutes ago, which it does while"
            " Systems Manager refuses it: {reason}.",
            "エージェントが {minutes} 分前に休止ログへ記録しています。Systems Manager に拒否されて"
            "いる間に記録されるログです（理由: {reason}）。",
        ),
        advice=Advice(
            t(
                "Give the instance's role what the agent needs (AmazonSSMManagedInstanceCore), or"
                " register the node anew; then restart the agent, which otherwise waits up to an"
                " hour before it tries again.",
                "インスタンスのロールにエージェントに必要な権限（AmazonSSMManagedInstanceCore）を"
                "付与するか、ノードを登録し直してください。その後エージェントを再起動します。再起"
                "動しない場合、次の接続まで最大 1 時間かかります。",
            ),
            {
                "linux": (
                    "sudo tail -n 20 /var/log/amazon/ssm/hibernate.log",
                    _RESTART_LINUX,
                ),
                "macos": (
                    "sudo tail -n 20 /var/log/amazon/ssm/hibernate.log",
                    _RESTART_MACOS,
                ),
                "windows": (
                    r"Get-ChildItem C:\ProgramData\Amazon\SSM\Logs,"
                    r" $env:LOCALAPPDATA\Amazon\SSM\Logs -Filter hibernate.log -ErrorAction"
                    " SilentlyContinue | Get-Content -Tail 20",
                    "Restart-Service AmazonSSMAgent",
                ),
            },
        ),
    ),
    "registration": Words(
        ok=t(
            "The agent is registered as this node ({registered_as}).",
            "エージェントはこのノードとして登録されています（{registered_as}）。",
        ),
        bad=t(
            "The agent is registered as {registered_as} ({kind}), but this instance is"
            " {instance_id}: the registration came with a copied image or was left behind.",
            "エージェントは {registered_as}（{kind}）として登録されていますが、このインスタンスは"
            " {instance_id} です。複製元のイメージに含まれていた、または以前の登録が残っています。",
        ),
        special={
            "missing": Special(
                t(
                    "The agent keeps no registration on the node (instance: {instance_id},"
                    " expected: {kind}).",
                    "ノードにエージェントの登録情報がありません（インスタンス: {instance_id}、種類"
                    ": {kind}）。",
                ),
                Advice(
                    t(
                        "Restart the agent, which registers an EC2 instance by itself. A machine"
                        " outside EC2 needs a new activation (console: Systems Manager > Hybrid"
                        " Activations > Create activation).",
                        "エージェントを再起動してください。EC2 インスタンスであれば自動的に登録さ"
                        "れます。EC2 以外のマシンでは、新しいアクティベーションが必要です"
                        "（コンソール: Systems Manager > ハイブリッドアクティベーション > "
                        "アクティベーションの作成）。",
                    ),
                    {
                        "linux": (_RESTART_LINUX,),
                        "macos": (_RESTART_MACOS,),
                        "windows": ("Restart-Service AmazonSSMAgent",),
                    },
                ),
            ),
        },
    ),
    "patch-runs": Words(
        ok=t(
            "Patch runs on the node do not overlap (running now: {running}).",
            "ノード上でパッチ処理の重複はありません（現在実行中: {running} 件）。",
        ),
        bad=t(
            "Patch runs overlap on the node (running now: {running}, processes: {pids}).",
            "ノード上で複数のパッチ処理が重なっています（現在実行中: {running} 件、プロセス:"
            " {pids}）。",
        ),
    ),
    "payload-leftovers": Words(
        ok=t(
            "No leftovers of an interrupted patch run.",
            "中断されたパッチ処理の残留ファイルはありません。",
        ),
        bad=t(
            "An interrupted patch run left {folders} behind {age_minutes} minutes ago.",
            "中断されたパッチ処理のフォルダー {folders} が {age_minutes} 分前から残っています。",
        ),
    ),
    "state-files": Words(
        ok=t(
            "Patch Manager's state files can be read.",
            "Patch Manager の状態ファイルは正常に読み取れます。",
        ),
        bad=t(
            "Patch Manager's state file {file} is damaged: {error}.",
            "Patch Manager の状態ファイル {file} が破損しています（{error}）。",
        ),
    ),
    "patch-log-tail": Words(
        ok=t(
            "The end of the last patch run's output is attached.",
            "直近のパッチ処理の出力の末尾を添付しました。",
        ),
        bad=t(
            "The end of the last patch run's output is attached.",
            "直近のパッチ処理の出力の末尾を添付しました。",
        ),
    ),
}

ADVICE: Mapping[str, Advice] = {
    "credentials-invalid": Advice(
        t(
            "Remove the foreign keys (environment of the agent's service, or the default profile"
            " of root or SYSTEM) or give them a profile name of their own, and restart the agent."
            " An agent before 3.2.183.0 should also be updated.",
            "別の認証情報（エージェントのサービスの環境変数、または root / SYSTEM の default "
            "プロファイル）を削除するか別名のプロファイルに移し、エージェントを再起動してくださ"
            "い。3.2.183.0 より古いエージェントは更新も必要です。",
        ),
        {
            "linux": (
                "sudo ls -l /root/.aws/",
                "sudo systemctl show amazon-ssm-agent -p Environment -p EnvironmentFiles",
            ),
            "macos": ("sudo ls -l /var/root/.aws/",),
            "windows": (
                r"dir C:\Windows\System32\config\systemprofile\.aws",
                "[Environment]::GetEnvironmentVariable('AWS_ACCESS_KEY_ID','Machine')",
            ),
        },
    ),
    "imds-unreachable": Advice(
        t(
            "Enable instance metadata, let local firewalls and proxies pass 169.254.169.254, and"
            " give containers a hop limit of 2.",
            "インスタンスメタデータを有効にし、ローカルのファイアウォールとプロキシで"
            " 169.254.169.254 を許可してください。コンテナからアクセスする場合はホップ制限を 2 に"
            "します。",
        ),
        {
            "": (
                "aws ec2 describe-instances --instance-ids NODE_ID --query"
                " 'Reservations[].Instances[].MetadataOptions'",
                "aws ec2 modify-instance-metadata-options --instance-id NODE_ID --http-endpoint"
                " enabled",
            ),
        },
    ),
    "instance-profile-missing": Advice(
        t(
            "Attach an instance profile whose role has AmazonSSMManagedInstanceCore, or set up"
            " Default Host Management.",
            "AmazonSSMManagedInstanceCore を持つロールのインスタンスプロファイルをアタッチするか、"
            "デフォルトのホスト管理設定を有効にしてください。",
        ),
        {
            "": (
                "aws ec2 associate-iam-instance-profile --instance-id NODE_ID"
                " --iam-instance-profile Name=PROFILE_NAME",
            ),
        },
    ),
    "agent-not-running": Advice(
        t(
            "Start the SSM agent, and read its log if it does not stay up.",
            "SSM Agent を起動してください。すぐに停止する場合はログを確認してください。",
        ),
        {
            "linux": (
                _RESTART_LINUX,
                "sudo tail -n 50 /var/log/amazon/ssm/errors.log",
            ),
            "macos": (
                _START_MACOS,
                "sudo tail -n 50 /var/log/amazon/ssm/errors.log",
            ),
            "windows": (
                "Restart-Service AmazonSSMAgent",
                r"Get-Content C:\ProgramData\Amazon\SSM\Logs\errors.log -Tail 50",
            ),
        },
    ),
    "agent-registration-invalid": Advice(
        t(
            "Clear the foreign registration and restart the agent: an EC2 instance then registers"
            " as itself. A machine outside EC2 needs a new activation instead (console: Systems"
            " Manager > Hybrid Activations). Clear the registration in images before they are"
            " copied.",
            "別のマシンの登録情報を消去し、エージェントを再起動してください。EC2 インスタンスは自"
            "身の ID で登録し直されます。EC2 以外のマシンでは新しいアクティベーションが必要です"
            "（コンソール: Systems Manager > ハイブリッドアクティベーション）。イメージは、登録情"
            "報を消去してから複製してください。",
        ),
        {
            "linux": (
                "sudo systemctl stop amazon-ssm-agent",
                "sudo amazon-ssm-agent -register -clear",
                "sudo systemctl start amazon-ssm-agent",
            ),
            "macos": (
                "sudo launchctl unload /Library/LaunchDaemons/com.amazon.aws.ssm.plist",
                "sudo amazon-ssm-agent -register -clear",
                _START_MACOS,
            ),
            "windows": (
                "Stop-Service AmazonSSMAgent",
                r"& 'C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe' -register -clear",
                "Start-Service AmazonSSMAgent",
            ),
        },
    ),
    "concurrent-run": Advice(
        t(
            "Patch again while nothing else patches the node, and move the schedules (maintenance"
            " windows, associations, patch policies) of this node apart.",
            "他のパッチ処理が動いていない時間に再実行し、このノードを対象とするスケジュール"
            "（メンテナンスウィンドウ、関連付け、パッチポリシー）の時刻が重ならないように変更して"
            "ください。",
        ),
        {
            "": (
                "aws ssm list-commands --instance-id NODE_ID --max-items 20",
                "aws ssm describe-instance-associations-status --instance-id NODE_ID",
            ),
        },
    ),
    "state-file-corrupt": Advice(
        t(
            "Leave the file where it is: only Patch Manager writes it. See that the disk is"
            " healthy and has room, restart the node when that suits, and let a Scan write the"
            " state anew.",
            "ファイルには手を加えないでください。書き込むのは Patch Manager だけです。ディスクに異"
            "常がなく空きがあることを確認し、都合のよい時間帯にノードを再起動した後、スキャンを実"
            "行して状態を書き直させてください。",
        ),
        {
            "linux": (
                "df -h /var && df -i /var",
                "sudo ls -l /var/log/amazon/ssm/patch-configuration/",
            ),
            "macos": (
                "df -h /",
                "sudo ls -l /var/log/amazon/ssm/patch-configuration/",
            ),
            "windows": (
                "Get-PSDrive -PSProvider FileSystem",
                r"Get-ChildItem C:\ProgramData\Amazon\PatchBaselineOperations\State",
            ),
            "": (
                "aws ssm send-command --document-name AWS-RunPatchBaseline --instance-ids NODE_ID"
                " --parameters Operation=Scan,RebootOption=NoReboot",
            ),
        },
    ),
}
