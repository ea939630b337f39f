"""The functions' environment: every variable by name, and every mistake named at once."""

from __future__ import annotations

import pytest

from patchmedic.errors import SettingsError
from patchmedic.model import Mode, Risk
from patchmedic.policy import Limits
from patchmedic.settings import read_settings

NEEDED = {
    "PREFIX": "patchmedic",
    "TABLE_NAME": "table",
    "OPT_IN_TAG_KEY": "PatchMedic",
    "OPT_IN_TAG_VALUE": "true",
}


def test_the_least_environment_does_the_least() -> None:
    """What is not set must not widen what the service may do."""
    read = read_settings(NEEDED)
    assert (read.mode, read.risk_ceiling) == (Mode.OBSERVE, Risk.NONE)
    assert (read.verify_operation, read.pager_enabled) == ("Scan", False)
    limits = Limits()
    assert read.limits.attempts_per_node_and_cause_max == limits.attempts_per_node_and_cause_max
    assert read.limits.cooldown_hours == limits.cooldown_hours


def test_everything_is_read() -> None:
    read = read_settings(
        {
            **NEEDED,
            "MODE": "auto",
            "RISK_CEILING": "medium",
            "LANGUAGE_CODE": "ja",
            "KILL_SWITCH_PARAMETER": "/patchmedic/kill-switch",
            "VERIFY_OPERATION": "InstallNoReboot",
            "ATTEMPTS_MAX": "5",
            "COOLDOWN_HOURS": "48",
            "RETRY_WAIT_SECONDS": "30",
            "PROPOSAL_HOURS": "8",
            "PING_INTERVAL_MINUTES": "7",
            "PING_MISSED_MAX": "3",
            "PAGER_ENABLED": "true",
            "PEOPLE_TOPIC_ARN": "arn:people",
            "PAGER_TOPIC_ARN": "arn:pager",
            "EVENT_BUS_NAME": "bus",
            "SIGNALS_QUEUE_URL": "https://signals",
            "REJECTED_QUEUE_URL": "https://rejected",
        }
    )
    assert (read.mode, read.risk_ceiling, read.language) == (Mode.AUTO, Risk.MEDIUM, "ja")
    assert read.verify_operation == "InstallNoReboot"
    limits = read.limits
    assert (limits.attempts_per_node_and_cause_max, limits.cooldown_hours) == (5, 48)
    assert (limits.retry_wait_seconds, limits.proposal_hours) == (30, 8)
    assert (read.ping_interval_minutes, read.ping_missed_max) == (7, 3)
    assert read.pager_enabled
    assert (read.people_topic_arn, read.pager_topic_arn) == ("arn:people", "arn:pager")
    assert read.event_bus_name == "bus"
    assert read.queue_urls["signals"] == "https://signals"
    assert read.queue_urls["rejected"] == "https://rejected"
    assert read.queue_urls["notify"] == ""


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(name: str, value: str | None) -> None:
    environ = {k: v for k, v in NEEDED.items() if k != name}
    if value is not None:
        environ[name] = value
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        read_settings(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "AUTO"),
        ("MODE", ""),
        ("RISK_CEILING", "extreme"),
        ("LANGUAGE_CODE", "de"),
        ("VERIFY_OPERATION", "Install"),
        ("PAGER_ENABLED", "yes"),
        ("ATTEMPTS_MAX", "-1"),
        ("ATTEMPTS_MAX", "two"),
        ("COOLDOWN_HOURS", "1.5"),
        ("RETRY_WAIT_SECONDS", ""),
        ("PROPOSAL_HOURS", "²"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({**NEEDED, name: value})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as told:
        read_settings({"MODE": "x", "ATTEMPTS_MAX": "y"})
    for name in (*NEEDED, "MODE", "ATTEMPTS_MAX"):
        assert name in str(told.value)
