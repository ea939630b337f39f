"""The functions' environment, typed, in one place.

``read_settings(os.environ)`` is called in a handler, never at import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from patchmedic.errors import SettingsError
from patchmedic.model import LANGUAGES, Mode, Risk
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE, Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """What the stack's parameters say, as the template hands it to every function."""

    prefix: str
    table_name: str
    mode: Mode
    risk_ceiling: Risk
    opt_in_key: str
    opt_in_value: str
    language: Literal["en", "ja"]
    kill_switch_parameter: str
    verify_operation: Literal["Scan", "InstallNoReboot"]
    limits: Limits
    ping_interval_minutes: int
    ping_missed_max: int
    people_topic_arn: str
    pager_topic_arn: str
    pager_enabled: bool
    event_bus_name: str
    patch_output_buckets: tuple[str, ...]
    patch_output_log_groups: tuple[str, ...]
    """Where whole outputs of patch runs may be read; empty: nowhere."""
    change_calendars: tuple[str, ...]
    """ARNs; all of them must be open before anything reboots or disrupts a node."""
    maintenance_windows: tuple[str, ...]
    """Ids; one of them must be in progress then.  With no calendar and no window: never."""
    node_instance_profile: str
    """The profile that a node without one may be given; empty: none."""
    patch_policy_roles: tuple[str, ...]
    """ARNs, with * for any characters, of the roles that may be tagged for a patch policy."""
    reboot_impaired_instances: bool
    own_causes_bucket: str
    own_causes_prefix: str
    own_causes_layer: str
    """Where customers' own causes lie: in S3, in a Lambda layer, in both; empty: nowhere."""
    queue_urls: Mapping[str, str]
    """Queue name (signals, diagnose, remediate, notify, rejected) -> URL; empty when the function
    has no business with it.  ``rejected`` is the signals queue's dead-letter queue."""

    @property
    def actions(self) -> frozenset[str]:
        """The calls to AWS that the stack's parameters allow as remedies."""
        allowed = {
            ATTACH_PROFILE: bool(self.node_instance_profile),
            TAG_ROLE: bool(self.patch_policy_roles),
            REBOOT: self.reboot_impaired_instances,
        }
        return frozenset(action for action, yes in allowed.items() if yes)

    @property
    def own_causes_location(self) -> str:
        """Where own causes lie, in one text; empty when the stack has none."""
        bucket, prefix = self.own_causes_bucket, self.own_causes_prefix
        places = (self.own_causes_layer, f"s3://{bucket}/{prefix}" if bucket else "")
        return " and ".join(place for place in places if place)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check the environment; ``SettingsError`` names every variable that is wrong."""
    problems: list[str] = []

    def text(name: str, default: str | None = None) -> str:
        value = environ.get(name, default if default is not None else "")
        if not value and default is None:
            problems.append(f"{name} is missing")
        return value

    def one_of(name: str, allowed: tuple[str, ...], default: str) -> str:
        value = environ.get(name, default)
        if value not in allowed:
            problems.append(f"{name} is not one of {', '.join(allowed)}")
            return default
        return value

    def number(name: str, default: int) -> int:
        value = environ.get(name, str(default))
        if not value.isdecimal():
            problems.append(f"{name} is not a whole number")
            return default
        return int(value)

    def some(name: str) -> tuple[str, ...]:
        return tuple(part for part in environ.get(name, "").split(",") if part)

    def names_of_arns(name: str) -> tuple[str, ...]:
        """What stands last in each ARN of a list: the bucket, the log group."""
        arns = [part for part in environ.get(name, "").split(",") if part]
        return tuple(arn.removesuffix(":*").rpartition(":")[2] for arn in arns)

    base = Limits()
    settings = Settings(
        prefix=text("PREFIX"),
        table_name=text("TABLE_NAME"),
        mode=Mode(one_of("MODE", tuple(m.value for m in Mode), Mode.OBSERVE.value)),
        risk_ceiling=Risk(one_of("RISK_CEILING", tuple(r.value for r in Risk), Risk.NONE.value)),
        opt_in_key=text("OPT_IN_TAG_KEY"),
        opt_in_value=text("OPT_IN_TAG_VALUE"),
        language=cast(Literal["en", "ja"], one_of("LANGUAGE_CODE", LANGUAGES, "en")),
        kill_switch_parameter=text("KILL_SWITCH_PARAMETER", ""),
        verify_operation=cast(
            Literal["Scan", "InstallNoReboot"],
            one_of("VERIFY_OPERATION", ("Scan", "InstallNoReboot"), "Scan"),
        ),
        limits=Limits(
            attempts_per_node_and_cause_max=number(
                "ATTEMPTS_MAX", base.attempts_per_node_and_cause_max
            ),
            cooldown_hours=number("COOLDOWN_HOURS", base.cooldown_hours),
            retry_wait_seconds=number("RETRY_WAIT_SECONDS", base.retry_wait_seconds),
            defer_wait_seconds=min(
                base.defer_wait_seconds, max(1, number("RETRY_WAIT_SECONDS", 60))
            ),
            proposal_hours=number("PROPOSAL_HOURS", base.proposal_hours),
            actions_per_hour_max=number("ACTIONS_PER_HOUR_MAX", base.actions_per_hour_max),
            live_actions_max=number("LIVE_ACTIONS_MAX", base.live_actions_max),
            live_actions_percent_max=number(
                "LIVE_ACTIONS_PERCENT_MAX", base.live_actions_percent_max
            ),
            reboots_per_node_per_day_max=number(
                "REBOOTS_PER_NODE_PER_DAY_MAX", base.reboots_per_node_per_day_max
            ),
            breaker_failures_max=number("BREAKER_FAILURES_MAX", base.breaker_failures_max),
            breaker_open_hours=number("BREAKER_OPEN_HOURS", base.breaker_open_hours),
            window_wait_hours=number("WINDOW_WAIT_HOURS", base.window_wait_hours),
        ),
        ping_interval_minutes=number("PING_INTERVAL_MINUTES", 5),
        ping_missed_max=number("PING_MISSED_MAX", 2),
        people_topic_arn=text("PEOPLE_TOPIC_ARN", ""),
        pager_topic_arn=text("PAGER_TOPIC_ARN", ""),
        pager_enabled=one_of("PAGER_ENABLED", ("true", "false"), "false") == "true",
        event_bus_name=text("EVENT_BUS_NAME", "default"),
        patch_output_buckets=names_of_arns("PATCH_OUTPUT_BUCKETS"),
        patch_output_log_groups=names_of_arns("PATCH_OUTPUT_LOG_GROUPS"),
        change_calendars=some("CHANGE_CALENDARS"),
        maintenance_windows=some("MAINTENANCE_WINDOWS"),
        node_instance_profile=text("NODE_INSTANCE_PROFILE", ""),
        patch_policy_roles=tuple(r for r in text("PATCH_POLICY_ROLES", "").split(",") if r),
        reboot_impaired_instances=one_of("REBOOT_IMPAIRED_INSTANCES", ("true", "false"), "false")
        == "true",
        own_causes_bucket=text("OWN_CAUSES_BUCKET", ""),
        own_causes_prefix=text("OWN_CAUSES_PREFIX", ""),
        own_causes_layer=text("OWN_CAUSES_LAYER", ""),
        queue_urls={
            name: environ.get(f"{name.upper()}_QUEUE_URL", "")
            for name in ("signals", "diagnose", "remediate", "notify", "rejected")
        },
    )
    if problems:
        raise SettingsError("the function's environment is wrong: " + "; ".join(problems))
    return settings
