"""What the checks say about the system: disk, memory, mounts, limits, clock, restarts.

Data only; the shapes and the rules for it are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words.shapes import Advice, Special, Words, t

_RESTART = Advice(
    t(
        "Restart the node in its next maintenance window, then run a patch Scan.",
        "次のメンテナンスウィンドウでノードを再起動し、その後にパッチのスキャンを実行して"
        "ください。",
    ),
    {
        "linux": ("sudo shutdown -r now",),
        "macos": ("sudo shutdown -r now",),
        "windows": ("Restart-Computer",),
        "": (
            "aws ssm send-command --document-name AWS-RunPatchBaseline --instance-ids"
            " NODE_ID --parameters Operation=Scan,RebootOption=NoReboot",
        ),
    },
)

WORDS: Mapping[str, Words] = {
    "disk-space": Words(
        ok=t(
            "There is room where patching writes; the tightest place is {path} with {free_mb} MB"
            " free ({need_mb} MB needed).",
            "パッチ適用で使用する領域には十分な空きがあります。最も余裕が少ない {path} の空きは"
            " {free_mb} MB です（必要量 {need_mb} MB）。",
        ),
        bad=t(
            "{path} has {free_mb} MB free and patching needs {need_mb} MB (free inodes:"
            " {free_inodes}).",
            "{path} の空き容量は {free_mb} MB しかなく、パッチ適用に必要な {need_mb} MB に足りませ"
            "ん（空き inode: {free_inodes}）。",
        ),
    ),
    "memory": Words(
        ok=t(
            "There is enough memory: {free_mb} MB free, and {swap_free_mb} MB of swap ({need_mb}"
            " MB needed).",
            "メモリは足りています（空き {free_mb} MB、スワップの空き {swap_free_mb} MB、必要量"
            " {need_mb} MB）。",
        ),
        bad=t(
            "Only {free_mb} MB of memory and {swap_free_mb} MB of swap are free; a patch run needs"
            " {need_mb} MB.",
            "メモリの空きが {free_mb} MB、スワップの空きが {swap_free_mb} MB しかなく、パッチ処理"
            "に必要な {need_mb} MB に足りません。",
        ),
        special={
            "killed": Special(
                t(
                    "The kernel killed {killed} for lack of memory {killed_minutes} minutes ago"
                    " (free now: {free_mb} MB, and {swap_free_mb} MB of swap).",
                    "{killed_minutes} 分前に、メモリ不足のためカーネルが {killed} を強制終了しまし"
                    "た（現在の空き: {free_mb} MB、スワップの空き: {swap_free_mb} MB）。",
                ),
            ),
        },
    ),
    "filesystems": Words(
        ok=t(
            "No file system where patching writes is read-only or reports errors.",
            "パッチ適用で書き込むファイルシステムに、読み取り専用のものやエラーの出ているものはあ"
            "りません。",
        ),
        bad=t(
            "The kernel reports errors on {device}, which holds {path}: {error} (all: {all}).",
            "{path} のデバイス {device} について、カーネルがエラーを報告しています（{error}、該当"
            "箇所: {all}）。",
        ),
        special={
            "read-only": Special(
                t(
                    "{path} ({device}) is mounted read-only, so patching cannot write there (all:"
                    " {all}).",
                    "{path}（{device}）が読み取り専用でマウントされているため、パッチ適用で書き込"
                    "めません（該当箇所: {all}）。",
                ),
            ),
        },
    ),
    "exec-mounts": Words(
        ok=t(
            "Programs may run where the agent and the patch scripts lie.",
            "エージェントとパッチ用スクリプトの場所では、プログラムを実行できます。",
        ),
        bad=t(
            "{path} is mounted with noexec ({options}), so the patch scripts there cannot run.",
            "{path} が noexec でマウントされているため（{options}）、そこに置かれるパッチ用"
            "スクリプトを実行できません。",
        ),
    ),
    "selinux": Words(
        ok=t(
            "SELinux (mode: {mode}) has refused nothing of a patch run in the last 24 hours.",
            "過去 24 時間に、SELinux（モード: {mode}）がパッチ処理の操作を拒否した記録はありませ"
            "ん。",
        ),
        bad=t(
            "SELinux (mode: {mode}) refused {denials} accesses of programs that patching uses in"
            " the last 24 hours; the last one: {last}.",
            "過去 24 時間に、SELinux（モード: {mode}）がパッチ処理で使用するプログラムの操作を"
            " {denials} 件拒否しました（最新: {last}）。",
        ),
        advice=Advice(
            t(
                "Restore the labels of the agent's folders and patch again. If SELinux still"
                " refuses the accesses, read them and allow just those with a policy module of"
                " your own. Do not switch SELinux off.",
                "エージェントのフォルダーのラベルを復元し、パッチ適用を再実行してください。それで"
                "も拒否される場合は、内容を確認したうえで、必要な操作だけを独自の"
                "ポリシーモジュールで許可します。SELinux は無効化しないでください。",
            ),
            {
                "linux": (
                    "sudo ausearch -m avc -ts recent",
                    "sudo restorecon -Rv /var/lib/amazon /var/log/amazon",
                    "sudo ausearch -m avc -ts recent | audit2allow -w",
                ),
            },
        ),
    ),
    "os-limits": Words(
        ok=t(
            "The system's limits leave room (nearest: {limit}, {used} of {max}).",
            "OS の上限には余裕があります（最も余裕が少ないもの: {limit}、{max} のうち {used} を使"
            "用）。",
        ),
        bad=t(
            "A limit of the system is used up: {limit}, {used} of {max}.",
            "OS の上限に達しています（{limit}: 上限 {max} に対して {used} を使用）。",
        ),
    ),
    "clock": Words(
        ok=t(
            "The clock is right to {offset_seconds} s.",
            "時刻は正確です（ずれ: {offset_seconds} 秒）。",
        ),
        bad=t(
            "The clock is off by {offset_seconds} s against {source}; AWS refuses signatures from"
            " five minutes on.",
            "時刻が {source} に対して {offset_seconds} 秒ずれています。5 分以上ずれると AWS は署名"
            "を拒否します。",
        ),
    ),
    "reboot-pending": Words(
        ok=t("No restart is pending.", "再起動待ちではありません。"),
        bad=t("A restart is pending: {reasons}.", "再起動待ちの状態です（{reasons}）。"),
        special={
            "missed": Special(
                t(
                    "A patch run asked for a restart more than an hour ago, and it did not take"
                    " place ({missed}; pending: {reasons}).",
                    "パッチ処理が再起動を要求してから 1 時間以上経過していますが、再起動されて"
                    "いません（{missed}、再起動待ちの要因: {reasons}）。",
                ),
            ),
        },
        advice=_RESTART,
    ),
}

ADVICE: Mapping[str, Advice] = {
    "reboot-failed": _RESTART,
    "disk-full": Advice(
        t(
            "Free space in package caches and old logs, or enlarge the volume; then run the patch"
            " operation again.",
            "パッケージキャッシュや古いログを削除するか、ボリュームを拡張してから、パッチ適用を再"
            "実行してください。",
        ),
        {
            "linux": (
                "df -h / /var /boot /tmp && df -i / /var",
                "sudo du -xh --max-depth=2 /var | sort -h | tail -n 20",
                "sudo journalctl --vacuum-size=100M",
            ),
            "macos": (
                "df -h /",
                "sudo du -xhd 2 /var | sort -h | tail -n 20",
            ),
            "windows": ("Get-PSDrive -PSProvider FileSystem",),
        },
    ),
    "out-of-memory": Advice(
        t(
            "Give the node more memory: swap on a small instance, or a larger instance type with"
            " the instance stopped (console: EC2 > Instances > Actions > Instance settings >"
            " Change instance type). Or patch when the application needs less.",
            "ノードのメモリを増やしてください。小さなインスタンスではスワップを追加するか、"
            "インスタンスを停止してからインスタンスタイプを変更します（コンソール: EC2 > "
            "インスタンス > アクション > インスタンスの設定 > インスタンスタイプを変更）。"
            "アプリケーションの負荷が低い時間帯にパッチを適用する方法もあります。",
        ),
        {
            "linux": (
                "free -m",
                "sudo journalctl -k --since -24h | grep -iE 'out of memory|oom-kill|killed"
                " process' | tail",
                "sudo dd if=/dev/zero of=/swapfile bs=1M count=2048 && sudo chmod 600 /swapfile &&"
                " sudo mkswap /swapfile && sudo swapon /swapfile",
                "echo '/swapfile none swap sw 0 0' | sudo tee -a /etc/fstab",
            ),
            "macos": (
                "vm_stat",
                "sysctl vm.swapusage",
            ),
            "windows": (
                "Get-CimInstance Win32_OperatingSystem | Select-Object FreePhysicalMemory,"
                " FreeVirtualMemory",
                "Get-Process | Sort-Object WS -Descending | Select-Object -First 10 Name, Id, WS",
            ),
        },
    ),
    "filesystem-error": Advice(
        t(
            "Take a snapshot of the volume first (console: EC2 > Volumes > Actions > Create"
            " snapshot). Find out why the kernel stopped writing, then repair the file system"
            " unmounted, from another instance that the volume is attached to.",
            "まずボリュームのスナップショットを作成してください（コンソール: EC2 > ボリューム > "
            "アクション > スナップショットの作成）。書き込めなくなった理由を確認したうえで、"
            "ボリュームを別のインスタンスにアタッチし、マウントしない状態でファイルシステムを修復"
            "します。",
        ),
        {
            "linux": (
                "findmnt -o TARGET,SOURCE,FSTYPE,OPTIONS",
                "sudo dmesg -T | grep -iE 'i/o error|ext4-fs|xfs|btrfs|read-only|nvme' | tail -n"
                " 20",
            ),
            "macos": (
                "mount",
                "diskutil verifyVolume /",
            ),
            "": (
                "aws ec2 describe-volumes --filters Name=attachment.instance-id,Values=NODE_ID"
                " --query 'Volumes[].[VolumeId,State,Attachments[0].Device]' --output table",
                "aws ec2 create-snapshot --volume-id <VOLUME_ID>",
            ),
        },
    ),
    "execution-blocked": Advice(
        t(
            "Mount the file system without noexec, now and in /etc/fstab; or give the agent's"
            " folder a file system of its own that allows execution. Then run the patch operation"
            " again.",
            "ファイルシステムを noexec なしで再マウントし、/etc/fstab も修正してください。"
            "エージェントのフォルダーだけを、実行を許可した別のファイルシステムに置く方法もありま"
            "す。その後、パッチ適用を再実行してください。",
        ),
        {
            "linux": (
                "findmnt -T /var/lib/amazon/ssm -o TARGET,SOURCE,OPTIONS",
                "grep -n noexec /etc/fstab",
                'sudo mount -o remount,exec "$(findmnt -n -o TARGET -T /var/lib/amazon/ssm)"',
            ),
            "macos": ("mount | grep noexec",),
            "windows": (
                "Get-WinEvent -LogName 'Microsoft-Windows-AppLocker/MSI and Script' -MaxEvents 20"
                " | Format-List TimeCreated, Message",
            ),
        },
    ),
    "os-limit-exhausted": Advice(
        t(
            "Find the program that holds so many files, watches or processes and restart it; raise"
            " the limit where the number is right for what the node does.",
            "ファイル、監視、プロセスを大量に使用しているプログラムを特定して再起動してください。"
            "ノードの用途として妥当な数であれば、上限を引き上げます。",
        ),
        {
            "linux": (
                "cat /proc/sys/fs/file-nr && cat /proc/sys/kernel/pid_max && ps -eLf | wc -l",
                "sudo lsof -n 2>/dev/null | awk '{print $1, $2}' | sort | uniq -c | sort -rn |"
                " head",
                "sysctl fs.file-max fs.inotify.max_user_watches fs.inotify.max_user_instances"
                " kernel.pid_max kernel.threads-max",
                "echo 'fs.inotify.max_user_watches=524288' | sudo tee"
                " /etc/sysctl.d/90-inotify.conf && sudo sysctl --system",
            ),
        },
    ),
    "clock-skew": Advice(
        t(
            "Set the clock by the Amazon Time Sync Service (169.254.169.123).",
            "Amazon Time Sync Service（169.254.169.123）で時刻を同期してください。",
        ),
        {
            "linux": ("chronyc sources && sudo chronyc makestep",),
            "macos": ("sudo sntp -sS 169.254.169.123",),
            "windows": (
                "w32tm /query /status",
                "w32tm /resync /force",
            ),
        },
    ),
}
