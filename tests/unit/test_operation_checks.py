"""The checks about the patch operation: parameters, baselines, rate control, the console.

The rules on made-up snapshots, then their look-ups against clients made from botocore's models.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.incident_samples import classified, opened
from tests.unit.test_lookups import World, denied

from patchmedic.checks.aws import AWS_CHECKS, needs_of, run_aws_checks
from patchmedic.checks.aws.baseline import NAMED_MAX, named_in, operating_system
from patchmedic.checks.aws.console import SIGNS, last_boot, read_console
from patchmedic.checks.aws.snapshot import (
    Baseline,
    BaselineLook,
    BaselineNamed,
    Console,
    FailedNode,
    Gap,
    HookDocument,
    Instance,
    ManagedNode,
    NodeCommand,
    NodeSnapshot,
    PatchReport,
    StatusChecks,
    Told,
    WholeCommand,
)
from patchmedic.lookups import AwsSide, Lookups
from patchmedic.lookups_patching import (
    CONSOLE_CHARACTERS_MAX,
    FAILED_PAGE,
    attachments_of,
    storable_console,
    told_of,
)
from patchmedic.model import LANGUAGES, Finding, NodeRef, Verdict
from patchmedic.ports import ATTACHMENT_BYTES_MAX

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REGION = "ap-northeast-1"
NODE = NodeRef("123456789012", REGION, "i-0a1b2c3d4e5f60001")
YES, NO, MAYBE = Verdict.CONFIRMS, Verdict.REFUTES, Verdict.NEUTRAL
RUN = "6f1c2a3b-0000-4000-8000-000000000001"
BASELINE, HOOKS = "AWS-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks"
INSTALL = {"Operation": ("Install",), "RebootOption": ("RebootIfNeeded",)}
POLICY = {"BaselineOverride": ("s3://aws-quicksetup-patchpolicy-1-abcde/baseline_overrides.json",)}
PB = "pb-0123456789abcdef0"
MINE = ("command-parameters", "patch-baseline", "compliance-sources", "rate-control",
        "boot-console", "recent-commands")  # fmt: skip


def command(number: int = 1, minutes: float = 20, **changes: Any) -> NodeCommand:
    made = NodeCommand(
        command_id=RUN[:-1] + str(number),
        document=BASELINE,
        status="Failed",
        status_details="Failed",
        requested=NOW - timedelta(minutes=minutes),
    )
    return replace(made, **changes)


def snapshot(document: str = BASELINE, **changes: Any) -> NodeSnapshot:
    """A node that answers, and a failed run of a patch document on it."""
    made = NodeSnapshot(
        NODE,
        instance=Instance(
            NODE.node_id, "running", launch_time=NOW - timedelta(hours=2), platform="linux", tags={}
        ),
        status=StatusChecks("ok", "ok"),
        managed=ManagedNode(
            "Online", NOW - timedelta(minutes=1), "3.3.1345.0", "linux", "Amazon Linux", "2023"
        ),
        managed_read=True,
        commands=(command(document=document),),
        command_id=RUN,
        parameters=INSTALL,
        told=Told(document=document, incident_id="pm-0123456789abcdef"),
    )
    return replace(made, **changes)


def dark(made: NodeSnapshot) -> NodeSnapshot:
    assert made.managed is not None
    lost = replace(
        made.managed, ping_status="ConnectionLost", last_ping=NOW - timedelta(minutes=18)
    )
    return replace(made, managed=lost)


def look(check: str, made: NodeSnapshot) -> tuple[Finding, ...]:
    return run_aws_checks([check], made, NOW)


def verdicts(check: str, made: NodeSnapshot) -> set[tuple[str | None, Verdict]]:
    return {(f.cause, f.verdict) for f in look(check, made)}


# ------------------------------------------------------------------- command-parameters

LIST = "s3://our-lists/packages.yaml"
PARAMETERS: list[tuple[str, Mapping[str, tuple[str, ...]], str, Verdict]] = [
    (BASELINE, {}, "", MAYBE),
    (BASELINE, {"SnapshotId": ("",)}, "", MAYBE),
    (BASELINE, {"SnapshotId": ("12345699-9405-4F69-bc5e-9315a0000000",)}, "", MAYBE),
    (BASELINE, {"SnapshotId": ("{{WINDOW_EXECUTION_ID}}",)}, "SnapshotId", YES),
    (BASELINE, {"SnapshotId": ("12345699-9405-4f69-bc5e-9315a0000000x",)}, "SnapshotId", YES),
    (BASELINE, {"InstallOverrideList": (LIST,)}, "", MAYBE),
    (BASELINE, {"InstallOverrideList": ("https://s3.amazonaws.com/b/k",)}, "", MAYBE),
    (BASELINE, {"InstallOverrideList": ("s3://our-lists",)}, "InstallOverrideList", YES),
    (BASELINE, {"BaselineOverride": ("/tmp/list.json",)}, "BaselineOverride", YES),
    (BASELINE, {"InstallOverrideList": (LIST,), **POLICY}, "BaselineOverride", YES),
    (BASELINE, {"InstallOverrideList": ("",), **POLICY}, "", MAYBE),
    (HOOKS, {"InstallOverrideList": (LIST,)}, "InstallOverrideList", YES),
    (HOOKS, {"InstallOverrideList": ("",)}, "", MAYBE),
    (BASELINE, {"Operation": ("install",)}, "Operation", YES),
    (BASELINE, {"RebootOption": ("Reboot",)}, "RebootOption", YES),
    ("AWS-RunShellScript", {"SnapshotId": ("x",)}, "", MAYBE),
]


@pytest.mark.parametrize(("document", "changes", "resource", "verdict"), PARAMETERS)
def test_parameters_that_cannot_work(
    document: str, changes: Mapping[str, tuple[str, ...]], resource: str, verdict: Verdict
) -> None:
    made = snapshot(document, parameters={**INSTALL, **changes})
    (found,) = look("command-parameters", made)
    assert (found.cause, found.verdict) == ("parameters-invalid", verdict)
    assert found.resource == (resource or NODE.node_id)


def test_a_document_given_as_an_arn_is_the_same_document() -> None:
    arn = f"arn:aws:ssm:{REGION}::document/{HOOKS}"
    made = snapshot(arn, parameters={**INSTALL, "InstallOverrideList": (LIST,)})
    assert verdicts("command-parameters", made) == {("parameters-invalid", YES)}


def hooked(name: str, document: HookDocument | None = None, **changes: Any) -> NodeSnapshot:
    parameters = {**INSTALL, "PreInstallHookDocName": (name,)}
    looked = () if document is None else (document,)
    return snapshot(HOOKS, **{"parameters": parameters, "hook_documents": looked, **changes})


def hook(name: str, exists: bool | None, **changes: Any) -> HookDocument:
    made = HookDocument("PreInstallHookDocName", name, exists, "Active", "Command", ("Linux",))
    return replace(made, **changes)


SHARED = f"arn:aws:ssm:{REGION}:210987654321:document/Stop"
HOOKED: list[tuple[str, NodeSnapshot, str, Verdict]] = [
    ("there", hooked("Stop", hook("Stop", True)), "parameters-invalid", MAYBE),
    ("no such document", hooked("Stop", hook("Stop", False)), "parameters-invalid", YES),
    ("not shared", hooked(SHARED, hook(SHARED, False)), "parameters-invalid", YES),
    ("unread", hooked("Stop", hook("Stop", None)), "parameters-invalid", MAYBE),
    ("not looked up", hooked("Stop"), "parameters-invalid", MAYBE),
    ("printed wrong", hooked(SHARED.replace("arn:aws", "aws:arn")), "parameters-invalid", YES),
    ("no name", hooked("stop; reboot"), "parameters-invalid", YES),
    ("no hook", hooked("AWS-Noop"), "parameters-invalid", MAYBE),
    ("for a Scan", hooked("Stop", hook("Stop", False), parameters={
        "Operation": ("Scan",), "PreInstallHookDocName": ("Stop",)}), "parameters-invalid", MAYBE),
    ("wrong kind", hooked("Stop", hook("Stop", True, kind="Automation")), "hook-failed", MAYBE),
    ("wrong system", hooked("Stop", hook("Stop", True, platforms=("Windows",))),
     "hook-failed", MAYBE),
    ("being deleted", hooked("Stop", hook("Stop", True, status="Deleting")), "hook-failed", MAYBE),
]  # fmt: skip


@pytest.mark.parametrize(("why", "made", "cause", "verdict"), HOOKED, ids=[h[0] for h in HOOKED])
def test_the_documents_that_a_run_names_as_hooks(
    why: str, made: NodeSnapshot, cause: str, verdict: Verdict
) -> None:
    assert verdicts("command-parameters", made) == {(cause, verdict)}


def test_our_own_denial_says_nothing_about_the_run() -> None:
    gap = Gap("ssm:DescribeDocument", "AccessDeniedException", "not authorized")
    (found,) = look("command-parameters", hooked("Stop", hook("Stop", None), gaps=(gap,)))
    assert found.verdict is MAYBE
    assert "ssm:DescribeDocument answered AccessDeniedException" in found.says["en"]
    assert found.facts["call"] == "ssm:DescribeDocument"


@pytest.mark.parametrize(
    ("version", "old"),
    [("3.0.501.9", True), ("3.0.502.0", False), ("3.0.1000", False), ("2.9", True), ("?", False)],
)
def test_hooks_need_an_agent_that_is_new_enough(version: str, old: bool) -> None:
    managed = ManagedNode("Online", NOW, version, "linux")
    made = hooked("Stop", hook("Stop", True), managed=managed)
    assert (("agent-outdated", YES) in verdicts("command-parameters", made)) is old
    without = snapshot(BASELINE, managed=managed)
    assert verdicts("command-parameters", without) == {("parameters-invalid", MAYBE)}


# ------------------------------------------------------------------- patch-baseline


def based(look: BaselineLook | None, **changes: Any) -> NodeSnapshot:
    return snapshot(**{"baseline": look, **changes})


def there(**changes: Any) -> BaselineLook:
    made = BaselineLook({}, "AMAZON_LINUX_2023", Baseline(PB, True, "ours"))
    return replace(made, **changes)


GONE = Baseline("pb-0fedcba9876543210", False)
SAID = Told(BASELINE, (BaselineNamed(GONE.baseline_id, True),))
NOT_SAID = Told(BASELINE, (BaselineNamed(GONE.baseline_id, False),))
BASED: list[tuple[str, NodeSnapshot, set[Verdict]]] = [
    ("there", based(there()), {NO}),
    ("nothing read", based(None), {MAYBE}),
    ("unknown system", based(there(operating_system=None)), {MAYBE}),
    ("unread", based(there(chosen=Baseline(PB, None))), {MAYBE}),
    ("none chosen", based(there(chosen=None)), {MAYBE}),
    ("chosen but gone", based(there(chosen=GONE)), {YES}),
    ("the output says it is gone", based(there(named=(GONE,)), told=SAID), {YES, MAYBE}),
    ("gone since", based(there(named=(GONE,)), told=NOT_SAID), {MAYBE}),
    ("named and unread", based(there(named=(replace(GONE, exists=None),)), told=SAID), {MAYBE}),
    ("named and there", based(there(named=(Baseline(PB, True),))), {NO}),
    ("two groups", based(there(groups={"PatchGroup": "a", "Patch Group": "b"}, chosen=None)),
     {MAYBE}),
    ("own list", based(there(), parameters={**INSTALL, "BaselineOverride": (LIST,)}), {MAYBE}),
    ("association", based(there(), told=Told("AWS-RunPatchBaselineAssociation")), {MAYBE}),
    ("patch policy", based(there(chosen=GONE, named=(GONE,)), told=SAID,
                           parameters={**INSTALL, **POLICY}), {MAYBE}),
]  # fmt: skip


@pytest.mark.parametrize(("why", "made", "expected"), BASED, ids=[b[0] for b in BASED])
def test_the_baseline_of_the_node(why: str, made: NodeSnapshot, expected: set[Verdict]) -> None:
    assert verdicts("patch-baseline", made) == {("baseline-missing", v) for v in expected}


def test_random_ids_of_a_patch_policy_are_said_to_be_normal() -> None:
    made = based(there(named=(GONE,)), told=SAID, parameters={**INSTALL, **POLICY})
    (found,) = look("patch-baseline", made)
    assert GONE.baseline_id in found.says["en"]
    assert "normal" in found.says["en"]
    assert "Deleting a custom baseline" in found.says["en"]


def test_another_runs_patch_policy_does_not_count() -> None:
    """Only the failed run's own parameters say where its baselines came from."""
    other = command(2, 400, parameters=POLICY)
    made = based(there(named=(GONE,)), told=SAID, commands=(other, command()))
    assert ("baseline-missing", YES) in verdicts("patch-baseline", made)


@pytest.mark.parametrize(
    ("name", "version", "system"),
    [
        ("Amazon Linux", "2023", "AMAZON_LINUX_2023"),
        ("Amazon Linux", "2", "AMAZON_LINUX_2"),
        ("Amazon Linux 2", None, "AMAZON_LINUX_2"),
        ("Amazon Linux 2023", "2023", "AMAZON_LINUX_2023"),
        ("Amazon Linux AMI", "2018.03", "AMAZON_LINUX"),
        ("Amazon Linux", None, None),
        ("Microsoft Windows Server 2022 Datacenter", "10.0.20348", "WINDOWS"),
        ("Red Hat Enterprise Linux", "8.9", "REDHAT_ENTERPRISE_LINUX"),
        ("Oracle Linux Server", "8.9", "ORACLE_LINUX"),
        ("SLES", "15.5", "SUSE"),
        ("CentOS Linux", "7", "CENTOS"),
        ("Ubuntu", "22.04", "UBUNTU"),
        ("Plan 9", "4", None),
        (None, None, None),
    ],
)
def test_how_patch_manager_names_systems(
    name: str | None, version: str | None, system: str | None
) -> None:
    managed = ManagedNode("Online", os_name=name, os_version=version)
    assert operating_system(managed) == system
    assert operating_system(None) is None


def test_baselines_are_found_in_the_output_with_what_it_says_of_them() -> None:
    output = f"using {PB}\nDoesNotExistException: {GONE.baseline_id} does not exist\n{PB} again"
    assert named_in((output, "")) == (
        BaselineNamed(GONE.baseline_id, True),
        BaselineNamed(PB, False),
    )
    assert named_in((f"Package nginx not found for {PB}",)) == (BaselineNamed(PB, False),)
    assert named_in((f"/var/{PB}/list.json does not exist",)) == (BaselineNamed(PB, False),)
    assert named_in((f"ベースライン '{PB}' は存在しません",)) == (BaselineNamed(PB, True),)
    many = "\n".join(f"pb-{n:017x}" for n in range(20))
    assert len(named_in((many,))) == NAMED_MAX
    assert named_in(("pb-012345 xpb-0123456789abcdef0y",)) == ()


@given(st.lists(st.one_of(st.text(max_size=80), st.just(PB), st.just("does not exist"))))
def test_any_output_is_read_for_baselines(parts: list[str]) -> None:
    found = named_in((" ".join(parts), "\n".join(parts)))
    assert len(found) <= NAMED_MAX
    assert (PB in {b.baseline_id for b in found}) >= (parts == [PB])


# ------------------------------------------------------------------- compliance-sources


def test_scan_methods_that_overwrite_each_other_are_told_and_prove_nothing() -> None:
    runs = (command(1, 20), command(2, 300, parameters=POLICY, status_details="Success"))
    report = PatchReport(PB, "Scan", NOW - timedelta(minutes=19))
    (found,) = look("compliance-sources", snapshot(commands=runs, patch_report=report))
    assert (found.verdict, found.cause) == (MAYBE, "benign")
    assert "2 scan methods" in found.says["en"]
    assert found.facts["baseline"] == PB


@pytest.mark.parametrize(
    "other",
    [
        command(2, 300),
        command(2, 300, document="AWS-RunPatchBaselineAssociation", parameters=POLICY),
        command(2, 300, document="AWS-RunShellScript"),
        command(2, 300, status_details="Terminated", parameters=POLICY),
    ],
    ids=["same method", "association", "no patch run", "never ran"],
)
def test_one_scan_method_is_none_too_many(other: NodeCommand) -> None:
    (found,) = look("compliance-sources", snapshot(commands=(command(), other)))
    assert "at most one scan method" in found.says["en"]


# ------------------------------------------------------------------- rate-control


def ended(details: str, **changes: Any) -> NodeSnapshot:
    return snapshot(commands=(command(status="Cancelled", status_details=details),), **changes)


def test_a_node_that_was_never_tried_is_told_who_failed_first() -> None:
    failed = tuple(FailedNode(f"i-{n}", "Failed", NOW - timedelta(minutes=n)) for n in (9, 5, 2, 1))
    whole = WholeCommand(RUN, "1", "10%", 40, 4, failed)
    (found,) = look("rate-control", ended("Terminated", whole_command=whole))
    assert (found.cause, found.verdict) == ("command-cancelled", YES)
    assert "never tried" in found.says["en"]
    assert "Failed first: i-9, i-5, i-2." in found.says["en"]
    assert "MaxErrors 1" in found.says["en"]
    (paged,) = look("rate-control", ended("Terminated", whole_command=replace(whole, more=True)))
    assert "first" not in paged.says["en"], "half a list does not say who was first"


@pytest.mark.parametrize(
    ("details", "verdict"),
    [
        ("Terminated", YES),
        ("Cancelled", MAYBE),
        ("Failed", MAYBE),
        ("Delivery Timed Out", MAYBE),
        ("Execution Timed Out", MAYBE),
    ],
)
def test_only_terminated_means_that_others_failed(details: str, verdict: Verdict) -> None:
    assert verdicts("rate-control", ended(details)) == {("command-cancelled", verdict)}


def test_rate_control_needs_the_failed_run() -> None:
    for made in (
        snapshot(commands=None),
        snapshot(commands=()),
        ended("Terminated", command_id=""),
    ):
        assert verdicts("rate-control", made) == {("command-cancelled", MAYBE)}


# ------------------------------------------------------------------- recent-commands


@pytest.mark.parametrize(
    ("failed", "other", "verdict"),
    [
        # The failed run had ended before the other began.
        (command(1, 20, finished=NOW - timedelta(minutes=19.5)), command(2, 19), MAYBE),
        (command(1, 19), command(2, 20, finished=NOW - timedelta(minutes=19.5)), YES),
        # Rate control made the second wait, or brought the two together.
        (command(1, 20), command(2, 20, started=NOW - timedelta(minutes=5)), MAYBE),
        (command(1, 20), command(2, 60, started=NOW - timedelta(minutes=21)), YES),
        # Shown as running for longer than a step may take: its agent is lost, more likely.
        (command(1, 20), command(2, 139, status_details="InProgress"), YES),
        (command(1, 20), command(2, 141, status_details="InProgress"), MAYBE),
    ],
)
def test_a_run_is_disturbed_only_by_what_ran_beside_it(
    failed: NodeCommand, other: NodeCommand, verdict: Verdict
) -> None:
    made = snapshot(commands=(failed, other))
    assert verdicts("recent-commands", made) == {("concurrent-run", verdict)}


# ------------------------------------------------------------------- boot-console

BOOT = "[    0.000000] Linux version 6.1.0-1-amd64\n"
PANIC = "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
UP = "[    9.0] systemd[1]: Reached target Multi-User System.\nweb-1 login: "
READY = "Windows is Ready to use\n"
UNDO = "Undoing changes made to your computer\n"


def shows(console: str | None, **changes: Any) -> NodeSnapshot:
    shown = Console("ping-lost", console, NOW - timedelta(minutes=1), b"\xff\xd8\xff")
    return dark(snapshot(console=replace(shown, **changes)))


CONSOLES: list[tuple[str, NodeSnapshot, str | None, Verdict]] = [
    ("panic", shows(BOOT + PANIC), "instance-impaired", YES),
    ("emergency", shows(BOOT + "You are in emergency mode. After logging in"),
     "instance-impaired", YES),
    ("grub", shows("error: no such partition.\ngrub rescue> "), "instance-impaired", YES),
    ("came up", shows(BOOT + UP), "instance-impaired", MAYBE),
    ("came up after it", shows(BOOT + PANIC + BOOT + UP), "instance-impaired", MAYBE),
    ("an earlier boot's", shows(BOOT + PANIC + BOOT + "[ 1.0] pci\n"), "instance-impaired", MAYBE),
    ("got out of it", shows(BOOT + "You are in emergency mode.\n" + UP),
     "instance-impaired", MAYBE),
    ("older than the start", shows(BOOT + PANIC, updated=NOW - timedelta(hours=3)),
     "instance-impaired", MAYBE),
    ("no time", shows(BOOT + PANIC, updated=None), "instance-impaired", MAYBE),
    ("unread", shows(None), "instance-impaired", MAYBE),
    ("a prompt and more", shows(BOOT + PANIC + "web-1 login: [ 61.0] pci 0000:00:1f.0"),
     "instance-impaired", MAYBE),
    ("no prompt", shows(BOOT + PANIC + "Last login: Mon"), "instance-impaired", YES),
    ("empty", shows(""), "instance-impaired", MAYBE),
    ("rolled back", shows(UNDO + READY), "update-rolled-back", YES),
    ("nothing new", shows(READY), "instance-impaired", MAYBE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "made", "cause", "verdict"), CONSOLES, ids=[c[0] for c in CONSOLES]
)
def test_what_a_console_proves(
    why: str, made: NodeSnapshot, cause: str | None, verdict: Verdict
) -> None:
    assert verdicts("boot-console", made) == {(cause, verdict)}


def test_a_node_that_answers_has_come_up_whatever_its_console_says() -> None:
    made = snapshot(console=Console("evidence", BOOT + PANIC, NOW, b"\xff\xd8\xff"))
    assert verdicts("boot-console", made) == {("instance-impaired", MAYBE)}
    impaired = replace(dark(made), status=StatusChecks("impaired", "ok"), commands=())
    assert verdicts("boot-console", impaired) == {("instance-impaired", YES)}
    answers = replace(made, status=StatusChecks("impaired", "ok"))
    assert verdicts("boot-console", answers) == {("instance-impaired", MAYBE)}
    healthy = replace(dark(made), commands=())
    assert verdicts("boot-console", healthy) == {("instance-impaired", MAYBE)}


def test_the_finding_says_what_was_kept_and_how_to_fetch_it() -> None:
    (found,) = look("boot-console", shows(BOOT + PANIC))
    for language in LANGUAGES:
        assert "patchmedic attachments pm-0123456789abcdef --save ." in found.says[language]
        assert "console.txt, console.jpg" in found.says[language]
    left_out = look("boot-console", shows("text", screenshot=None, left_out="not a JPEG image"))
    assert "console.jpg" not in left_out[0].says["en"]
    assert "not a JPEG image" in left_out[1].says["en"]
    gap = Gap("ec2:GetConsoleScreenshot", "UnauthorizedOperation", "no")
    made = replace(shows("text", screenshot=None), gaps=(gap,))
    assert "ec2:GetConsoleScreenshot answered Unauth" in look("boot-console", made)[1].says["en"]


def test_only_the_newest_boot_is_read() -> None:
    assert last_boot(BOOT + "a\n" + BOOT + "b") == [BOOT.strip(), "b"]
    assert last_boot("a\nb") == ["a", "b"]


@given(st.text(max_size=400), st.sampled_from([s.phrase for s in SIGNS]), st.text(max_size=60))
def test_any_console_is_read(before: str, phrase: str, after: str) -> None:
    shown = read_console(f"{before}\n{phrase}{after}")
    assert shown is None or len(shown.line) <= 200
    read_console(before)


def test_the_stored_console_has_no_secrets_and_no_control_characters() -> None:
    raw = (
        "\x1b[0;32mok\x1b[0m\r\nkey AKIAABCDEFGHIJKLMNOP\x07\x00 password=hunter2\r"
        "<Username>Administrator</Username><Password>\nU2VjcmV0\n</Password>\u202e"
    )
    kept = storable_console(raw)
    assert kept.startswith("ok\nkey [masked] password=[masked]\n")
    for secret in ("AKIA", "hunter2", "U2VjcmV0", "\x1b", "\x07", "\x00", "\r", "\u202e"):
        assert secret not in kept
    # The cut goes through a key: what is left of it is not told.
    edge = "x" * 30 + "AKIAABCDEFGHIJKLMNOP" + "y" * (CONSOLE_CHARACTERS_MAX - 10)
    assert "KLMNOP" not in storable_console(edge.replace("OPy", "OP y"))


@given(st.text(max_size=3000))
def test_any_console_is_made_fit_to_be_kept(raw: str) -> None:
    kept = storable_console(raw)
    assert len(kept) <= CONSOLE_CHARACTERS_MAX
    assert all(c in "\n\t" or c.isprintable() for c in kept)


# ------------------------------------------------------------------- all of them

SITUATIONS = [
    snapshot(),
    NodeSnapshot(NODE),
    NodeSnapshot(replace(NODE, node_id="mi-0a1b2c3d4e5f60001")),
    *(snapshot(d, parameters={**INSTALL, **p}) for d, p, _, _ in PARAMETERS),
    *(h[1] for h in HOOKED),
    *(b[1] for b in BASED),
    *(c[1] for c in CONSOLES),
    ended("Terminated"),
    ended("Cancelled"),
    snapshot(commands=(command(1), command(2, 21, parameters=POLICY))),
]


@pytest.mark.parametrize("made", SITUATIONS)
def test_every_finding_can_be_read_and_acted_on(made: NodeSnapshot) -> None:
    for found in run_aws_checks(MINE, made, NOW):
        for language in LANGUAGES:
            assert found.says[language].endswith((".", "。"))
            assert "None" not in found.says[language]
        assert re.search(r"[ぁ-んァ-ン]", found.says["ja"])
        if found.verdict is YES:
            assert found.cause in AWS_CHECKS[found.check].causes
            assert found.fix["en"].endswith(".")
            assert found.fix["ja"].endswith("。")
            assert "onsole" in found.fix["en"], "the way through the console is told"
            assert found.commands
        for line in found.commands:
            assert line.startswith("aws ")
            assert f"--region {REGION}" in line


@given(
    st.sampled_from([BASELINE, HOOKS]),
    st.dictionaries(
        st.sampled_from(["Operation", "SnapshotId", "InstallOverrideList", "BaselineOverride",
                         "PreInstallHookDocName", "OnExitHookDocName"]),
        st.tuples(st.one_of(st.text(max_size=300), st.from_regex(r"[\w$;`'\"|&:/.-]{0,40}"))),
        min_size=1,
    ),
)  # fmt: skip
def test_no_parameter_gets_into_a_command_as_more_than_a_name(
    document: str, given_parameters: dict[str, tuple[str, ...]]
) -> None:
    made = snapshot(document, parameters=given_parameters, hook_documents=())
    for found in look("command-parameters", made):
        for line in found.commands:
            assert not set(line) & set(';`$|&\n"<>') or "--query" in line
            assert shlex.split(line)
        assert all(len(value) <= 300 for value in found.facts.values())
        assert all("\n" not in found.says[language] for language in LANGUAGES)


# ------------------------------------------------------------------- the look-ups


def reading(world: World, check: str, made: NodeSnapshot | None = None) -> NodeSnapshot:
    made = made or snapshot(HOOKS)
    clients: dict[str, Any] = {}

    def factory(service: str) -> Any:
        if service not in clients:
            clients[service] = world.client(service)
        return clients[service]

    return Lookups(factory).snapshot(
        NODE,
        needs_of([check]),
        now=NOW,
        command_id=made.command_id,
        parameters=made.parameters,
        told=made.told,
    )


def described(**changes: Any) -> dict[str, Any]:
    document = {"Name": "Stop", "Status": "Active", "DocumentType": "Command"}
    return {"Document": {**document, "PlatformTypes": ["Linux"], **changes}}


def test_each_hook_is_asked_for_by_the_name_that_the_run_gives() -> None:
    world = World(**{"ssm:DescribeDocument": described()})
    parameters = {
        **INSTALL,
        "PreInstallHookDocName": (SHARED,),
        "PostInstallHookDocName": ("not a name",),
        "OnExitHookDocName": ("AWS-Noop",),
    }
    seen = reading(world, "command-parameters", snapshot(HOOKS, parameters=parameters))
    asked = [p["Name"] for n, p in world.calls if n == "ssm:DescribeDocument"]
    assert asked == [SHARED]
    assert seen.hook_documents == (hook(SHARED, True),)
    assert "ssm:ListCommandInvocations" not in world.names(), "nothing that was not needed"


@pytest.mark.parametrize(
    ("answer", "exists"),
    [
        (denied("InvalidDocument", "Document with name Stop does not exist.", 400), False),
        (denied("AccessDeniedException", "no", 400), None),
        (denied("ThrottlingException", "Rate exceeded", 400), None),
    ],
)
def test_only_invalid_document_means_that_there_is_none(
    answer: Exception, exists: bool | None
) -> None:
    made = snapshot(HOOKS, parameters={**INSTALL, "OnExitHookDocName": ("Stop",)})
    seen = reading(World(**{"ssm:DescribeDocument": answer}), "command-parameters", made)
    assert seen.hook_documents is not None
    assert [h.exists for h in seen.hook_documents] == [exists]
    assert bool(seen.gaps) is (exists is None)
    expected = YES if exists is False else MAYBE
    assert verdicts("command-parameters", seen) == {("parameters-invalid", expected)}


def tagged(**tags: str) -> dict[str, Any]:
    shown = [{"Key": key.replace("_", " "), "Value": value} for key, value in tags.items()]
    return {"Reservations": [{"Instances": [{
        "InstanceId": NODE.node_id, "State": {"Name": "running"}, "Tags": shown,
        "LaunchTime": NOW - timedelta(hours=2)}]}]}  # fmt: skip


def test_the_baseline_of_the_patch_group_is_looked_up() -> None:
    world = World(
        **{
            "ec2:DescribeInstances": tagged(Patch_Group="web"),
            "ssm:GetPatchBaselineForPatchGroup": {"BaselineId": PB, "PatchGroup": "web"},
            "ssm:GetPatchBaseline": {"BaselineId": PB, "Name": "ours"},
        }
    )
    seen = reading(world, "patch-baseline", snapshot())
    assert seen.baseline == BaselineLook(
        {"Patch Group": "web"}, "AMAZON_LINUX_2023", Baseline(PB, True, "ours")
    )
    asked = dict(world.calls)["ssm:GetPatchBaselineForPatchGroup"]
    assert asked == {"PatchGroup": "web", "OperatingSystem": "AMAZON_LINUX_2023"}
    assert verdicts("patch-baseline", seen) == {("baseline-missing", NO)}


def test_a_baseline_of_aws_itself_is_there_without_asking() -> None:
    arn = f"arn:aws:ssm:{REGION}:999999999999:patchbaseline/{PB}"
    world = World(**{"ssm:GetDefaultPatchBaseline": {"BaselineId": arn}})
    seen = reading(world, "patch-baseline", snapshot())
    assert seen.baseline is not None
    assert seen.baseline.chosen == Baseline(arn, True)
    assert "ssm:GetPatchBaseline" not in world.names()
    own = World(
        **{"ssm:GetDefaultPatchBaseline": {"BaselineId": arn.replace("9" * 12, NODE.account)}}
    )
    reading(own, "patch-baseline", snapshot())
    assert "ssm:GetPatchBaseline" in own.names()


def test_a_deleted_baseline_of_the_output_is_found_gone() -> None:
    def get(params: Mapping[str, Any]) -> Any:
        if params["BaselineId"] == GONE.baseline_id:
            raise denied("DoesNotExistException", "gone", 400)
        return {"BaselineId": PB}

    world = World(**{"ssm:GetPatchBaseline": get})
    seen = reading(world, "patch-baseline", snapshot(told=SAID))
    assert seen.baseline is not None
    assert seen.baseline.named == (GONE,)
    assert seen.baseline.chosen == Baseline(PB, True)
    assert ("baseline-missing", YES) in verdicts("patch-baseline", seen)


def test_a_patch_policys_random_ids_are_not_even_looked_up() -> None:
    world = World()
    seen = reading(world, "patch-baseline", snapshot(told=SAID, parameters={**INSTALL, **POLICY}))
    assert not [n for n in world.names() if "Baseline" in n]
    assert verdicts("patch-baseline", seen) == {("baseline-missing", MAYBE)}


def invocation(details: str, node: str = NODE.node_id, minutes: float = 20) -> dict[str, Any]:
    at = NOW - timedelta(minutes=minutes)
    return {
        "CommandId": RUN,
        "InstanceId": node,
        "DocumentName": BASELINE,
        "RequestedDateTime": at,
        "Status": "Cancelled",
        "StatusDetails": details,
        "CommandPlugins": [{"Name": "PatchLinux", "ResponseFinishDateTime": at}],
    }


def test_the_whole_command_is_read_only_for_a_node_that_was_never_tried() -> None:
    def invocations(params: Mapping[str, Any]) -> Any:
        if "InstanceId" in params:
            return {"CommandInvocations": [invocation("Terminated")]}
        assert params["MaxResults"] == FAILED_PAGE
        late, early = invocation("Failed", "i-late", 3), invocation("Failed", "i-early", 9)
        return {"CommandInvocations": [late, early], "NextToken": "more"}

    whole = {"CommandId": RUN, "MaxErrors": "1", "MaxConcurrency": "1", "ErrorCount": 2}
    world = World(
        **{
            "ssm:ListCommandInvocations": invocations,
            "ssm:ListCommands": {"Commands": [{**whole, "TargetCount": 9}]},
        }
    )
    seen = reading(world, "rate-control", snapshot())
    assert seen.whole_command is not None
    assert [f.node_id for f in seen.whole_command.failed or ()] == ["i-early", "i-late"]
    assert seen.whole_command.more
    assert world.names().count("ssm:ListCommandInvocations") == 2, "one page, whatever follows"
    assert verdicts("rate-control", seen) == {("command-cancelled", YES)}

    world = World(**{"ssm:ListCommandInvocations": {"CommandInvocations": [invocation("Failed")]}})
    assert reading(world, "rate-control", snapshot()).whole_command is None
    assert world.names() == ["ssm:ListCommandInvocations", "ssm:ListCommands"]


JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 100


def encoded(image: bytes) -> dict[str, Any]:
    return {"InstanceId": NODE.node_id, "ImageData": base64.b64encode(image).decode()}


def test_a_console_is_read_where_a_node_went_dark_after_a_patch_run() -> None:
    output = {"InstanceId": NODE.node_id, "Output": BOOT + PANIC, "Timestamp": NOW}
    answers = {"ec2:GetConsoleOutput": output, "ec2:GetConsoleScreenshot": encoded(JPEG)}
    world = World(**answers)
    seen = reading(world, "boot-console", snapshot())
    assert seen.console == Console("ping-lost", BOOT + PANIC, NOW, JPEG)
    assert dict(world.calls)["ec2:GetConsoleOutput"]["Latest"] is True
    assert "WakeUp" not in dict(world.calls)["ec2:GetConsoleScreenshot"], "it presses a key"
    assert verdicts("boot-console", seen) == {("instance-impaired", YES)}
    text, image = attachments_of(seen, NOW)
    assert (text.name, text.content) == ("console.txt", (BOOT + PANIC).encode())
    assert (image.name, image.content) == ("console.jpg", JPEG)


ONLINE = {
    "InstanceInformationList": [
        {"InstanceId": NODE.node_id, "PingStatus": "Online", "LastPingDateTime": NOW}
    ]
}


def test_a_console_is_left_alone_where_nothing_went_wrong() -> None:
    world = World(**{"ssm:DescribeInstanceInformation": ONLINE})
    seen = reading(world, "boot-console", snapshot())
    assert seen.console == Console("")
    assert not [n for n in world.names() if "Console" in n]
    assert attachments_of(seen, NOW) == ()
    suspected = snapshot(told=Told(BASELINE, boot_suspected=True))
    again = World(**{"ssm:DescribeInstanceInformation": ONLINE})
    seen = reading(again, "boot-console", suspected)
    assert seen.console is not None
    assert seen.console.why == "evidence"


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (encoded(b"GIF89a"), "not a JPEG image"),
        (encoded(JPEG + b"\x00" * ATTACHMENT_BYTES_MAX), "larger than 300 KB"),
        (encoded(b"\x00" * 3 * ATTACHMENT_BYTES_MAX), "larger than 300 KB"),
        ({"InstanceId": NODE.node_id, "ImageData": "***"}, "not base64"),
        (denied("UnauthorizedOperation"), ""),
    ],
)
def test_a_screenshot_that_cannot_be_kept_is_told(image: Any, why: str) -> None:
    seen = reading(World(**{"ec2:GetConsoleScreenshot": image}), "boot-console", snapshot())
    assert seen.console is not None
    assert (seen.console.screenshot, seen.console.left_out) == (None, why)
    assert [a.name for a in attachments_of(seen, NOW)] == ["console.txt"]
    assert len(look("boot-console", seen)) == 2


def test_a_type_without_the_latest_output_has_that_of_its_last_boot() -> None:
    def output(params: Mapping[str, Any]) -> Any:
        if params.get("Latest"):
            raise denied("UnsupportedOperation", "not on this type", 400)
        return {"InstanceId": NODE.node_id, "Output": "text", "Timestamp": NOW}

    seen = reading(World(**{"ec2:GetConsoleOutput": output}), "boot-console", snapshot())
    assert seen.console is not None
    assert seen.console.text == "text"
    assert seen.gaps == ()


@pytest.mark.parametrize("check", [c for c in MINE if c != "command-parameters"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "UnauthorizedOperation", "Throttling"])
def test_a_missing_permission_is_a_finding(check: str, code: str) -> None:
    calls = set(World().answers)
    seen = reading(World(**dict.fromkeys(calls, denied(code, status=400))), check, snapshot())
    found = look(check, seen)
    assert found
    assert {f.verdict for f in found} == {MAYBE}
    assert any(code in f.says["en"] for f in found)


# ------------------------------------------------------------------- the port


def test_what_an_incident_knows_reaches_the_checks() -> None:
    incident = opened("reboot-failed")
    evidence = replace(
        incident.evidence, document=HOOKS, stderr=f"{GONE.baseline_id} does not exist"
    )
    told = told_of(replace(incident, evidence=evidence))
    assert told == Told(HOOKS, (BaselineNamed(GONE.baseline_id, True),), True, incident.id)
    harmless = replace(incident, classification=classified("disk-full"))
    assert not told_of(harmless).boot_suspected


def test_the_port_hands_back_what_is_to_be_kept() -> None:
    world = World()

    class OneWorld:
        def get(self, service: str, region: str | None = None, **_: Any) -> Any:
            return world.client(service)

    incident = opened("reboot-failed")
    seen = AwsSide(OneWorld()).run(NODE, ["boot-console", "disk-space"], incident, NOW)  # type: ignore[arg-type]
    assert {f.check for f in seen.findings} == {"boot-console"}
    assert [a.name for a in seen.attachments] == ["console.txt", "console.jpg"]
    nothing = AwsSide(OneWorld()).run(NODE, ["disk-space"], incident, NOW)  # type: ignore[arg-type]
    assert (nothing.findings, nothing.attachments) == ((), ())
