"""``patchmedic policy``: what it says of each rule, its exit codes, the closing of a breaker."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result
from tests.fakes import FakeFleet, FakeNode, FakeNodes, MemoryStore, SimClock

from patchmedic.cli import policy as cli_policy
from patchmedic.cli.main import cli
from patchmedic.cli.words import POLICY_RULES, POLICY_WORDS
from patchmedic.model import LANGUAGES, NodeRef
from patchmedic.policy import RULES
from patchmedic.ports import FleetSize
from patchmedic.settings import read_settings

NODE = "i-0a1b2c3d4e5f60001"
SETTINGS = {
    "PREFIX": "patchmedic",
    "TABLE_NAME": "table",
    "MODE": "auto",
    "RISK_CEILING": "low",
    "OPT_IN_TAG_KEY": "PatchMedic",
    "OPT_IN_TAG_VALUE": "true",
}
OPERATOR = "arn:aws:iam::123456789012:user/op"


class Account:
    """A deployed stack, as the command sees it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        clock = SimClock()
        self.environ = dict(SETTINGS)
        self.store = MemoryStore()
        self.store.save_fleet_size(FleetSize(1000, clock.now()))
        fleet = FakeFleet(clock, lambda event: None, lambda document: None)  # type: ignore[arg-type,return-value]
        self.node = FakeNode(NODE, tags={"PatchMedic": "true"})
        fleet.add(self.node)
        self.nodes = FakeNodes(fleet)
        patch.setattr(cli_policy, "deployed_settings", lambda stack: read_settings(self.environ))
        patch.setattr(cli_policy, "open_store", lambda stack, table: self.store)
        patch.setattr(cli_policy, "ManagedNodes", lambda clients, switch: self.nodes)
        patch.setattr(cli_policy, "who_asks", lambda: ("123456789012", "ap-northeast-1", OPERATOR))
        patch.setattr(cli_policy, "now", clock.now)

    def explain(self, remedy: str, *options: str) -> Result:
        return run("explain", NODE, remedy, *options)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["policy", *arguments], catch_exceptions=False)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_says_of_every_rule_what_it_answers(account: Account, lang: str) -> None:
    result = account.explain("free-disk-space", "--lang", lang)
    assert result.exit_code == 0, result.output
    for rule in RULES:
        assert POLICY_RULES[rule][lang] in result.stdout
    assert f"may run on {NODE} now" in result.stdout or lang == "ja"
    yes = POLICY_WORDS["yes"][lang]
    assert result.stdout.count(f"\n  {yes} ") == len(RULES)


def test_json_has_every_rule_in_order_with_its_reason(account: Account) -> None:
    told = json.loads(account.explain("free-disk-space", "--json").stdout)
    assert (told["node"], told["remedy"], told["allowed"]) == (NODE, "free-disk-space", True)
    assert [rule["rule"] for rule in told["rules"]] == list(RULES)
    assert all(rule["reason"] for rule in told["rules"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_refusal_ends_with_1_and_names_the_rule_and_the_reason(
    account: Account, lang: str
) -> None:
    del account.node.tags["PatchMedic"]
    result = account.explain("free-disk-space", "--lang", lang)
    assert result.exit_code == 1
    assert POLICY_WORDS["refused"][lang].format(
        remedy="free-disk-space", node=NODE, rule="opt-in"
    ) in (result.stdout)
    assert "does not carry the tag PatchMedic=true" in result.stdout


def test_it_reads_the_settings_of_the_deployed_stack(account: Account) -> None:
    account.environ["MODE"] = "recommend"
    result = account.explain("free-disk-space", "--lang", "en")
    assert (result.exit_code, "mode is now recommend" in result.stdout) == (1, True)


def test_what_the_operator_may_not_read_counts_as_a_no(account: Account) -> None:
    account.nodes.kill_switch_value = None
    result = account.explain("free-disk-space", "--lang", "en")
    assert (result.exit_code, "could not be read: stopped" in result.stdout) == (1, True)


def test_an_approval_is_tried_on_without_giving_one(account: Account) -> None:
    risky = "reset-windows-update"
    assert account.explain(risky, "--lang", "en").exit_code == 1
    result = account.explain(risky, "--approved", "--lang", "en")
    assert f"approved by {OPERATOR}" in result.stdout


def test_attempts_are_those_at_the_remedys_most_treated_cause(account: Account) -> None:
    node = NodeRef("123456789012", "ap-northeast-1", NODE)
    at = account.nodes._fleet.clock.now()
    for number in range(2):
        account.store.record_attempt(node, "disk-full", f"e-{number}", at, at)
    assert account.explain("free-disk-space").exit_code == 1
    assert account.explain("free-disk-space", "--cause", "out-of-memory").exit_code == 0


def test_an_unknown_remedy_and_a_wrong_node_are_told_apart(account: Account) -> None:
    unknown = account.explain("make-coffee")
    assert (unknown.exit_code, "free-disk-space" in unknown.stderr) == (3, True)
    assert run("explain", "my-server", "free-disk-space").exit_code == 2


def test_a_remedy_that_this_stack_does_not_offer_is_none(account: Account) -> None:
    result = account.explain("attach-instance-profile")
    assert result.exit_code == 3, "its parameter is not set"


# --- breakers ------------------------------------------------------------------------------------


def stop(account: Account) -> None:
    breaker = account.store.breaker("free-disk-space")
    at = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    assert account.store.save_breaker(replace(breaker, failures=3, opened_at=at))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_stopped_is_listed_and_can_be_closed_once(account: Account, lang: str) -> None:
    assert POLICY_WORDS["no-breakers"][lang] in run("breakers", "--lang", lang).stdout
    stop(account)
    listed = run("breakers", "--lang", lang).stdout
    assert "free-disk-space" in listed
    assert "2026-11-22 03:00 UTC" in listed
    closed = run("close-breaker", "free-disk-space", "--lang", lang)
    assert (closed.exit_code, OPERATOR in closed.stdout) == (0, True)
    assert account.store.breaker("free-disk-space").opened_at is None
    assert account.store.breaker("free-disk-space").closed_by == OPERATOR
    assert run("close-breaker", "free-disk-space", "--lang", lang).exit_code == 3


def test_a_breaker_that_moves_meanwhile_is_left_alone(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(account)
    monkeypatch.setattr(account.store, "save_breaker", lambda after: False)
    assert run("close-breaker", "free-disk-space").exit_code == 1


def test_every_rule_and_word_is_there_in_each_language() -> None:
    assert set(POLICY_RULES) == set(RULES)
    for text in (*POLICY_RULES.values(), *POLICY_WORDS.values()):
        assert set(text) == set(LANGUAGES)
