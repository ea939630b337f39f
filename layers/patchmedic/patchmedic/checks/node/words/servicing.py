"""What the checks say about Windows servicing: component store, results, PowerShell.

Data only; the shapes and the rules for it are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words.shapes import Advice, Special, Words, t

_CBS_ERRORS = (
    r"Select-String -Path C:\Windows\Logs\CBS\CBS.log -Pattern ', Error ' | Select-Object -Last"
    " 30"
)
_SETUP_EVENTS = (
    "Get-WinEvent -FilterHashtable @{LogName='Setup'} -MaxEvents 20 | Format-List TimeCreated,"
    " Message"
)

WORDS: Mapping[str, Words] = {
    "component-store": Words(
        ok=t("Windows' component store is healthy.", "Windows のコンポーネントストアは正常です。"),
        bad=t(
            "Windows' component store is {health}.",
            "Windows のコンポーネントストアが破損しています（状態: {health}）。",
        ),
        special={
            "pending": Special(
                t(
                    "Servicing of Windows has not finished: {pending} (component store: {health}).",
                    "Windows の更新処理が完了していません（{pending}、コンポーネントストア:"
                    " {health}）。",
                ),
                Advice(
                    t(
                        "Restart the node in its next maintenance window so that Windows can"
                        " finish, then run a patch Scan.",
                        "次のメンテナンスウィンドウでノードを再起動して Windows の処理を完了させ、"
                        "その後にパッチのスキャンを実行してください。",
                    ),
                    {
                        "windows": (
                            "Dism.exe /Online /Get-Packages /Format:Table | findstr /i pending",
                        ),
                    },
                ),
            ),
            "not-examined": Special(
                t(
                    "Nothing marks Windows' component store as damaged (health: {health}).",
                    "Windows のコンポーネントストアが破損していることを示す記録はありません（状態:"
                    " {health}）。",
                ),
            ),
        },
    ),
    "cbs-errors": Words(
        ok=t(
            "Windows servicing has logged no errors in the last 72 hours.",
            "過去 72 時間に、Windows の更新処理（CBS）のエラーは記録されていません。",
        ),
        bad=t(
            "Windows servicing logged {hresult} {minutes} minutes ago ({count} errors in 72"
            " hours): {operation}. {line}",
            "{minutes} 分前に Windows の更新処理（CBS）で {hresult} が記録されました（72 時間で"
            " {count} 件）: {operation} {line}",
        ),
        advice=Advice(
            t(
                "Look the code up and read the lines before it in CBS.log; the first error of a"
                " run tells more than the last.",
                "コードの意味を調べ、CBS.log でその直前の行を確認してください。最初に発生した"
                "エラーのほうが、最後のものより手がかりになります。",
            ),
            {
                "windows": (_CBS_ERRORS,),
            },
        ),
        special={
            "store": Special(
                t(
                    "Windows servicing logged {hresult} {minutes} minutes ago, which a damaged"
                    " component store gives ({count} errors in 72 hours): {line}",
                    "{minutes} 分前に、コンポーネントストアの破損を示す {hresult} が記録されました"
                    "（72 時間で {count} 件）: {line}",
                ),
            ),
        },
    ),
    "update-history": Words(
        ok=t(
            "The last updates were installed without errors (last success {last_success_minutes}"
            " minutes ago).",
            "最近の更新プログラムは正常にインストールされています（最後の成功:"
            " {last_success_minutes} 分前）。",
        ),
        bad=t(
            "{failed} of the last updates failed; the newest: {title}, {hresult}, {minutes}"
            " minutes ago (last success {last_success_minutes} minutes ago).",
            "最近の更新プログラムのうち {failed} 件が失敗しています（最新: {title}、{hresult}、"
            "{minutes} 分前。最後の成功: {last_success_minutes} 分前）。",
        ),
        advice=Advice(
            t(
                "Look the code up; CBS.log and the Setup event log say what happened when the"
                " update was installed.",
                "コードの意味を調べてください。インストール時の詳細は、CBS.log とイベントログ"
                "（Setup）に記録されています。",
            ),
            {
                "windows": (
                    _SETUP_EVENTS,
                    _CBS_ERRORS,
                ),
            },
        ),
    ),
    "rollback": Words(
        ok=t(
            "No sign that an installed update was undone at restart.",
            "再起動時に更新プログラムが元に戻された形跡はありません。",
        ),
        bad=t(
            "Windows undid an update at restart {minutes} minutes ago: {package}, {hresult}"
            " ({signs}).",
            "{minutes} 分前の再起動時に、更新プログラムが元に戻されました（{package}、{hresult}、"
            "形跡: {signs}）。",
        ),
    ),
    "powershell": Words(
        ok=t(
            "PowerShell {version} can run the patch module (language mode: {language_mode}).",
            "PowerShell {version} でパッチモジュールを実行できます（言語モード:"
            " {language_mode}）。",
        ),
        bad=t(
            "PowerShell cannot run the patch module: {error} (version {version}, .NET {dotnet};"
            " 3.0 and 4.5 are needed).",
            "PowerShell でパッチモジュールを実行できません（{error}、バージョン {version}、.NET"
            " {dotnet}。3.0 以降と 4.5 以降が必要です）。",
        ),
        special={
            "constrained": Special(
                t(
                    "PowerShell runs in {language_mode} mode, in which the patch module cannot"
                    " work.",
                    "PowerShell の言語モードが {language_mode} のため、パッチモジュールが動作しま"
                    "せん。",
                ),
                Advice(
                    t(
                        "AppLocker or App Control (WDAC) restricts PowerShell: allow the folder of"
                        " the agent and the module in its policy, and remove the environment"
                        " variable __PSLockdownPolicy where it is set.",
                        "AppLocker または App Control（WDAC）により PowerShell が制限されていま"
                        "す。ポリシーでエージェントとモジュールのフォルダーを許可し、環境変数"
                        " __PSLockdownPolicy が設定されている場合は削除してください。",
                    ),
                    {
                        "windows": (
                            "$ExecutionContext.SessionState.LanguageMode",
                            "[Environment]::GetEnvironmentVariable('__PSLockdownPolicy',"
                            " 'Machine')",
                            "Get-WinEvent -LogName 'Microsoft-Windows-AppLocker/MSI and Script'"
                            " -MaxEvents 20 | Format-List TimeCreated, Message",
                        ),
                    },
                ),
            ),
            "policy": Special(
                t(
                    "A group policy sets PowerShell's execution policy so that the patch module is"
                    " refused: {execution_policy}.",
                    "グループポリシーの実行ポリシーにより、パッチモジュールが拒否されます:"
                    " {execution_policy}",
                ),
                Advice(
                    t(
                        "Allow signed scripts in the group policy (Computer Configuration >"
                        " Administrative Templates > Windows Components > Windows PowerShell >"
                        " Turn on Script Execution).",
                        "グループポリシーで署名付きスクリプトの実行を許可してください"
                        "（コンピューターの構成 > 管理用テンプレート > Windows コンポーネント >"
                        " Windows PowerShell > スクリプトの実行を有効にする）。",
                    ),
                    {
                        "windows": (
                            "Get-ExecutionPolicy -List",
                            "gpresult /scope computer /r",
                        ),
                    },
                ),
            ),
        },
    ),
    "sysprep": Words(
        ok=t(
            "The preparation of the Windows image has ended ({image_state}).",
            "Windows イメージの準備は完了しています（{image_state}）。",
        ),
        bad=t(
            "The preparation of the Windows image has not ended: {image_state}. The agent does not"
            " start by itself in this state.",
            "Windows イメージの準備（Sysprep）が完了していません（{image_state}）。この状態では"
            "エージェントが自動的に起動しません。",
        ),
        advice=Advice(
            t(
                "Let the set-up of Windows finish, or launch a new instance from an image that"
                " EC2Launch prepared. The log of Sysprep says where it stopped.",
                "Windows のセットアップを完了させるか、EC2Launch で準備したイメージから新しい"
                "インスタンスを起動してください。停止した箇所は Sysprep のログで確認できます。",
            ),
            {
                "windows": (
                    r"Get-ItemProperty HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State",
                    r"Get-Content C:\Windows\System32\Sysprep\Panther\setuperr.log -Tail 30",
                ),
            },
        ),
    ),
    "installer": Words(
        ok=t("No other installation is at work.", "ほかのインストールは実行されていません。"),
        bad=t(
            "Another installation has been at work for {minutes} minutes: {process}.",
            "別のインストールが {minutes} 分前から実行中です: {process}",
        ),
    ),
}

ADVICE: Mapping[str, Advice] = {
    "component-store-corrupt": Advice(
        t(
            "Repair the component store, in PowerShell as administrator; each step may take half"
            " an hour. Where DISM finds no source, give it an installation medium of the same"
            " version with /Source. What cannot be repaired needs a new instance or an in-place"
            " upgrade.",
            "管理者の PowerShell でコンポーネントストアを修復してください。各手順に 30 分ほどかか"
            "ることがあります。DISM がソースを見つけられない場合は、同じバージョンの"
            "インストールメディアを /Source で指定します。修復できない場合は、インスタンスの作り直"
            "しまたはインプレースアップグレードが必要です。",
        ),
        {
            "windows": (
                "Dism.exe /Online /Cleanup-Image /ScanHealth",
                "Dism.exe /Online /Cleanup-Image /RestoreHealth",
                "sfc /scannow",
            ),
        },
    ),
    "update-rolled-back": Advice(
        t(
            "Read in CBS.log what failed during the restart. With 0x800f0922 the System Reserved"
            " or EFI partition is usually too small. Repair the component store, then install the"
            " update again.",
            "再起動中に何が失敗したかを CBS.log で確認してください。0x800f0922 の場合、多くは"
            "システム予約パーティションまたは EFI パーティションの容量不足です。"
            "コンポーネントストアを修復してから、更新プログラムを再度インストールします。",
        ),
        {
            "windows": (
                r"Select-String -Path C:\Windows\Logs\CBS\CBS.log -Pattern 'Startup:"
                " Failed|rollback|HRESULT = 0x8' | Select-Object -Last 30",
                _SETUP_EVENTS,
                "Dism.exe /Online /Cleanup-Image /RestoreHealth",
            ),
        },
    ),
    "powershell-broken": Advice(
        t(
            "Install Windows Management Framework 5.1 and .NET Framework 4.5 or later, and restart"
            " the node.",
            "Windows Management Framework 5.1 と .NET Framework 4.5 以降をインストールし、ノードを"
            "再起動してください。",
        ),
        {
            "windows": (
                "$PSVersionTable; Get-ExecutionPolicy -List;"
                " $ExecutionContext.SessionState.LanguageMode",
                r"Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full' |"
                " Select-Object Release, Version",
            ),
        },
    ),
    "installer-busy": Advice(
        t(
            "Let the other installation finish, then patch again; move jobs that install at the"
            " same time apart.",
            "実行中のインストールが終わるのを待ってから、パッチ適用を再実行してください。同じ時刻"
            "に動くジョブは時間をずらします。",
        ),
        {
            "windows": (
                "Get-Process msiexec, TiWorker, TrustedInstaller, wusa, setup -ErrorAction"
                " SilentlyContinue | Format-Table Name, Id, StartTime",
                "Get-WinEvent -FilterHashtable @{LogName='Application';"
                " ProviderName='MsiInstaller'} -MaxEvents 10 | Format-List TimeCreated, Message",
            ),
        },
    ),
}
