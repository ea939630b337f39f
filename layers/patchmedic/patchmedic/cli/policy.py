"""``patchmedic policy``: may a remedy run on a node now, what is stopped, and letting it run again.

Here: the commands.  Not here: the rules (``policy``) and the reading of their facts
(``stages.facts``): both are what the remediate function uses.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from patchmedic.aws import Clients
from patchmedic.causes.catalogue import load_catalogue
from patchmedic.cli.account import deployed_settings, open_store, who_asks
from patchmedic.cli.cloud import STACK
from patchmedic.cli.common import EXIT_NOT_FOUND, LANGUAGE, fail
from patchmedic.cli.story import now
from patchmedic.cli.words import POLICY_RULES, POLICY_WORDS
from patchmedic.model import NodeRef, Remedy
from patchmedic.nodes import ManagedNodes
from patchmedic.notices.text import wrap
from patchmedic.notices.words import RULES as RULE_WORDS
from patchmedic.playbook import policy_of
from patchmedic.policy import Allowed, Ask, Breaker, Policy, Refused, breaker_closed, judge
from patchmedic.remedies import load_remedies
from patchmedic.stages.facts import read_facts

NO_EFFECT = "none"
"""Asks for nobody: every permit that is held is another's."""
_NODE = re.compile(r"m?i-[0-9a-f]{8,17}")
_STACK = click.option("--stack", default=STACK, show_default=True, help="Name of the stack.")
Answers = Sequence[tuple[str, Allowed | Refused]]


@click.group("policy")
def command() -> None:
    """Say what PatchMedic may do now, and why; let a stopped remedy run again.

    \b
    Examples:
      patchmedic policy explain i-0123456789abcdef0 free-disk-space
      patchmedic policy breakers
      patchmedic policy close-breaker free-disk-space
    """


@command.command("explain")
@click.argument("node")
@click.argument("remedy_id", metavar="REMEDY")
@click.option("--cause", help="Count attempts at this cause; default: the remedy's most treated.")
@click.option("--approved", is_flag=True, help="As if a person had approved it.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@_STACK
@LANGUAGE
def explain(
    node: str,
    remedy_id: str,
    cause: str | None,
    approved: bool,
    as_json: bool,
    stack: str,
    lang: str,
) -> None:
    """Would REMEDY run on NODE now?  Every rule with its answer.  Changes nothing.

    Reads what the remediate function reads right before it acts, with your AWS credentials, by the
    settings of the deployed stack.  What you may not read counts as unreadable, which means no.

    \b
    Examples:
      patchmedic policy explain i-0123456789abcdef0 free-disk-space
      patchmedic policy explain i-0123456789abcdef0 reboot-node --approved --lang ja

    Exit code 0 when it may run, 1 when a rule says no, 3 when there is no such remedy.
    """
    if not _NODE.fullmatch(node):
        raise click.BadParameter(f"{node!r} is no node: i-... or mi-...", param_hint="NODE")
    settings = deployed_settings(stack)
    policy = policy_of(settings, load_catalogue(), load_remedies())
    remedy = _remedy(policy, remedy_id)
    account, region, caller = who_asks()
    ask = Ask(
        remedy=remedy,
        starts=True,
        approved_by=caller if approved else None,
        effect_id=NO_EFFECT,
        now=now(),
        opt_in=(settings.opt_in_key, settings.opt_in_value),
    )
    nodes = ManagedNodes(Clients(), settings.kill_switch_parameter)
    store = open_store(stack, settings.table_name)
    causes = (cause,) if cause else remedy.causes
    facts = read_facts(store, nodes, policy, ask, NodeRef(account, region, node), causes)
    answers = judge(ask, facts, policy)
    refused = next((a for _, a in answers if isinstance(a, Refused)), None)
    if as_json:
        click.echo(json.dumps(_plain(node, remedy, answers), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(_lines(node, remedy, answers, refused, lang)))
    if refused is not None:
        sys.exit(1)


def _remedy(policy: Policy, remedy_id: str) -> Remedy:
    if not policy.offers(remedy_id):
        known = ", ".join(sorted(r for r in policy.remedies if policy.offers(r)))
        fail(f"this stack has no remedy {remedy_id!r}; it has {known}", EXIT_NOT_FOUND)
    return policy.remedies[remedy_id]


def _plain(node: str, remedy: Remedy, answers: Answers) -> Mapping[str, Any]:
    return {
        "node": node,
        "remedy": remedy.id,
        "allowed": all(isinstance(answer, Allowed) for _, answer in answers),
        "rules": [
            {
                "rule": name,
                "allowed": isinstance(answer, Allowed),
                "waits": isinstance(answer, Refused) and answer.retry,
                "refused_by": answer.rule if isinstance(answer, Refused) else None,
                "reason": answer.reason,
            }
            for name, answer in answers
        ],
    }


def _lines(
    node: str, remedy: Remedy, answers: Answers, refused: Refused | None, lang: str
) -> list[str]:
    lines = [f"{remedy.id}: {remedy.title[lang]}", ""]
    for name, answer in answers:
        mark = _said("yes" if isinstance(answer, Allowed) else "no", lang)
        lines.append(f"  {mark:<4} {POLICY_RULES[name][lang]}")
        lines += wrap(answer.reason, "en", "         ")
    if remedy.confirmed_by:
        checks = ", ".join(remedy.confirmed_by)
        lines += ["", *wrap(_said("confirmed-by", lang).format(checks=checks), lang)]
    lines.append("")
    if refused is None:
        return [*lines, _said("allowed", lang).format(node=node, remedy=remedy.id)]
    word = "waits" if refused.retry else "refused"
    lines.append(_said(word, lang).format(node=node, remedy=remedy.id, rule=refused.rule))
    words = RULE_WORDS.get(refused.rule)
    return [*lines, *(wrap(words.why[lang], lang) if words else ())]


def _said(word: str, lang: str) -> str:
    return POLICY_WORDS[word][lang]


@command.command("breakers")
@_STACK
@LANGUAGE
def breakers(stack: str, lang: str) -> None:
    """List the remedies whose last run did not help, and which of them are stopped.

    \b
    Example:
      patchmedic policy breakers --lang ja
    """
    found = [b for b in open_store(stack, None).breakers() if b.failures or b.opened_at]
    if not found:
        click.echo(_said("no-breakers", lang))
    for breaker in found:
        click.echo(_breaker_line(breaker, lang))


def _breaker_line(breaker: Breaker, lang: str) -> str:
    if breaker.opened_at is None:
        said = _said("failing", lang).format(failures=breaker.failures)
    else:
        since = _at(breaker.opened_at)
        said = _said("stopped", lang).format(failures=breaker.failures, since=since)
    return f"{breaker.remedy}  {said}"


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


@command.command("close-breaker")
@click.argument("remedy_id", metavar="REMEDY")
@_STACK
@LANGUAGE
def close_breaker(remedy_id: str, stack: str, lang: str) -> None:
    """Let a remedy run again that was stopped because it did not help.

    Your IAM identity is recorded.  Find out first why it did not help.

    \b
    Example:
      patchmedic policy close-breaker free-disk-space

    Exit code 3 when it is not stopped.
    """
    store = open_store(stack, None)
    breaker = store.breaker(remedy_id)
    if breaker.opened_at is None:
        fail(_said("not-stopped", lang).format(remedy=remedy_id), EXIT_NOT_FOUND)
    _, _, caller = who_asks()
    if not store.save_breaker(breaker_closed(breaker, caller)):
        fail(_said("moved", lang).format(remedy=remedy_id), 1)
    click.echo(_said("closed", lang).format(remedy=remedy_id, caller=caller))
