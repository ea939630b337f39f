"""The functions' environment: every variable by name, and every mistake named at once."""

from __future__ import annotations

import pytest

from patchmedic.errors import SettingsError
from patchmedic.model import Mode, Risk
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE, Limits
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
    assert (read.change_calendars, read.maintenance_windows) == ((), ()), "no window is open"
    assert read.actions == frozenset(), "nothing is called in AWS"


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
            "ACTIONS_PER_HOUR_MAX": "7",
            "LIVE_ACTIONS_MAX": "6",
            "LIVE_ACTIONS_PERCENT_MAX": "50",
            "REBOOTS_PER_NODE_PER_DAY_MAX": "2",
            "BREAKER_FAILURES_MAX": "4",
            "BREAKER_OPEN_HOURS": "3",
            "WINDOW_WAIT_HOURS": "72",
            "CHANGE_CALENDARS": "arn:one,arn:two",
            "MAINTENANCE_WINDOWS": "mw-1",
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
    assert (limits.actions_per_hour_max, limits.reboots_per_node_per_day_max) == (7, 2)
    assert (limits.live_actions_max, limits.live_actions_percent_max) == (6, 50)
    assert (limits.breaker_failures_max, limits.breaker_open_hours) == (4, 3)
    assert limits.window_wait_hours == 72
    assert read.change_calendars == ("arn:one", "arn:two")
    assert read.maintenance_windows == ("mw-1",)
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


@pytest.mark.parametrize(
    ("name", "value", "action"),
    [
        ("NODE_INSTANCE_PROFILE", "patch-role", ATTACH_PROFILE),
        ("PATCH_POLICY_ROLES", "arn:aws:iam::123456789012:role/a,arn:b", TAG_ROLE),
        ("REBOOT_IMPAIRED_INSTANCES", "true", REBOOT),
    ],
)
def test_each_call_to_aws_is_allowed_by_itself(name: str, value: str, action: str) -> None:
    assert read_settings({**NEEDED, name: value}).actions == {action}


def test_the_roles_that_may_be_tagged_are_a_list() -> None:
    read = read_settings({**NEEDED, "PATCH_POLICY_ROLES": "arn:a,arn:b"})
    assert read.patch_policy_roles == ("arn:a", "arn:b")
