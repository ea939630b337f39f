"""What is it, after the look?  Findings against the text's ranking."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_samples import finding

from patchmedic.causes import schema
from patchmedic.causes.catalogue import load_catalogue
from patchmedic.chain import Link
from patchmedic.checks.aws import AWS_CHECKS as AWS_SIDE
from patchmedic.checks.node import CHECKS as NODE_SIDE
from patchmedic.model import Candidate, Classification, Finding, Verdict
from patchmedic.playbook import plans_of
from patchmedic.policy import Plan
from patchmedic.verdict import (
    NODE_NOT_SEEN,
    Diagnosis,
    Sorted,
    could_not_look,
    diagnose,
    fixes,
    node_not_seen,
    sort_out,
    weigh,
)

PLANS = {
    "disk-full": Plan(explains=("payload-corrupt",)),
    "payload-corrupt": Plan(),
    "package-manager-locked": Plan(transient=True),
    "s3-unreachable": Plan(),
}
YES, NO, MAYBE = Verdict.CONFIRMS, Verdict.REFUTES, Verdict.NEUTRAL


def diagnosed(text: dict[str, float], *found: tuple[str, Verdict]) -> Diagnosis:
    ranked = Classification(tuple(Candidate(c, p) for c, p in text.items()), "v1")
    findings = tuple(finding(cause, verdict) for cause, verdict in found)
    return diagnose(ranked, findings, PLANS, 0.8)


@pytest.mark.parametrize(
    ("text", "found", "cause", "basis"),
    [
        ({"disk-full": 0.9}, [("disk-full", YES)], "disk-full", "finding"),
        ({"s3-unreachable": 0.9}, [("disk-full", YES)], "disk-full", "finding"),
        ({}, [("disk-full", YES)], "disk-full", "finding"),
        ({"disk-full": 0.9}, [], "disk-full", "none"),
        ({"disk-full": 0.9}, [("disk-full", MAYBE)], "disk-full", "none"),
        ({"disk-full": 0.9, "s3-unreachable": 0.6}, [("disk-full", NO)], "s3-unreachable", "none"),
        ({"disk-full": 0.9}, [("disk-full", NO)], "unknown", "none"),
        ({}, [], "unknown", "none"),
        # A passing cause that the text names: that it is over now does not unsay it.
        ({"package-manager-locked": 0.9}, [("package-manager-locked", NO)],
         "package-manager-locked", "text"),
        ({"package-manager-locked": 0.9}, [], "package-manager-locked", "text"),
        ({"package-manager-locked": 0.7}, [("package-manager-locked", NO)], "unknown", "none"),
        ({"package-manager-locked": 0.7}, [], "package-manager-locked", "none"),
        ({"disk-full": 0.95, "package-manager-locked": 0.9},
         [("disk-full", NO), ("package-manager-locked", NO)], "unknown", "none"),
        ({"package-manager-locked": 0.9}, [("disk-full", YES)], "disk-full", "finding"),
        # Both are seen: the one that explains the other; else what the text ranks higher.
        ({"payload-corrupt": 0.9, "disk-full": 0.5},
         [("payload-corrupt", YES), ("disk-full", YES)], "disk-full", "finding"),
        ({"s3-unreachable": 0.9, "disk-full": 0.5},
         [("disk-full", YES), ("s3-unreachable", YES)], "s3-unreachable", "finding"),
        # Two checks contradict each other: what was seen once is there.
        ({"disk-full": 0.9}, [("disk-full", NO), ("disk-full", YES)], "disk-full", "finding"),
    ],
)  # fmt: skip
def test_what_is_believed_and_on_which_basis(
    text: dict[str, float], found: list[tuple[str, Verdict]], cause: str, basis: str
) -> None:
    made = diagnosed(text, *found)
    assert (made.cause, made.basis) == (cause, basis)
    assert made.confirmed is (basis != "none")


def test_what_was_ruled_out_is_told() -> None:
    made = diagnosed({"disk-full": 0.9}, ("disk-full", NO), ("s3-unreachable", NO))
    assert made.ruled_out == ("disk-full", "s3-unreachable")
    made = diagnosed({"s3-unreachable": 0.9}, ("disk-full", NO), ("s3-unreachable", NO))
    assert made.ruled_out == ("s3-unreachable", "disk-full"), "the likelier one first"
    made = diagnosed(
        {"payload-corrupt": 0.9}, ("another", NO), ("disk-full", NO), ("payload-corrupt", MAYBE)
    )
    assert made.ruled_out == ("disk-full", "another"), "then what would have explained it"


def test_a_finding_about_no_cause_changes_nothing() -> None:
    neutral = Finding("reboot-pending", MAYBE, None, "i-1", {"en": "x", "ja": "x"})
    ranked = Classification((Candidate("disk-full", 0.9),), "v1")
    assert diagnose(ranked, (neutral,), PLANS, 0.8) == Diagnosis("disk-full", "none", ())


# --- the chain -----------------------------------------------------------------------------------

NET = {
    "dns-failure": Plan(explains=("s3-unreachable", "payload-corrupt")),
    "s3-unreachable": Plan(explains=("payload-corrupt",), transient=True),
    "disk-full": Plan(
        explains=("package-db-corrupt", "package-install-failed", "state-file-corrupt")
    ),
    "package-db-corrupt": Plan(explains=("package-install-failed",)),
    "proxy-misconfigured": Plan(explains=("dns-failure", "s3-unreachable", "payload-corrupt")),
}
BLOCKED = finding("s3-unreachable", YES, "network-path", "rtb-2", obstacle="no-route")
TIMED_OUT = finding("s3-unreachable", YES, "s3-reach", "s3.amazonaws.com")


def chained(text: dict[str, float], *found: Finding) -> tuple[list[str], tuple[str, ...]]:
    ranked = Classification(tuple(Candidate(c, p) for c, p in text.items()), "v1")
    made = diagnose(ranked, found, NET, 0.8)
    return [link.name for link in made.chain], made.also


@pytest.mark.parametrize(
    ("text", "found", "chain", "also"),
    [
        # From the symptom to the route table; the node's own look confirms the same and adds none.
        ({"s3-unreachable": 0.9}, [BLOCKED], "s3-unreachable no-route rtb-2", ""),
        ({"s3-unreachable": 0.9}, [TIMED_OUT, BLOCKED], "s3-unreachable no-route rtb-2", ""),
        ({"s3-unreachable": 0.9}, [TIMED_OUT], "s3-unreachable s3.amazonaws.com", ""),
        ({"payload-corrupt": 0.9}, [BLOCKED],
         "payload-corrupt s3-unreachable no-route rtb-2", ""),
        # What lies between is on the way only if it was confirmed.
        ({"package-install-failed": 0.9}, [finding("disk-full", YES, resource="/var")],
         "package-install-failed disk-full /var", ""),
        ({"package-install-failed": 0.9},
         [finding("disk-full", YES, resource="/var"), finding("package-db-corrupt", YES, "rpm-db")],
         "package-install-failed package-db-corrupt disk-full /var", ""),
        ({}, [finding("disk-full", YES), finding("package-db-corrupt", YES, "rpm-db")],
         "package-db-corrupt disk-full", ""),
        ({"payload-corrupt": 0.9},
         [finding("proxy-misconfigured", YES, "proxies"), TIMED_OUT,
          finding("dns-failure", YES, "dns")],
         "payload-corrupt s3-unreachable dns-failure proxy-misconfigured", ""),
        ({"state-file-corrupt": 0.9},
         [finding("disk-full", YES), finding("package-db-corrupt", YES, "rpm-db")],
         "state-file-corrupt disk-full", "package-db-corrupt"),
        # A model that one of two looks on the node bears out keeps its word.
        ({"s3-unreachable": 0.9}, [finding("s3-unreachable", NO, "tls"), TIMED_OUT, BLOCKED],
         "s3-unreachable no-route rtb-2", ""),
        # Where the text names the root itself, what it ranks next may be a misreading.
        ({"dns-failure": 0.9, "s3-unreachable": 0.4}, [finding("dns-failure", YES, "dns", "s3.x")],
         "dns-failure s3.x", ""),
        ({"dns-failure": 0.9, "payload-corrupt": 0.4},
         [finding("dns-failure", YES, "dns"), TIMED_OUT], "s3-unreachable dns-failure", ""),
        # Of two that name a thing, the set-up's is what a person would change.
        ({}, [finding("s3-access-denied", YES, "s3-endpoint-policy", "vpce-1"),
              finding("s3-access-denied", YES, "s3-reach", "s3.x")], "s3-access-denied vpce-1", ""),
        # A symptom that the root does not explain, or that is not so, is none.
        ({"clock-skew": 0.9, "s3-unreachable": 0.8}, [finding("dns-failure", YES, "dns")],
         "dns-failure", ""),
        ({"s3-unreachable": 0.7},
         [finding("dns-failure", YES, "dns"), finding("s3-unreachable", NO, "s3-reach")],
         "dns-failure", ""),
        # Other things that are wrong are told, and are not on the way.
        ({"s3-unreachable": 0.9}, [BLOCKED, finding("disk-full", YES)],
         "s3-unreachable no-route rtb-2", "disk-full"),
        ({"s3-unreachable": 0.9}, [finding("dns-failure", YES, "dns"), finding("disk-full", YES)],
         "s3-unreachable dns-failure", "disk-full"),
        ({"disk-full": 0.9}, [finding("disk-full", MAYBE)], "", ""),
    ],
)  # fmt: skip
def test_the_chain_leads_from_the_symptom_to_the_root(
    text: dict[str, float], found: list[Finding], chain: str, also: str
) -> None:
    assert chained(text, *found) == (chain.split(), tuple(also.split()))


@pytest.mark.parametrize(
    ("symptom", "root"),
    [
        ("s3-unreachable", "dns-failure"),
        ("s3-unreachable", "tls-failure"),
        ("s3-unreachable", "proxy-misconfigured"),
        ("tls-failure", "clock-skew"),
        ("s3-access-denied", "clock-skew"),
        ("repository-unreachable", "s3-unreachable"),
        ("repository-unreachable", "subscription-expired"),
        ("imds-unreachable", "proxy-misconfigured"),
        ("credentials-invalid", "imds-unreachable"),
        ("credentials-invalid", "instance-profile-missing"),
        ("iam-permission-missing", "credentials-invalid"),
        ("package-db-corrupt", "disk-full"),
        ("package-db-corrupt", "filesystem-error"),
        ("package-manager-locked", "filesystem-error"),
        ("package-install-failed", "out-of-memory"),
        ("package-install-failed", "dependency-conflict"),
        ("repository-metadata-invalid", "gpg-key-missing"),
        ("out-of-memory", "os-limit-exhausted"),
        ("instance-impaired", "reboot-failed"),
        ("execution-blocked", "powershell-broken"),
        ("wu-unreachable", "wsus-failure"),
        ("update-installer-failed", "component-store-corrupt"),
        ("snapshot-unavailable", "baseline-missing"),
        ("delivery-timeout", "instance-profile-missing"),
        ("delivery-timeout", "agent-not-running"),
    ],
)
def test_the_catalogue_connects_what_texts_show_with_what_checks_confirm(
    symptom: str, root: str
) -> None:
    plans = plans_of(load_catalogue())
    ranked = Classification((Candidate(symptom, 0.9),), "v1")
    for found in ((finding(root, YES),), (finding(root, YES), finding(symptom, YES, "another"))):
        made = diagnose(ranked, found, plans, 0.8)
        assert [link.name for link in made.chain] == [symptom, root]


# --- what findings say against each other --------------------------------------------------------


def verdict_on(cause: str, *found: Finding) -> str:
    """What the findings together say of a cause."""
    made = diagnose(Classification((), "v1"), found, {}, 0.8)
    if made.cause == cause or cause in made.also:
        return "confirmed"
    return "ruled out" if cause in made.ruled_out else "open"


WSUS = {"use_wu_server": "1", "wu_server": "http://wsus.example:8530"}


@pytest.mark.parametrize(
    ("cause", "found", "verdict"),
    [
        # The node tried the way: its word outranks the model's, which is also older.
        ("s3-unreachable", [BLOCKED, finding("s3-unreachable", NO, "s3-reach")], "ruled out"),
        ("s3-unreachable", [finding("s3-unreachable", NO, "network-path"), TIMED_OUT], "confirmed"),
        ("s3-unreachable", [BLOCKED, TIMED_OUT], "confirmed"),
        # One look of two on the node sees it: then it is there, and the model agrees.
        ("s3-unreachable", [BLOCKED, TIMED_OUT, finding("s3-unreachable", NO, "tls")], "confirmed"),
        ("instance-profile-missing",
         [finding("instance-profile-missing", YES, "instance-profile"),
          finding("instance-profile-missing", NO, "imds")], "ruled out"),
        # AWS against AWS: what was seen once is there.
        ("s3-access-denied",
         [finding("s3-access-denied", YES, "s3-endpoint-policy"),
          finding("s3-access-denied", NO, "role-policies")], "confirmed"),
        # A WSUS, which AWS cannot see, however the node tells of it.
        ("wu-unreachable", [finding("wu-unreachable", YES, "network-path")], "confirmed"),
        ("wu-unreachable",
         [finding("wu-unreachable", YES, "network-path"),
          finding("wsus-failure", YES, "wu-reach", wsus="http://wsus.example")], "open"),
        ("wu-unreachable",
         [finding("wu-unreachable", YES, "network-path"),
          finding(None, MAYBE, "wsus-settings", **WSUS)], "open"),
        ("wu-unreachable",
         [finding("wu-unreachable", YES, "network-path"),
          finding(None, MAYBE, "wsus-settings", **{**WSUS, "use_wu_server": "0"})], "confirmed"),
        ("wu-unreachable",
         [finding("wu-unreachable", YES, "network-path"),
          finding("wu-unreachable", NO, "wu-reach")], "ruled out"),
        ("wu-unreachable",
         [finding("wu-unreachable", YES, "wu-reach"),
          finding(None, MAYBE, "wsus-settings", **WSUS)], "confirmed"),
        # Who answers is neither stopped nor cut off from Systems Manager.
        ("instance-stopped", [finding("instance-stopped", YES, "instance-state")], "confirmed"),
        ("instance-stopped",
         [finding("instance-stopped", YES, "instance-state"), finding(None, MAYBE)], "open"),
        ("ssm-endpoint-unreachable",
         [finding("ssm-endpoint-unreachable", YES, "network-path"),
          finding("ssm-endpoint-unreachable", YES, "ssm-reach")], "confirmed"),
        ("instance-stopped",
         [finding("instance-stopped", YES, "instance-state"), node_not_seen("i-1", "no answer")],
         "confirmed"),
    ],
)  # fmt: skip
def test_the_nodes_own_look_outranks_the_model(
    cause: str, found: list[Finding], verdict: str
) -> None:
    for order in itertools.permutations(found):
        assert verdict_on(cause, *order) == verdict


def test_what_was_set_aside_says_so_and_advises_nothing() -> None:
    blocked = replace(BLOCKED, fix={"en": "route it", "ja": "経路"}, commands=("aws ec2",))
    (aside, reach) = weigh((blocked, finding("s3-unreachable", NO, "s3-reach")))
    assert (aside.verdict, aside.fix, aside.commands) == (MAYBE, {}, ())
    assert (
        aside.says["en"] == "text This is set aside: the node's own look (s3-reach) says otherwise."
    )
    assert "s3-reach" in aside.says["ja"]
    assert reach == finding("s3-unreachable", NO, "s3-reach")
    looked = sort_out("unknown", None, (aside, reach))
    assert (looked.aside, looked.not_looked, looked.advising) == ((aside,), (), ())


def test_each_side_of_a_look_is_known_by_the_names_of_its_checks() -> None:
    assert set(schema.AWS_CHECKS) == set(AWS_SIDE)
    assert set(schema.NODE_CHECKS) == set(NODE_SIDE)
    assert not set(AWS_SIDE) & {*NODE_SIDE, NODE_NOT_SEEN}


# --- what a reader wants of the findings ---------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (finding(None, MAYBE, "s3-reach", why="neither curl nor wget is installed"), True),
        (finding(None, MAYBE, "s3-reach", why="not done within 10 seconds"), True),
        (finding(None, MAYBE, "dpkg-state", why="this node has no dpkg"), False),
        (finding(None, MAYBE, "clock", why="no server told the time"), True),
        (finding(None, MAYBE, "signing-keys", why="no room for a copy of the keys"), True),
        (finding(None, MAYBE, "dns", why="no answer in time"), True),
        (finding(None, MAYBE, "disk-space", why="no time left; checks ran in turn"), True),
        (finding(None, MAYBE, "dns", why="no tool asks for names as programs do"), True),
        (finding(None, MAYBE, "signing-keys", why="no signed repository, or no gpgv"), True),
        (finding(None, MAYBE, "subscription", why="no subscription of a vendor"), False),
        (finding(None, MAYBE, "memory", why="nothing tells how much memory is free"), True),
        (finding(None, MAYBE, "cbs-errors", why="there is no CBS.log"), False),
        (finding(None, MAYBE, "rpm-db", why="no package manager that this check knows"), False),
        (finding(None, MAYBE, "imds", why="a hybrid node has no instance metadata"), False),
        (finding(None, MAYBE, "disk-space", path="/var"), False),
        (finding("s3-access-denied", MAYBE, "role-policies", call="iam:GetPolicy"), True),
        (finding("s3-unreachable", MAYBE, "network-path", obstacle="not-read"), True),
        (finding("s3-unreachable", MAYBE, "network-path", obstacle="custom-dns"), False),
        (finding("disk-full", YES, "disk-space", why="x"), False),
        (node_not_seen("i-1", "the checks did not answer in time"), True),
    ],
)
def test_what_could_not_be_looked_at_is_told_from_what_is_not_there(
    seen: Finding, expected: bool
) -> None:
    assert could_not_look(seen) is expected


def test_findings_are_sorted_for_a_reader() -> None:
    denied = finding("s3-access-denied", MAYBE, "role-policies", call="iam:GetPolicy")
    denied = replace(denied, fix={"en": "allow", "ja": "許可"})
    no_tool = finding(None, MAYBE, "ssm-reach", why="neither curl nor wget is installed")
    fine = finding(None, MAYBE, "patch-runs")
    pending = replace(finding(None, MAYBE, "reboot-pending"), fix={"en": "reboot", "ja": "再起動"})
    online = finding(None, MAYBE, "managed-node")
    full, lock = finding("disk-full", YES), finding("package-manager-locked", NO, "package-lock")
    open_way = finding("dns-failure", NO, "network-path")
    resolver = finding("dns-failure", YES, "dns")
    found = (no_tool, denied, fine, pending, online, full, lock, TIMED_OUT, BLOCKED, open_way)
    ranked = Classification((Candidate("s3-unreachable", 0.9),), "v1")
    made = diagnose(ranked, (*found, resolver), NET, 0.8)
    looked = sort_out(made.cause, made, (*found, resolver))
    assert looked.confirming == (resolver, BLOCKED, TIMED_OUT), "the root first, then the exact one"
    assert looked.also == (full,)
    assert looked.ruled_out == (lock,)
    assert looked.not_looked == (denied, no_tool), "what a permission helps against first"
    assert looked.advising == (pending,)
    assert looked.seen == (online, open_way), "what is in order on the node is left out"


# --- whatever the checks say ---------------------------------------------------------------------

CAUSES = st.sampled_from([*PLANS, *NET, "another", "instance-stopped", "wu-unreachable"])
CHECKS = st.sampled_from(["disk-space", "s3-reach", "wu-reach", "network-path", "instance-state"])
FACTS = st.dictionaries(
    st.sampled_from(["obstacle", "wsus", "why", "call"]), st.sampled_from(["", "x"]), max_size=2
)
FINDING = st.builds(
    lambda cause, verdict, check, resource, facts: finding(
        cause, verdict, check, resource, **facts
    ),
    st.none() | CAUSES,
    st.sampled_from(Verdict),
    CHECKS,
    st.sampled_from(["", "rtb-2", "/var", "i-0a1b2c3d4e5f60001"]),
    FACTS,
)
FOUND = st.lists(FINDING, max_size=8).map(tuple)
TEXT = st.dictionaries(CAUSES, st.floats(0, 1), max_size=4).map(
    lambda text: Classification(
        tuple(sorted((Candidate(c, p) for c, p in text.items()), key=lambda c: -c.confidence)), "v1"
    )
)
ALL_PLANS = {**PLANS, **NET}


@given(text=TEXT, found=FOUND)
def test_a_finding_is_never_overruled_by_the_text(
    text: Classification, found: tuple[Finding, ...]
) -> None:
    made = diagnose(text, found, ALL_PLANS, 0.8)
    counted = weigh(found)
    confirmed = {f.cause for f in counted if f.verdict is YES and f.cause}
    refuted = {f.cause for f in counted if f.verdict is NO and f.cause} - confirmed
    if confirmed:
        assert made.cause in confirmed
        assert made.basis == "finding"
    else:
        assert made.basis != "finding"
        assert made.chain == made.also == ()
    assert made.cause not in made.ruled_out
    if made.cause in refuted:
        assert made.basis == "text"
        assert ALL_PLANS[made.cause].transient
        assert text.cause == made.cause
        assert text.confidence >= 0.8
    assert set(made.ruled_out) <= refuted


@given(text=TEXT, found=FOUND)
def test_each_link_of_a_chain_explains_the_one_before(
    text: Classification, found: tuple[Finding, ...]
) -> None:
    made = diagnose(text, found, ALL_PLANS, 0.8)
    causes = [link.name for link in made.chain if link.kind == "cause"]
    counted = weigh(found)
    confirmed = {f.cause for f in counted if f.verdict is YES and f.cause}
    for effect, cause in itertools.pairwise(causes):
        assert effect in ALL_PLANS.get(cause, Plan()).explains
    assert set(causes[1:]) <= confirmed
    assert causes[-1:] == ([made.cause] if made.basis == "finding" else [])
    assert confirmed - set(causes) == set(made.also)
    assert len(set(causes)) == len(causes)
    rest = [link.kind for link in made.chain[len(causes) :]]
    assert rest in ([], ["obstacle"], ["resource"], ["obstacle", "resource"])


def test_a_role_is_told_from_other_things() -> None:
    for check, resource, kind in (
        ("role-policies", "node-role", "role"),
        ("role-policies", "vpce-0a1b", "resource"),
        ("network-path", "node-role", "resource"),
    ):
        role = finding("iam-permission-missing", YES, check, resource)
        made = diagnose(Classification((), "v1"), (role,), {}, 0.8)
        assert made.chain[-1] == Link(kind, resource)  # type: ignore[arg-type]


def test_the_exact_fix_leaves_out_the_general_one() -> None:
    exact = replace(BLOCKED, fix={"en": "route", "ja": "経路"}, commands=("aws ec2",))
    general = replace(TIMED_OUT, fix={"en": "look", "ja": "確認"})
    resolver = replace(finding("dns-failure", YES, "dns"), fix={"en": "dns", "ja": "名前"})
    found = (general, exact, resolver)
    made = diagnose(Classification((), "v1"), found, NET, 0.8)
    assert fixes(sort_out(made.cause, made, found)) == (resolver, exact)
    vague = (general, replace(exact, commands=()), resolver)
    assert fixes(sort_out(made.cause, made, vague)) == (resolver, vague[1], general)


@given(text=TEXT, found=FOUND, data=st.data())
def test_the_order_of_the_findings_does_not_decide(
    text: Classification, found: tuple[Finding, ...], data: st.DataObject
) -> None:
    shuffled = tuple(data.draw(st.permutations(found)))
    assert diagnose(text, found, ALL_PLANS, 0.8) == diagnose(text, shuffled, ALL_PLANS, 0.8)
    counted = weigh(found)
    assert sorted(map(repr, counted)) == sorted(map(repr, weigh(shuffled)))
    assert weigh(counted) == counted
    assert diagnose(text, counted, ALL_PLANS, 0.8) == diagnose(text, found, ALL_PLANS, 0.8)


@given(text=TEXT, found=FOUND)
def test_every_finding_has_at_most_one_place_and_what_is_wrong_always_one(
    text: Classification, found: tuple[Finding, ...]
) -> None:
    made, counted = diagnose(text, found, ALL_PLANS, 0.8), weigh(found)
    looked = sort_out(made.cause, made, counted)
    places = [getattr(looked, slot) for slot in Sorted.__slots__]
    for seen in counted:
        assert sum(seen in place for place in places) <= 1
    wrong = [f for f in counted if f.verdict is YES and f.cause]
    assert sorted(map(repr, wrong)) == sorted(map(repr, looked.confirming + looked.also))
    assert {f.cause for f in looked.ruled_out} == set(made.ruled_out)
