"""What the checks say about the Windows Update client, its services and WSUS.

Data only; the shapes and the rules for it are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words.shapes import Advice, Special, Words, t

_WSUS_POLICY = r"Get-ItemProperty HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate"
_AUTO_UPDATE_POLICY = r"Get-ItemProperty HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU"
_GROUP_POLICIES = "gpresult /scope computer /r"

WORDS: Mapping[str, Words] = {
    "wu-services": Words(
        ok=t(
            "None of the services that Windows Update needs is disabled.",
            "Windows Update に必要なサービスは無効化されていません。",
        ),
        bad=t(
            "Windows Update needs the service {service}, which is {start_type} (state: {state}).",
            "Windows Update に必要なサービス {service} が {start_type} です（状態: {state}）。",
        ),
    ),
    "wsus-settings": Words(
        ok=t(
            "The settings for WSUS make sense (in use: {use_wu_server}, server: {wu_server}).",
            "WSUS の設定に問題はありません（使用: {use_wu_server}、サーバー: {wu_server}）。",
        ),
        bad=t(
            "The settings send Windows Update to a WSUS server that cannot be right: {error}"
            " (server: {wu_server}, set by: {source}).",
            "WSUS サーバーの指定に誤りがあります（{error}、サーバー: {wu_server}、設定元:"
            " {source}）。",
        ),
        special={
            "mismatch": Special(
                t(
                    "Windows Update asks {wu_server} for updates and reports to"
                    " {wu_status_server}: the two should be the same server.",
                    "更新プログラムの取得元は {wu_server} ですが、結果の報告先は"
                    " {wu_status_server} です。通常は同じサーバーを指定します。",
                ),
                Advice(
                    t(
                        "Set both addresses of the policy to the same WSUS server (Group Policy:"
                        " Computer Configuration > Administrative Templates > Windows Components >"
                        " Windows Update > Specify intranet Microsoft update service location).",
                        "ポリシーの 2 つのアドレスに、同じ WSUS サーバーを設定してください"
                        "（グループポリシー: コンピューターの構成 > 管理用テンプレート > Windows "
                        "コンポーネント > Windows Update > イントラネットの Microsoft 更新サービス"
                        "の場所を指定する）。",
                    ),
                    {
                        "windows": (
                            _WSUS_POLICY,
                            _AUTO_UPDATE_POLICY,
                            _GROUP_POLICIES,
                        ),
                    },
                ),
            ),
            "access-disabled": Special(
                t(
                    "A policy turns access to Windows Update off (DisableWindowsUpdateAccess:"
                    " {disable_access}, set by: {source}).",
                    "ポリシーで Windows Update へのアクセスが無効化されています"
                    "（DisableWindowsUpdateAccess: {disable_access}、設定元: {source}）。",
                ),
                Advice(
                    t(
                        "Allow access to Windows Update in the group policy that sets this, unless"
                        " another tool is meant to patch the node.",
                        "ほかのツールでパッチを適用する運用でない限り、この設定を行っている"
                        "グループポリシーで Windows Update へのアクセスを許可してください。",
                    ),
                    {
                        "windows": (
                            _WSUS_POLICY,
                            _AUTO_UPDATE_POLICY,
                            _GROUP_POLICIES,
                            r"Remove-ItemProperty HKLM:\SOFTWARE\Policies\Microsoft\Windows"
                            r"\WindowsUpdate -Name DisableWindowsUpdateAccess",
                            "Restart-Service wuauserv",
                        ),
                    },
                ),
            ),
        },
    ),
    "wu-reach": Words(
        ok=t(
            "The update source answers ({host}).",
            "更新プログラムの取得元に接続できます（{host}）。",
        ),
        bad=t(
            "Microsoft's update server {host} does not answer: {error}.",
            "Microsoft の更新サーバー {host} に接続できません（{error}）。",
        ),
        special={
            "wsus": Special(
                t(
                    "The WSUS server {wsus} does not answer ({host}: {error}).",
                    "WSUS サーバー {wsus} に接続できません（{host}: {error}）。",
                ),
            ),
            "wsus-ok": Special(
                t(
                    "The WSUS server {wsus} answers ({host}).",
                    "WSUS サーバー {wsus} に接続できます（{host}）。",
                ),
            ),
        },
    ),
    "wu-components": Words(
        ok=t(
            "The Windows Update client reports no fault of its own (last network code: {hresult}).",
            "Windows Update クライアント自体の異常は報告されていません（直近の通信エラー:"
            " {hresult}）。",
        ),
        bad=t(
            "The Windows Update client reports {hresult} ({count} times, {source}).",
            "Windows Update クライアントが {hresult} を報告しています（{count} 回、{source}）。",
        ),
    ),
}

ADVICE: Mapping[str, Advice] = {
    "wu-service-disabled": Advice(
        t(
            "Set the service back to start on demand; a group policy may have disabled it.",
            "サービスのスタートアップの種類を手動に戻してください。グループポリシーで無効化されて"
            "いる可能性があります。",
        ),
        {
            "windows": (
                "Get-Service wuauserv,BITS,CryptSvc,TrustedInstaller,msiserver | Select-Object"
                " Name,StartType,Status",
                "Set-Service wuauserv -StartupType Manual",
            ),
        },
    ),
    "wsus-failure": Advice(
        t(
            "Repair the WSUS server that the policy names, or its address; without WSUS the node"
            " needs a way to Microsoft's update servers.",
            "ポリシーで指定された WSUS サーバー、またはその URL を修正してください。WSUS を使用し"
            "ない場合は、Microsoft の更新サーバーへの経路が必要です。",
        ),
        {
            "windows": (
                _WSUS_POLICY,
                _AUTO_UPDATE_POLICY,
                _GROUP_POLICIES,
                "Test-NetConnection <WSUS_SERVER> -Port 8530",
            ),
        },
    ),
    "wu-unreachable": Advice(
        t(
            "Give the node a way to Microsoft's update servers (NAT or proxy; VPC endpoints cannot"
            " do it) or a WSUS server inside the network.",
            "Microsoft の更新サーバーへの経路（NAT またはプロキシ。VPC エンドポイントでは代替でき"
            "ません）を用意するか、ネットワーク内の WSUS サーバーを使用してください。",
        ),
        {
            "windows": (
                "Test-NetConnection download.windowsupdate.com -Port 80",
                "netsh winhttp show proxy",
            ),
        },
    ),
    "wu-components-broken": Advice(
        t(
            "Reset the Windows Update components: stop wuauserv, BITS and CryptSvc, rename"
            " SoftwareDistribution and catroot2, start the services, patch again.",
            "Windows Update コンポーネントをリセットしてください。wuauserv、BITS、CryptSvc を停止"
            "し、SoftwareDistribution と catroot2 の名前を変更した後、サービスを開始してパッチ適用"
            "を再実行します。",
        ),
        {
            "windows": (
                "Stop-Service wuauserv,BITS,CryptSvc -Force",
                r"Rename-Item C:\Windows\SoftwareDistribution SoftwareDistribution.old",
                r"Rename-Item C:\Windows\System32\catroot2 catroot2.old",
                "Start-Service CryptSvc,BITS,wuauserv",
            ),
        },
    ),
}
