"""The table of node checks: what each answer confirms and rules out, and whose names it holds."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from node_answers import NODE, answer, output, verdicts

from patchmedic.causes.catalogue import load_files
from patchmedic.checks.node import (
    CHECKS,
    CHECKS_MAX,
    STORE_CORRUPTION_HRESULTS,
    checks_for,
    parse_findings,
)
from patchmedic.model import LANGUAGES, Verdict

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = load_files(ROOT / "layers" / "patchmedic" / "patchmedic" / "causes" / "data")
STORE_HINT_MIN = 0.88
"""From this weight on, the catalogue takes a code for a damaged store and nothing else."""

# --- the table ------------------------------------------------------------------------------------

CONFIRMED = [
    ("disk-space", {"path": "/var", "free_mb": "1"}, "disk-full"),
    ("memory", {"free_mb": "12", "need_mb": "256", "killed": ""}, "out-of-memory"),
    ("memory", {"killed": "dnf", "killed_minutes": "30"}, "out-of-memory"),
    ("filesystems", {"path": "/var", "error": "read-only"}, "filesystem-error"),
    ("filesystems", {"path": "/var", "error": "io-errors"}, "filesystem-error"),
    ("exec-mounts", {"path": "/var/lib/amazon/ssm"}, "execution-blocked"),
    ("selinux", {"mode": "enforcing", "denials": "2"}, "execution-blocked"),
    ("os-limits", {"limit": "files", "used": "99", "max": "100"}, "os-limit-exhausted"),
    ("clock", {"offset_seconds": "900"}, "clock-skew"),
    ("reboot-pending", {"reasons": "x", "missed": "/var/log/x-reboot-194"}, "reboot-failed"),
    *(
        ("dns", {"error": error}, "dns-failure")
        for error in ("nxdomain", "no-answer", "no-resolver", "refused")
    ),
    *(
        ("tls", {"error": error}, "tls-failure")
        for error in ("untrusted", "expired", "not-yet-valid", "name", "protocol")
    ),
    *(
        ("proxies", {"error": error, "proxy": "http://p:1"}, "proxy-misconfigured")
        for error in ("dns", "timeout", "refused", "unreachable", "http-407", "no-answer")
    ),
    ("proxies", {"agent_only": "http://p:1"}, "proxy-misconfigured"),
    ("proxies", {"agent": "http://p:1", "bypass": "no"}, "proxy-misconfigured"),
    ("proxies", {"environment": "http://p:1", "bypass": "no"}, "proxy-misconfigured"),
    ("credentials", {"source": "environment"}, "credentials-invalid"),
    ("credentials", {"source": "shared-file"}, "credentials-invalid"),
    ("s3-reach", {"error": "timeout"}, "s3-unreachable"),
    ("s3-reach", {"error": "refused"}, "s3-unreachable"),
    ("s3-reach", {"error": "reset"}, "s3-unreachable"),
    ("s3-reach", {"error": "dns"}, "dns-failure"),
    ("s3-reach", {"error": "tls"}, "tls-failure"),
    ("s3-reach", {"error": "proxy"}, "proxy-misconfigured"),
    ("s3-reach", {"error": "http-403"}, "s3-access-denied"),
    ("ssm-reach", {"error": "timeout"}, "ssm-endpoint-unreachable"),
    ("ssm-reach", {"error": "dns"}, "dns-failure"),
    ("ssm-reach", {"error": "tls"}, "tls-failure"),
    ("agent", {"state": "stopped"}, "agent-not-running"),
    ("agent", {"state": "not-installed", "enabled": "no"}, "agent-not-running"),
    ("registration", {"error": "mismatch", "kind": "hybrid"}, "agent-registration-invalid"),
    ("imds", {"status": "timeout"}, "imds-unreachable"),
    ("imds", {"status": "403"}, "imds-unreachable"),
    ("imds", {"status": "404", "role": ""}, "instance-profile-missing"),
    ("patch-runs", {"running": "2"}, "concurrent-run"),
    ("payload-leftovers", {"folders": "/var/log/amazon/ssm/x"}, "concurrent-run"),
    ("state-files", {"file": "/x.json", "error": "not-json"}, "state-file-corrupt"),
    ("package-lock", {"manager": "apt"}, "package-manager-locked"),
    ("dpkg-state", {"broken": "bash"}, "package-db-corrupt"),
    ("rpm-db", {"backend": "bdb", "error": "damaged"}, "package-db-corrupt"),
    ("package-dependencies", {"tool": "apt", "broken": "a"}, "dependency-conflict"),
    ("package-repositories", {"error": "timeout"}, "repository-unreachable"),
    ("package-repositories", {"error": "reset"}, "repository-unreachable"),
    ("package-repositories", {"error": "http-503"}, "repository-unreachable"),
    ("package-repositories", {"error": "http-403"}, "repository-unreachable"),
    ("package-repositories", {"error": "http-404"}, "repository-metadata-invalid"),
    ("package-repositories", {"error": "http-410"}, "repository-metadata-invalid"),
    ("package-repositories", {"error": "subscription"}, "subscription-expired"),
    ("package-repositories", {"error": "retired"}, "repository-end-of-life"),
    ("package-repositories", {"error": "dns"}, "dns-failure"),
    ("package-repositories", {"error": "tls"}, "tls-failure"),
    ("package-repositories", {"error": "proxy"}, "proxy-misconfigured"),
    ("package-metadata", {"error": "checksum", "file": "f"}, "repository-metadata-invalid"),
    ("package-metadata", {"error": "expired"}, "repository-metadata-invalid"),
    ("signing-keys", {"error": "missing", "key": "0A"}, "gpg-key-missing"),
    ("signing-keys", {"error": "expired", "key": "0A"}, "gpg-key-missing"),
    ("subscription", {"error": "missing", "kind": "rhsm"}, "subscription-expired"),
    ("subscription", {"error": "expired", "kind": "rhui"}, "subscription-expired"),
    ("patch-python", {"error": "missing", "manager": "dnf"}, "python-unsupported"),
    ("patch-python", {"error": "module", "module": "dnf"}, "python-unsupported"),
    ("wu-services", {"service": "BITS", "start_type": "Disabled"}, "wu-service-disabled"),
    ("wsus-settings", {"error": "no-server"}, "wsus-failure"),
    ("wsus-settings", {"error": "bad-url"}, "wsus-failure"),
    ("wu-reach", {"error": "timeout", "wsus": ""}, "wu-unreachable"),
    ("wu-reach", {"error": "timeout", "wsus": "http://wsus:8530"}, "wsus-failure"),
    ("wu-components", {"hresult": "0x80248007"}, "wu-components-broken"),
    ("component-store", {"health": "repairable"}, "component-store-corrupt"),
    ("component-store", {"health": "corrupt"}, "component-store-corrupt"),
    ("cbs-errors", {"hresult": "0x800F0831"}, "component-store-corrupt"),
    ("cbs-errors", {"hresult": "0x80073712"}, "component-store-corrupt"),
    ("rollback", {"signs": "event 1015"}, "update-rolled-back"),
    ("powershell", {"error": "constrained"}, "powershell-broken"),
    ("powershell", {"error": "policy"}, "powershell-broken"),
    ("powershell", {"error": "too-old"}, "powershell-broken"),
    ("installer", {"process": "msiexec.exe"}, "installer-busy"),
]

REFUTED = {
    "disk-space": {"disk-full"},
    "filesystems": {"filesystem-error"},
    "clock": {"clock-skew"},
    "tls": {"tls-failure"},
    "proxies": {"proxy-misconfigured"},
    "s3-reach": {"s3-unreachable"},
    "ssm-reach": {"ssm-endpoint-unreachable"},
    "credentials": {"credentials-invalid"},
    "imds": {"imds-unreachable", "instance-profile-missing"},
    "agent": {"agent-not-running"},
    "registration": {"agent-registration-invalid"},
    "state-files": {"state-file-corrupt"},
    "package-lock": {"package-manager-locked"},
    "dpkg-state": {"package-db-corrupt"},
    "rpm-db": {"package-db-corrupt"},
    "package-repositories": {"repository-unreachable"},
    "patch-python": {"python-unsupported"},
    "wu-services": {"wu-service-disabled"},
    "wu-reach": {"wu-unreachable"},
    "wu-components": {"wu-components-broken"},
    "installer": {"installer-busy"},
}
"""The other checks rule nothing out."""


@pytest.mark.parametrize(("check", "facts", "cause"), CONFIRMED)
def test_bad_confirms(check: str, facts: dict[str, str], cause: str) -> None:
    findings = parse_findings(output(answer(check, "bad", **facts)), NODE)
    confirmed = [f for f in findings if f.verdict is Verdict.CONFIRMS]
    assert [f.cause for f in confirmed] == [cause]
    assert set(confirmed[0].fix) == set(LANGUAGES)


def test_each_rule_that_confirms_has_an_example() -> None:
    shown: dict[str, set[int]] = {}
    for name, facts, _cause in CONFIRMED:
        rules = CHECKS[name].rules
        first = next(n for n, rule in enumerate(rules) if rule.holds(facts))
        shown.setdefault(name, set()).add(first)
    for name, check in CHECKS.items():
        confirming = {n for n, rule in enumerate(check.rules) if rule.cause}
        if name == "wu-reach":  # its rules for names, certificates and proxies: as in s3-reach
            confirming -= {1, 2, 3}
        if name == "ssm-reach":
            confirming -= {2}
        assert shown.get(name, set()) == confirming, name


@pytest.mark.parametrize("check", CHECKS)
def test_ok_refutes(check: str) -> None:
    refuted = REFUTED.get(check, set())
    found = verdicts(answer(check, "ok"))
    assert found == ({("refutes", cause) for cause in refuted} or {("neutral", None)})


@pytest.mark.parametrize(
    ("check", "facts", "refuted"),
    [
        ("wu-reach", {"wsus": "http://w:8530"}, {"wu-unreachable", "wsus-failure"}),
        ("component-store", {"health": "healthy"}, {"component-store-corrupt"}),
        ("component-store", {"health": ""}, set()),
        ("tls", {"intercepted": "no"}, {"tls-failure"}),
        ("tls", {"intercepted": "no", "roots_missing": "Amazon Root CA 1"}, {"tls-failure"}),
        ("tls", {"intercepted": "yes", "issuer": "Corp CA"}, set()),
        ("agent", {"state": "running", "enabled": "no"}, {"agent-not-running"}),
    ],
)
def test_ok_can_mean_more_or_less(check: str, facts: dict[str, str], refuted: set[str]) -> None:
    found = verdicts(answer(check, "ok", **facts))
    assert found == ({("refutes", cause) for cause in refuted} or {("neutral", None)})


@pytest.mark.parametrize("check", CHECKS)
def test_unknown_decides_nothing_and_says_why(check: str) -> None:
    (finding,) = parse_findings(output(answer(check, "unknown", why="no tool")), NODE)
    assert (finding.verdict, finding.cause) == (Verdict.NEUTRAL, None)
    assert all("no tool" in finding.says[language] for language in LANGUAGES)


@pytest.mark.parametrize(
    ("check", "facts"),
    [
        ("reboot-pending", {"reasons": "/run/reboot-required"}),
        ("credentials", {"source": "somewhere"}),
        ("s3-reach", {}),
        ("proxies", {"disagree": "environment", "agent": "http://p:1", "bypass": "yes"}),
        ("proxies", {"bypass": "no"}),
        ("agent-diagnostics", {"failed": "IMDS"}),
        ("hibernation", {"minutes": "3"}),
        ("registration", {"error": "missing"}),
        ("package-holds", {"held": "bash", "count": "1"}),
        ("wsus-settings", {"error": "mismatch"}),
        ("wsus-settings", {"error": "access-disabled"}),
        ("component-store", {"health": "", "pending": "pending.xml"}),
        ("cbs-errors", {"hresult": "0x80070002"}),
        ("cbs-errors", {"hresult": ""}),
        ("update-history", {"failed": "2", "hresult": "0x80070643"}),
        ("sysprep", {"image_state": "IMAGE_STATE_UNDEPLOYABLE"}),
    ],
)
def test_bad_without_a_cause_is_told_and_confirms_nothing(
    check: str, facts: dict[str, str]
) -> None:
    assert verdicts(answer(check, "bad", **facts), platform="windows") == {("neutral", None)}


def test_a_denied_payload_shows_that_s3_is_reached() -> None:
    assert ("refutes", "s3-unreachable") in verdicts(answer("s3-reach", "bad", error="http-403"))


def test_a_missing_role_shows_that_metadata_answers() -> None:
    assert ("refutes", "imds-unreachable") in verdicts(answer("imds", "bad", status="404"))


def test_the_store_codes_are_the_catalogues_surest() -> None:
    hints = CATALOGUE.causes["component-store-corrupt"].hresults
    sure = {f"0x{hint.first:08x}" for hint in hints if hint.weight >= STORE_HINT_MIN}
    assert sure == STORE_CORRUPTION_HRESULTS


# --- what an answer cannot say alone --------------------------------------------------------------


def test_the_ambiguous_code_means_a_broken_client_only_where_windows_update_answers() -> None:
    broken = answer("wu-components", "bad", hresult="0x80240437", count="1", source="patch run")
    unreachable = answer("wu-reach", "bad", error="timeout", wsus="")
    assert ("confirms", "wu-components-broken") in verdicts(broken)
    assert ("confirms", "wu-components-broken") in verdicts(broken, answer("wu-reach", "ok"))
    both = verdicts(broken, unreachable)
    assert ("confirms", "wu-components-broken") not in both
    assert ("confirms", "wu-unreachable") in both
    store = answer("wu-components", "bad", hresult="0x80248007")
    assert ("confirms", "wu-components-broken") in verdicts(store, unreachable)


@pytest.mark.parametrize("state", ["ok", "unknown", "bad"])
def test_servicing_errors_decide_nothing_while_the_update_source_is_out_of_reach(
    state: str,
) -> None:
    errors = answer("cbs-errors", "bad", hresult="0x800f081f", count="3")
    found = verdicts(errors, answer("wu-reach", state, error="timeout", wsus=""))
    assert (("confirms", "component-store-corrupt") in found) == (state != "bad")


def test_failed_updates_point_to_the_reach_that_comes_first() -> None:
    failed = answer("update-history", "bad", failed="2", hresult="0x80070643")
    stdout = output(failed, answer("wu-reach", "bad", error="timeout", wsus=""))
    (told, _reach) = parse_findings(stdout, NODE)
    assert "Reach comes first" in told.says["en"]


@pytest.mark.parametrize("error", ["expired", "not-yet-valid"])
def test_a_wrong_clock_comes_before_the_dates_of_certificates(error: str) -> None:
    seen = (answer("tls", "bad", error=error), answer("s3-reach", "bad", error="tls"))
    assert ("confirms", "tls-failure") in verdicts(*seen)
    assert ("confirms", "tls-failure") in verdicts(*seen, answer("clock", "ok"))
    assert {v for v in verdicts(*seen, answer("clock", "bad")) if v[0] == "confirms"} == {
        ("confirms", "clock-skew")
    }


def test_a_wrong_clock_explains_no_strangers_certificate() -> None:
    seen = (answer("tls", "bad", error="untrusted"), answer("s3-reach", "bad", error="tls"))
    assert ("confirms", "tls-failure") in verdicts(*seen, answer("clock", "bad"))
    unreachable = answer("s3-reach", "bad", error="timeout")
    expired = answer("tls", "bad", error="expired")
    found = verdicts(unreachable, expired, answer("clock", "bad"))
    assert ("confirms", "s3-unreachable") in found


# --- registry, documents and catalogue are the same list ------------------------------------------


def documents() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("build", ROOT / "documents" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    sys.modules["build"] = build
    spec.loader.exec_module(build)
    return {document.suffix: document for document in build.load_documents()}


def closed_list(script: str) -> set[str]:
    """The names that a document's script knows."""
    shell = re.search(r"PLATFORM_CHECKS='([^']*)'", script)
    if shell:
        return set(shell.group(1).split())
    windows = re.search(r"\$Order = @\(([^)]*)\)", script)
    assert windows, "the script has no closed list"
    return set(re.findall(r"'([a-z0-9-]+)'", windows.group(1)))


@pytest.mark.parametrize(
    ("suffix", "platform"),
    [("Check-Linux", "linux"), ("Check-MacOS", "macos"), ("Check-Windows", "windows")],
)
def test_the_documents_and_the_registry_hold_the_same_names(suffix: str, platform: str) -> None:
    script = documents()[suffix].script
    names = closed_list(script)
    assert names == {name for name, check in CHECKS.items() if platform in check.platforms}
    assert len(names) <= CHECKS_MAX
    for name in names:
        function = re.compile(rf"^check_{name.replace('-', '_')}\(\) ?[({{]", re.MULTILINE)
        assert function.search(script) or f"$Looks['{name}'] = {{" in script, name


def test_every_cause_of_the_table_is_in_the_catalogue() -> None:
    for name, check in CHECKS.items():
        assert check.causes | set(check.helps) <= set(CATALOGUE.causes), name


def test_what_comes_first_is_asked_too() -> None:
    for cause in CATALOGUE.causes.values():
        asked = set(cause.checks)
        if asked & {"wu-components", "cbs-errors", "update-history"}:
            assert "wu-reach" in asked, cause.id
        if "tls" in asked:
            assert "clock" in asked, cause.id


def test_checks_are_chosen_by_cause_and_platform() -> None:
    assert checks_for(["disk-full"], "linux") == ("disk-space",)
    assert set(checks_for(["wu-components-broken"], "windows")) == {
        "wu-components",
        "wu-reach",
        "wu-services",
    }
    assert "package-lock" not in checks_for(["package-manager-locked", "disk-full"], "windows")
    assert set(checks_for(["concurrent-run"], "linux")) == {"patch-runs", "payload-leftovers"}
    everything = checks_for([], "windows")
    assert set(everything) == {n for n, c in CHECKS.items() if "windows" in c.platforms}
    assert checks_for(["gpg-key-missing"], "macos") == checks_for([], "macos")
