"""What the instance's console shows of a boot that went wrong.

Here: ``boot-console``, and which lines of a console prove what.  Not here: reading and masking the
console (``patchmedic.lookups_patching``), and keeping it with the incident (``stages.diagnose``).

A line proves something only when it belongs to the newest boot in the text, nothing after it shows
a system that came up, and AWS sees the node in trouble now.  A screenshot is for people alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from patchmedic.checks.aws.agent import ping_is_fresh
from patchmedic.checks.aws.commands import is_patch_run, ran
from patchmedic.checks.aws.findings import confirms, neutral, not_ec2, not_read, text
from patchmedic.checks.aws.snapshot import Console, NodeSnapshot
from patchmedic.model import Finding, Text

CHECK = "boot-console"
IMPAIRED = "instance-impaired"
ROLLED_BACK = "update-rolled-back"
OUTPUT = "ec2:GetConsoleOutput"
SCREENSHOT = "ec2:GetConsoleScreenshot"
CONSOLE_NAME = "console.txt"
SCREENSHOT_NAME = "console.jpg"
_LINE_MAX = 200


@dataclass(frozen=True, slots=True)
class Sign:
    """A phrase of a console, in lower case, and what it says."""

    phrase: str
    cause: str
    says: Text


def _impaired(phrase: str, en: str, ja: str) -> Sign:
    return Sign(phrase, IMPAIRED, text(en, ja))


_SHELL = ("stopped in an emergency shell", "緊急シェルで停止しています")
_NO_ROOT = ("cannot mount its root file system", "ルートファイルシステムをマウントできません")
SIGNS = (
    _impaired("unable to mount root fs", *_NO_ROOT),
    _impaired(
        "kernel panic - not syncing",
        "stopped with a kernel panic",
        "カーネルパニックで停止しています",
    ),
    _impaired("you are in emergency mode", *_SHELL),
    _impaired("give root password for maintenance", *_SHELL),
    _impaired("press enter for maintenance", *_SHELL),
    _impaired("cannot open access to console, the root account is locked", *_SHELL),
    _impaired("entering emergency mode. exit the shell to continue", *_SHELL),
    _impaired("dracut:/#", *_SHELL),
    _impaired("dropping to a shell!", *_SHELL),
    _impaired(
        "grub rescue>",
        "stopped in the boot loader's rescue prompt",
        "ブートローダーのレスキュープロンプトで停止しています",
    ),
    Sign(
        "undoing changes made to your computer",
        ROLLED_BACK,
        text(
            "undid its Windows updates while it started",
            "起動時に Windows の更新プログラムを元に戻しています",
        ),
    ),
)
_BOOT_BEGINS = ("] linux version ", "booting linux on physical cpu")
_CAME_UP = (
    "reached target multi-user system",
    "reached target graphical interface",
    "windows is ready to use",
)
_LOGIN = re.compile(r"(?:^|\s)(?!last )[\w.-]{1,64} login:(?: |$)")
"""A prompt; a kernel message may follow it on its line.  "Last login:" is no prompt."""
_LOGIN_WITHIN = 400


@dataclass(frozen=True, slots=True)
class Shown:
    """The decisive line of the newest boot."""

    sign: Sign
    line: str


def last_boot(console: str) -> list[str]:
    """The lines of the newest boot that the text holds; all of them when none begins in it."""
    lines = console.splitlines()
    for number in range(len(lines) - 1, -1, -1):
        lowered = lines[number].lower()
        if lowered.startswith("linux version ") or any(b in lowered for b in _BOOT_BEGINS):
            return lines[number:]
    return lines


def read_console(console: str) -> Shown | None:
    """The last sign of trouble after which nothing came up, if there is one."""
    shown: Shown | None = None
    for line in last_boot(console):
        lowered = line.lower()
        sign = next((s for s in SIGNS if s.phrase in lowered), None)
        if sign is not None:
            shown = Shown(sign, line.strip()[:_LINE_MAX])
        elif any(up in lowered for up in _CAME_UP) or _LOGIN.search(lowered[:_LOGIN_WITHIN]):
            # Windows is ready after a rollback too: that sign stays.
            shown = shown if shown is not None and shown.sign.cause == ROLLED_BACK else None
    return shown


def trouble(snapshot: NodeSnapshot) -> str:
    """What AWS itself sees wrong with a running instance; empty when nothing is certain."""
    if snapshot.instance is None or snapshot.instance.state != "running":
        return ""
    status = snapshot.status
    if status is not None and "impaired" in (status.instance, status.system, status.attached_ebs):
        return "status-check"
    lost = snapshot.managed is not None and snapshot.managed.ping_status == "ConnectionLost"
    if lost and any(is_patch_run(c) and ran(c) for c in snapshot.commands or ()):
        return "ping-lost"
    return ""


def why_look(snapshot: NodeSnapshot) -> str:
    """Why the console is worth two calls; empty: nothing says that a boot went wrong."""
    found = trouble(snapshot)
    running = snapshot.instance is not None and snapshot.instance.state == "running"
    return found or ("evidence" if running and snapshot.told.boot_suspected else "")


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """What was kept, and what its text proves."""
    if snapshot.is_hybrid:
        return (not_ec2(CHECK, snapshot),)
    console = snapshot.console
    if console is None:
        what = text("The instance's console", "インスタンスのコンソール")
        return (not_read(CHECK, IMPAIRED, snapshot, what, OUTPUT, "ec2:DescribeInstances"),)
    if not console.why:
        return (_not_looked(snapshot),)
    return (_text(snapshot, console, now), *_screenshot(snapshot, console))


def _not_looked(snapshot: NodeSnapshot) -> Finding:
    node = snapshot.node.node_id
    says = text(
        f"Nothing says that {node} did not come up after its last boot (or it does not run), so "
        "its console was left alone.",
        f"{node} の起動に問題があった様子がないか、稼働していないため、"
        "コンソールは取得していません。",
    )
    return neutral(CHECK, None, node, says)


def _text(snapshot: NodeSnapshot, console: Console, now: datetime) -> Finding:
    if console.text is None:
        what = text("The console's text", "コンソール出力")
        return not_read(CHECK, IMPAIRED, snapshot, what, OUTPUT)
    shown = read_console(console.text)
    if shown is None:
        return _no_sign(snapshot, console)
    if _is_proof(snapshot, console, shown, now):
        return _proved(snapshot, console, shown)
    return _doubtful(snapshot, console, shown)


def _is_proof(snapshot: NodeSnapshot, console: Console, shown: Shown, now: datetime) -> bool:
    """The text is of this run of the instance, and the node is in trouble by AWS's own word."""
    instance = snapshot.instance
    if instance is None or console.updated is None or instance.launch_time is None:
        return False
    if console.updated < instance.launch_time:
        return False
    if shown.sign.cause == ROLLED_BACK:
        return True
    return bool(trouble(snapshot)) and not ping_is_fresh(snapshot.managed, now)


def _proved(snapshot: NodeSnapshot, console: Console, shown: Shown) -> Finding:
    node = snapshot.node.node_id
    says = text(
        f'The console of {node} shows that it {shown.sign.says["en"]}: "{_quoted(shown.line)}". '
        f"{_kept(snapshot, console)['en']}",
        f"{node} のコンソールによると、{shown.sign.says['ja']}: 「{_quoted(shown.line)}」。"
        f"{_kept(snapshot, console)['ja']}",
    )
    rolled_back = shown.sign.cause == ROLLED_BACK
    return confirms(
        CHECK,
        shown.sign.cause,
        node,
        says,
        fix=_rollback_fix() if rolled_back else _boot_fix(),
        commands=_commands(snapshot),
        facts=_facts(console, shown),
    )


def _boot_fix() -> Text:
    return text(
        "Repair the boot: over the EC2 serial console (EC2 console: the instance, Connect, EC2 "
        "serial console), or by attaching its root volume to another instance; take a snapshot "
        "of the volume first. Where the new kernel is the reason, start the one before it.",
        "起動の問題を修復してください。EC2 シリアルコンソールで接続するか (EC2 コンソール: "
        "対象のインスタンス → [接続] → [EC2 シリアルコンソール])、"
        "ルートボリュームを別のインスタンスにアタッチして作業します。"
        "作業前にボリュームのスナップショットを取得してください。"
        "新しいカーネルが原因の場合は、以前のカーネルで起動してください。",
    )


def _rollback_fix() -> Text:
    return text(
        "Read C:\\Windows\\Logs\\CBS\\CBS.log for the package that failed, repair the component "
        "store, then install again (EC2 console: the instance, Actions, Monitor and "
        "troubleshoot).",
        "C:\\Windows\\Logs\\CBS\\CBS.log で失敗したパッケージを確認し、"
        "コンポーネントストアを修復してから、再度インストールしてください (EC2 コンソール: "
        "対象のインスタンス → [アクション] → [モニタリングとトラブルシューティング])。",
    )


def _doubtful(snapshot: NodeSnapshot, console: Console, shown: Shown) -> Finding:
    """The words are there, but they may be of an earlier boot, or the node is well again."""
    node = snapshot.node.node_id
    says = text(
        f'The console of {node} says "{_quoted(shown.line)}", but the node may have come up '
        f"since. {_kept(snapshot, console)['en']}",
        f"{node} のコンソールに「{_quoted(shown.line)}」と記録されていますが、"
        f"その後に起動している可能性があります。{_kept(snapshot, console)['ja']}",
    )
    return neutral(
        CHECK,
        shown.sign.cause,
        node,
        says,
        commands=_commands(snapshot),
        facts=_facts(console, shown),
    )


def _no_sign(snapshot: NodeSnapshot, console: Console) -> Finding:
    node = snapshot.node.node_id
    says = text(
        f"The console text of {node} names no failure to start that this check knows. "
        f"{_kept(snapshot, console)['en']}",
        f"{node} のコンソール出力に、既知の起動失敗を示す記録はありません。"
        f"{_kept(snapshot, console)['ja']}",
    )
    return neutral(
        CHECK, IMPAIRED, node, says, commands=_commands(snapshot), facts=_facts(console, None)
    )


def _screenshot(snapshot: NodeSnapshot, console: Console) -> tuple[Finding, ...]:
    """Said only when there is none: the text's finding speaks of both."""
    if console.screenshot is not None:
        return ()
    node = snapshot.node.node_id
    if not console.left_out:
        what = text("The console's screenshot", "コンソールのスクリーンショット")
        return (not_read(CHECK, None, snapshot, what, SCREENSHOT),)
    says = text(
        f"The console's screenshot of {node} was not kept: {console.left_out}.",
        f"{node} のコンソールのスクリーンショットは保存していません ({console.left_out})。",
    )
    return (neutral(CHECK, None, node, says, commands=_commands(snapshot)[1:]),)


def _kept(snapshot: NodeSnapshot, console: Console) -> Text:
    names = [CONSOLE_NAME] if console.text else []
    names += [SCREENSHOT_NAME] if console.screenshot is not None else []
    if not names:
        return text("There was nothing to keep.", "保存する内容はありませんでした。")
    listed = ", ".join(names)
    fetch = f"patchmedic attachments {snapshot.told.incident_id or '<INCIDENT_ID>'} --save ."
    return text(
        f"Kept with the incident: {listed}; '{fetch}' fetches what was kept.",
        f"{listed} をインシデントとともに保存しました (取得するコマンド: {fetch})。",
    )


def _commands(snapshot: NodeSnapshot) -> tuple[str, ...]:
    region, node = snapshot.node.region, snapshot.node.node_id
    return (
        f"aws ec2 get-console-output --region {region} --instance-id {node} --latest --output text",
        f"aws ec2 get-console-screenshot --region {region} --instance-id {node} "
        "--query ImageData --output text | base64 --decode > console.jpg",
    )


def _facts(console: Console, shown: Shown | None) -> dict[str, str]:
    facts = {"looked-because": console.why}
    if console.updated is not None:
        facts["updated"] = console.updated.isoformat()
    if shown is not None:
        facts["line"] = shown.line
    return facts


def _quoted(line: str) -> str:
    return line.replace('"', "'")[:120]
