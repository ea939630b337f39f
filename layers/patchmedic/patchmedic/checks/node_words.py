"""The sentences about what a node check saw, in English and Japanese, and the advice per cause.

Data only.  ``{name}`` in a sentence stands for the fact of that name; facts are put in by
``fill``, which replaces names and nothing else, so text from a node cannot reach anything through
it.  Commands hold no facts at all: only ``NODE_ID`` and ``<REGION>``, put in where what would go
in is known to be one.
"""
# ruff: noqa: E501 - a Japanese character counts as two columns

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from patchmedic.model import Text

_PLACE = re.compile(r"\{([a-z_]+)\}")


def fill(text: Text, facts: Mapping[str, str]) -> Text:
    """The sentence with its facts, in each language; a missing or empty fact shows as ``-``."""
    return {
        language: _PLACE.sub(lambda place: facts.get(place.group(1), "") or "-", sentence)
        for language, sentence in text.items()
    }


@dataclass(frozen=True, slots=True)
class Words:
    """What a check says when all is well, and when it is not."""

    ok: Text
    bad: Text
    fix: Text | None = None
    """For a check that confirms no cause, and still has something to advise."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person does about a cause that a node check confirmed."""

    fix: Text
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Platform -> commands to paste; the empty name is for every platform."""


COULD_NOT_LOOK: Text = {
    "en": "The check {check} could not look: {why}.",
    "ja": "チェック {check} は確認できませんでした（理由: {why}）。",
}
UNKNOWN_CHECK: Text = {
    "en": "The node answered a check, {check}, that this version of PatchMedic does not know.",
    "ja": "ノードから、このバージョンの PatchMedic が認識しないチェック {check} の結果が返されました。",
}
NETWORK_FIRST: Text = {
    "en": "The update client reported {hresult}, but Windows Update cannot be reached, which gives"
    " the same code. Reach comes first.",
    "ja": "更新クライアントは {hresult} を報告していますが、Windows Update に接続できない場合も"
    "同じコードになります。先に接続の問題を解決してください。",
}

WORDS: Mapping[str, Words] = {
    "disk-space": Words(
        ok={
            "en": "There is room where patching writes; the tightest place is {path} with"
            " {free_mb} MB free ({need_mb} MB needed).",
            "ja": "パッチ適用で使用する領域には十分な空きがあります。最も余裕が少ない {path} の空きは"
            " {free_mb} MB です（必要量 {need_mb} MB）。",
        },
        bad={
            "en": "{path} has {free_mb} MB free and patching needs {need_mb} MB"
            " (free inodes: {free_inodes}).",
            "ja": "{path} の空き容量は {free_mb} MB しかなく、パッチ適用に必要な {need_mb} MB に"
            "足りません（空き inode: {free_inodes}）。",
        },
    ),
    "package-lock": Words(
        ok={
            "en": "No package manager holds its lock.",
            "ja": "パッケージマネージャーのロックは取得されていません。",
        },
        bad={
            "en": "{holder} (process {holder_pid}) holds the {manager} lock {lock}.",
            "ja": "{holder}（プロセス {holder_pid}）が {manager} のロック {lock} を保持しています。",
        },
    ),
    "patch-runs": Words(
        ok={
            "en": "Patch runs on the node do not overlap (running now: {running}).",
            "ja": "ノード上でパッチ処理の重複はありません（現在実行中: {running} 件）。",
        },
        bad={
            "en": "Patch runs overlap on the node (running now: {running}, processes: {pids}).",
            "ja": "ノード上で複数のパッチ処理が重なっています（現在実行中: {running} 件、"
            "プロセス: {pids}）。",
        },
    ),
    "payload-leftovers": Words(
        ok={
            "en": "No leftovers of an interrupted patch run.",
            "ja": "中断されたパッチ処理の残留ファイルはありません。",
        },
        bad={
            "en": "An interrupted patch run left {folders} behind {age_minutes} minutes ago.",
            "ja": "中断されたパッチ処理のフォルダー {folders} が {age_minutes} 分前から残っています。",
        },
    ),
    "credentials": Words(
        ok={
            "en": "A patch run takes its credentials from where it should ({source}).",
            "ja": "パッチ処理は正しい場所（{source}）から認証情報を取得します。",
        },
        bad={
            "en": "A patch run picks up foreign credentials: source {source}, file {path}"
            " (agent {agent_version}).",
            "ja": "パッチ処理が、インスタンスのロールではない別の認証情報を使用します（取得元: {source}、"
            "ファイル: {path}、エージェント: {agent_version}）。",
        },
    ),
    "s3-reach": Words(
        ok={
            "en": "Amazon S3 answers ({host}).",
            "ja": "Amazon S3 に接続できます（{host}）。",
        },
        bad={
            "en": "Amazon S3 does not serve the node: {host} gave {error} after {seconds} s.",
            "ja": "ノードから Amazon S3 を利用できません（{host}: {error}、{seconds} 秒）。",
        },
    ),
    "ssm-reach": Words(
        ok={
            "en": "The Systems Manager endpoints answer ({host}).",
            "ja": "Systems Manager のエンドポイントに接続できます（{host}）。",
        },
        bad={
            "en": "The Systems Manager endpoint {host} does not answer: {error}.",
            "ja": "Systems Manager のエンドポイント {host} に接続できません（{error}）。",
        },
    ),
    "package-repositories": Words(
        ok={
            "en": "The servers of the configured repositories answer ({repository}).",
            "ja": "設定されたリポジトリのサーバーに接続できます（{repository}）。",
        },
        bad={
            "en": "The repository server {repository} does not answer: {error}.",
            "ja": "リポジトリのサーバー {repository} に接続できません（{error}）。",
        },
    ),
    "agent": Words(
        ok={
            "en": "The SSM agent runs (version {version}).",
            "ja": "SSM Agent は稼働しています（バージョン {version}）。",
        },
        bad={
            "en": "The SSM agent's service is {state} (version {version}).",
            "ja": "SSM Agent のサービスが正常ではありません（状態: {state}、バージョン {version}）。",
        },
    ),
    "imds": Words(
        ok={
            "en": "Instance metadata answers ({version}) and names the role {role}.",
            "ja": "インスタンスメタデータは応答しています（{version}、ロール: {role}）。",
        },
        bad={
            "en": "Instance metadata gave {status} when asked for the role of the instance.",
            "ja": "インスタンスメタデータにロールを問い合わせた結果は {status} でした。",
        },
    ),
    "dpkg-state": Words(
        ok={
            "en": "dpkg holds no half-installed packages.",
            "ja": "dpkg に、設定が途中のパッケージはありません。",
        },
        bad={
            "en": "dpkg was interrupted; not finished: {broken}.",
            "ja": "dpkg の処理が途中で中断されています（未完了: {broken}）。",
        },
    ),
    "clock": Words(
        ok={
            "en": "The clock is right to {offset_seconds} s.",
            "ja": "時刻は正確です（ずれ: {offset_seconds} 秒）。",
        },
        bad={
            "en": "The clock is off by {offset_seconds} s against {source}; AWS refuses signatures"
            " from five minutes on.",
            "ja": "時刻が {source} に対して {offset_seconds} 秒ずれています。5 分以上ずれると AWS は"
            "署名を拒否します。",
        },
    ),
    "wu-services": Words(
        ok={
            "en": "None of the services that Windows Update needs is disabled.",
            "ja": "Windows Update に必要なサービスは無効化されていません。",
        },
        bad={
            "en": "Windows Update needs the service {service}, which is {start_type} (state: {state}).",
            "ja": "Windows Update に必要なサービス {service} が {start_type} です（状態: {state}）。",
        },
    ),
    "wu-reach": Words(
        ok={
            "en": "The update source answers ({host}).",
            "ja": "更新プログラムの取得元に接続できます（{host}）。",
        },
        bad={
            "en": "The update source {host} does not answer: {error} (WSUS: {wsus}).",
            "ja": "更新プログラムの取得元 {host} に接続できません（{error}、WSUS: {wsus}）。",
        },
    ),
    "wu-components": Words(
        ok={
            "en": "The Windows Update client reports no fault of its own (last network code:"
            " {hresult}).",
            "ja": "Windows Update クライアント自体の異常は報告されていません（直近の通信エラー: "
            "{hresult}）。",
        },
        bad={
            "en": "The Windows Update client reports {hresult} ({count} times, {source}).",
            "ja": "Windows Update クライアントが {hresult} を報告しています（{count} 回、{source}）。",
        },
    ),
    "wu-proxy": Words(
        ok={
            "en": "The agent and Windows Update agree about the proxy (WinHTTP: {winhttp}).",
            "ja": "エージェントと Windows Update のプロキシ設定に食い違いはありません"
            "（WinHTTP: {winhttp}）。",
        },
        bad={
            "en": "The agent uses the proxy {agent}, and WinHTTP, which Windows Update uses, has"
            " none.",
            "ja": "エージェントにはプロキシ {agent} が設定されていますが、Windows Update が使用する "
            "WinHTTP には設定されていません。",
        },
    ),
    "reboot-pending": Words(
        ok={"en": "No restart is pending.", "ja": "再起動待ちではありません。"},
        bad={
            "en": "A restart is pending: {reasons}.",
            "ja": "再起動待ちの状態です（{reasons}）。",
        },
        fix={
            "en": "Restart the node in its next maintenance window, then run a patch Scan.",
            "ja": "次のメンテナンスウィンドウでノードを再起動し、その後にパッチのスキャンを実行してください。",
        },
    ),
    "patch-log-tail": Words(
        ok={
            "en": "The end of the last patch run's output is attached.",
            "ja": "直近のパッチ処理の出力の末尾を添付しました。",
        },
        bad={
            "en": "The end of the last patch run's output is attached.",
            "ja": "直近のパッチ処理の出力の末尾を添付しました。",
        },
    ),
}

ADVICE: Mapping[str, Advice] = {
    "disk-full": Advice(
        fix={
            "en": "Free space in package caches and old logs, or enlarge the volume; then run the"
            " patch operation again.",
            "ja": "パッケージキャッシュや古いログを削除するか、ボリュームを拡張してから、パッチ適用を"
            "再実行してください。",
        },
        commands={
            "linux": (
                "df -h / /var /boot /tmp && df -i / /var",
                "sudo du -xh --max-depth=2 /var | sort -h | tail -n 20",
                "sudo journalctl --vacuum-size=100M",
            ),
            "macos": ("df -h /", "sudo du -xhd 2 /var | sort -h | tail -n 20"),
            "windows": ("Get-PSDrive -PSProvider FileSystem",),
        },
    ),
    "package-manager-locked": Advice(
        fix={
            "en": "Wait until the other package operation has ended, then patch again. Do not"
            " remove the lock; move jobs that patch at the same time apart.",
            "ja": "実行中のパッケージ操作が終わるのを待ってから、パッチ適用を再実行してください。"
            "ロックファイルは削除せず、同じ時刻に動くジョブの時間をずらしてください。",
        },
        commands={
            "linux": (
                "ps -eo pid,lstart,args | grep -E '[a]pt|[d]pkg|[d]nf|[y]um|[z]ypper|[u]nattended'",
                "systemctl list-timers --all | grep -E 'apt|dnf|yum|zypp'",
            )
        },
    ),
    "concurrent-run": Advice(
        fix={
            "en": "Patch again while nothing else patches the node, and move the schedules"
            " (maintenance windows, associations, patch policies) of this node apart.",
            "ja": "他のパッチ処理が動いていない時間に再実行し、このノードを対象とするスケジュール"
            "（メンテナンスウィンドウ、関連付け、パッチポリシー）の時刻が重ならないように変更してください。",
        },
        commands={
            "": (
                "aws ssm list-commands --instance-id NODE_ID --max-items 20",
                "aws ssm describe-instance-associations-status --instance-id NODE_ID",
            )
        },
    ),
    "credentials-invalid": Advice(
        fix={
            "en": "Remove the foreign keys (environment of the agent's service, or the default"
            " profile of root or SYSTEM) or give them a profile name of their own, and restart the"
            " agent. An agent before 3.2.183.0 should also be updated.",
            "ja": "別の認証情報（エージェントのサービスの環境変数、または root / SYSTEM の default "
            "プロファイル）を削除するか別名のプロファイルに移し、エージェントを再起動してください。"
            "3.2.183.0 より古いエージェントは更新も必要です。",
        },
        commands={
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
    "s3-unreachable": Advice(
        fix={
            "en": "Give the node a way to S3: a gateway endpoint for S3 in its route table, or a"
            " NAT gateway; and let the security group and network ACL pass port 443.",
            "ja": "ノードから S3 への経路を用意してください（ルートテーブルに S3 のゲートウェイ"
            "エンドポイントを追加、または NAT ゲートウェイを使用）。セキュリティグループとネットワーク "
            "ACL でポート 443 も許可してください。",
        },
        commands={
            "linux": ("curl -sSI -m 10 https://s3.<REGION>.amazonaws.com/",),
            "macos": ("curl -sSI -m 10 https://s3.<REGION>.amazonaws.com/",),
            "windows": ("Test-NetConnection s3.<REGION>.amazonaws.com -Port 443",),
        },
    ),
    "s3-access-denied": Advice(
        fix={
            "en": "S3 refuses the patch files: allow the Systems Manager buckets of this Region in"
            " the policy of the S3 endpoint and in the instance's role.",
            "ja": "S3 がパッチ用ファイルへのアクセスを拒否しています。S3 エンドポイントのポリシーと"
            "インスタンスのロールで、このリージョンの Systems Manager 用バケットを許可してください。",
        },
        commands={
            "": (
                "aws ec2 describe-vpc-endpoints --filters"
                " Name=service-name,Values=com.amazonaws.<REGION>.s3"
                " --query 'VpcEndpoints[].PolicyDocument'",
            )
        },
    ),
    "ssm-endpoint-unreachable": Advice(
        fix={
            "en": "Give the node a way to ssm and ssmmessages on port 443: interface endpoints"
            " with private DNS, whose security group lets the node in, or a NAT gateway.",
            "ja": "ノードから ssm と ssmmessages へポート 443 で接続できるようにしてください"
            "（プライベート DNS を有効にしたインターフェイスエンドポイントを用意し、そのセキュリティ"
            "グループでノードからの通信を許可、または NAT ゲートウェイを使用）。",
        },
        commands={"": ("aws ec2 describe-vpc-endpoints --query 'VpcEndpoints[].ServiceName'",)},
    ),
    "repository-unreachable": Advice(
        fix={
            "en": "Let the node reach its package repositories (NAT, proxy or a mirror inside the"
            " network), or repair the address of the repository.",
            "ja": "ノードからパッケージリポジトリへ接続できるようにするか（NAT、プロキシ、または内部"
            "ミラー）、リポジトリの URL を修正してください。",
        },
        commands={
            "linux": (
                "grep -rhE '^(deb|URIs:|baseurl|mirrorlist)' /etc/apt/sources.list*"
                " /etc/yum.repos.d /etc/zypp/repos.d 2>/dev/null",
            )
        },
    ),
    "dns-failure": Advice(
        fix={
            "en": "Make names resolve on the node: check its resolver, the DHCP options and DNS"
            " settings of the VPC, and forwarders for amazonaws.com.",
            "ja": "ノードで名前解決ができるようにしてください。リゾルバーの設定、VPC の DHCP オプションと "
            "DNS 設定、amazonaws.com のフォワーダーを確認してください。",
        },
        commands={
            "linux": (
                "cat /etc/resolv.conf",
                "getent hosts ssm.<REGION>.amazonaws.com",
            ),
            "macos": ("scutil --dns", "dscacheutil -q host -a name ssm.<REGION>.amazonaws.com"),
            "windows": ("Resolve-DnsName ssm.<REGION>.amazonaws.com", "ipconfig /all"),
        },
    ),
    "tls-failure": Advice(
        fix={
            "en": "See who signs the certificate: let a TLS inspection exempt the AWS hosts, or"
            " install its root and today's root certificates on the node.",
            "ja": "証明書の発行元を確認してください。TLS を検査する機器がある場合は AWS のホストを"
            "対象外にするか、その機器のルート証明書と最新のルート証明書をノードに導入してください。",
        },
        commands={
            "linux": (
                "openssl s_client -connect s3.<REGION>.amazonaws.com:443"
                " -servername s3.<REGION>.amazonaws.com </dev/null | head -n 20",
            ),
            "macos": (
                "openssl s_client -connect s3.<REGION>.amazonaws.com:443"
                " -servername s3.<REGION>.amazonaws.com </dev/null | head -n 20",
            ),
            "windows": (
                r"Get-ChildItem Cert:\LocalMachine\Root | Where-Object Subject -like '*Amazon*'",
            ),
        },
    ),
    "proxy-misconfigured": Advice(
        fix={
            "en": "Give the agent, the system and the package manager the same working proxy, and"
            " exempt 169.254.169.254 from it.",
            "ja": "エージェント、システム、パッケージマネージャーに、正しく動作する同じプロキシを設定し、"
            "169.254.169.254 は除外してください。",
        },
        commands={
            "linux": ("systemctl show amazon-ssm-agent -p Environment",),
            "windows": (
                "netsh winhttp show proxy",
                r"Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent",
            ),
        },
    ),
    "agent-not-running": Advice(
        fix={
            "en": "Start the SSM agent, and read its log if it does not stay up.",
            "ja": "SSM Agent を起動してください。すぐに停止する場合はログを確認してください。",
        },
        commands={
            "linux": (
                "sudo systemctl restart amazon-ssm-agent || sudo snap restart amazon-ssm-agent",
                "sudo tail -n 50 /var/log/amazon/ssm/errors.log",
            ),
            "macos": (
                "sudo launchctl load -w /Library/LaunchDaemons/com.amazon.aws.ssm.plist",
                "sudo tail -n 50 /var/log/amazon/ssm/errors.log",
            ),
            "windows": (
                "Restart-Service AmazonSSMAgent",
                r"Get-Content C:\ProgramData\Amazon\SSM\Logs\errors.log -Tail 50",
            ),
        },
    ),
    "imds-unreachable": Advice(
        fix={
            "en": "Enable instance metadata, let local firewalls and proxies pass 169.254.169.254,"
            " and give containers a hop limit of 2.",
            "ja": "インスタンスメタデータを有効にし、ローカルのファイアウォールとプロキシで "
            "169.254.169.254 を許可してください。コンテナからアクセスする場合はホップ制限を 2 にします。",
        },
        commands={
            "": (
                "aws ec2 describe-instances --instance-ids NODE_ID"
                " --query 'Reservations[].Instances[].MetadataOptions'",
                "aws ec2 modify-instance-metadata-options --instance-id NODE_ID"
                " --http-endpoint enabled",
            )
        },
    ),
    "instance-profile-missing": Advice(
        fix={
            "en": "Attach an instance profile whose role has AmazonSSMManagedInstanceCore, or set"
            " up Default Host Management.",
            "ja": "AmazonSSMManagedInstanceCore を持つロールのインスタンスプロファイルをアタッチするか、"
            "デフォルトのホスト管理設定を有効にしてください。",
        },
        commands={
            "": (
                "aws ec2 associate-iam-instance-profile --instance-id NODE_ID"
                " --iam-instance-profile Name=PROFILE_NAME",
            )
        },
    ),
    "package-db-corrupt": Advice(
        fix={
            "en": "Finish the interrupted package operation, and look at what it prints.",
            "ja": "中断されたパッケージ操作を完了させ、表示される内容を確認してください。",
        },
        commands={"linux": ("sudo dpkg --audit", "sudo dpkg --configure -a")},
    ),
    "clock-skew": Advice(
        fix={
            "en": "Set the clock by the Amazon Time Sync Service (169.254.169.123).",
            "ja": "Amazon Time Sync Service（169.254.169.123）で時刻を同期してください。",
        },
        commands={
            "linux": ("chronyc sources && sudo chronyc makestep",),
            "macos": ("sudo sntp -sS 169.254.169.123",),
            "windows": ("w32tm /query /status", "w32tm /resync /force"),
        },
    ),
    "wu-service-disabled": Advice(
        fix={
            "en": "Set the service back to start on demand; a group policy may have disabled it.",
            "ja": "サービスのスタートアップの種類を手動に戻してください。グループポリシーで無効化されて"
            "いる可能性があります。",
        },
        commands={
            "windows": (
                "Get-Service wuauserv,BITS,CryptSvc,TrustedInstaller"
                " | Select-Object Name,StartType,Status",
                "Set-Service wuauserv -StartupType Manual",
            )
        },
    ),
    "wsus-failure": Advice(
        fix={
            "en": "Repair the WSUS server that the policy names, or its address; without WSUS the"
            " node needs a way to Microsoft's update servers.",
            "ja": "ポリシーで指定された WSUS サーバー、またはその URL を修正してください。WSUS を"
            "使用しない場合は、Microsoft の更新サーバーへの経路が必要です。",
        },
        commands={
            "windows": (
                r"Get-ItemProperty HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate",
                r"Get-ItemProperty HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU",
            )
        },
    ),
    "wu-unreachable": Advice(
        fix={
            "en": "Give the node a way to Microsoft's update servers (NAT or proxy; VPC endpoints"
            " cannot do it) or a WSUS server inside the network.",
            "ja": "Microsoft の更新サーバーへの経路（NAT またはプロキシ。VPC エンドポイントでは代替"
            "できません）を用意するか、ネットワーク内の WSUS サーバーを使用してください。",
        },
        commands={
            "windows": (
                "Test-NetConnection download.windowsupdate.com -Port 80",
                "netsh winhttp show proxy",
            )
        },
    ),
    "wu-components-broken": Advice(
        fix={
            "en": "Reset the Windows Update components: stop wuauserv, BITS and CryptSvc, rename"
            " SoftwareDistribution and catroot2, start the services, patch again.",
            "ja": "Windows Update コンポーネントをリセットしてください。wuauserv、BITS、CryptSvc を"
            "停止し、SoftwareDistribution と catroot2 の名前を変更した後、サービスを開始して"
            "パッチ適用を再実行します。",
        },
        commands={
            "windows": (
                "Stop-Service wuauserv,BITS,CryptSvc -Force",
                r"Rename-Item C:\Windows\SoftwareDistribution SoftwareDistribution.old",
                r"Rename-Item C:\Windows\System32\catroot2 catroot2.old",
                "Start-Service CryptSvc,BITS,wuauserv",
            )
        },
    ),
}
