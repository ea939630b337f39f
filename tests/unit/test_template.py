"""The template: what holds between its resources, and between it and the code.

Whether CloudFormation takes it is cfn-lint's business (``make lint``) and the local cloud's, which
deploys it.  Event patterns are matched by the small matcher in ``cloudformation.py``.
"""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from benchmarks.imports import CLIENTS
from cloudformation import (
    ROOT,
    listed,
    load_template,
    matches,
    of_type,
    plain,
    statements,
    target,
    text,
)

from patchmedic.settings import read_settings
from patchmedic.stages.common import LEASE_SECONDS
from patchmedic.stages.own_causes import LOOK_EVERY_SECONDS
from patchmedic.telemetry import Metric

TEMPLATE = load_template(ROOT / "template.yaml")
ALARMS = load_template(ROOT / "alarms" / "template.yaml")
GLOBALS = TEMPLATE["Globals"]["Function"]
FUNCTIONS = of_type(TEMPLATE, "AWS::Serverless::Function")
ROLES = of_type(TEMPLATE, "AWS::IAM::Role")
QUEUES = of_type(TEMPLATE, "AWS::SQS::Queue")
RULES = of_type(TEMPLATE, "AWS::Events::Rule")
NAMES = ("approve", "classify", "collect", "diagnose", "notify", "remediate", "sweep", "watch")
PARAMETERS = {name: p.get("Default", "") for name, p in TEMPLATE["Parameters"].items()}
SETTINGS = {"PREFIX": "p", "TABLE_NAME": "t", "OPT_IN_TAG_KEY": "k", "OPT_IN_TAG_VALUE": "v"}


def timeout(function: str) -> int:
    return int(FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"]))


def feeding_queues() -> list[tuple[str, str, dict[str, Any]]]:
    """(function, queue, the mapping's properties) for each queue that feeds a function."""
    return [
        (function, target(event["Properties"]["Queue"]), event["Properties"])
        for function, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "SQS"
    ]


def policies() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """(resource, the role it belongs to or "", statements) of every policy but trust policies."""
    for name, role in ROLES.items():
        for policy in role.get("Policies", []):
            yield name, name, statements(policy["PolicyDocument"])
    for name, policy in of_type(TEMPLATE, "AWS::IAM::Policy").items():
        (role,) = policy["Roles"]
        yield name, target(role), statements(policy["PolicyDocument"], PARAMETERS)
    for name, policy in of_type(TEMPLATE, "AWS::SQS::QueuePolicy").items():
        yield name, "", statements(policy["PolicyDocument"])
    for name, key in of_type(TEMPLATE, "AWS::KMS::Key").items():
        yield name, "", statements(key["KeyPolicy"])


def role_statements(role: str) -> list[dict[str, Any]]:
    return [s for _, owner, found in policies() if owner == role for s in found]


# --- functions and their roles --------------------------------------------------------------------


def test_there_are_eight_functions_each_with_a_role_and_a_log_of_its_own() -> None:
    assert sorted(FUNCTIONS) == [f"{name.capitalize()}Function" for name in NAMES]
    assert "Role" not in GLOBALS
    for name in NAMES:
        function = FUNCTIONS[f"{name.capitalize()}Function"]
        assert plain(function["FunctionName"]) == f"patchmedic-{name}"
        assert function["CodeUri"] == f"functions/{name}"
        assert (ROOT / function["CodeUri"] / "app.py").is_file()
        assert target(function["Role"]) == f"{name.capitalize()}Role"
        log = TEMPLATE["Resources"][target(function["LoggingConfig"]["LogGroup"])]
        assert plain(log["Properties"]["LogGroupName"]) == f"/aws/lambda/patchmedic-{name}"
        assert log["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    used = Counter(target(function["Role"]) for function in FUNCTIONS.values())
    assert set(used.values()) == {1}, "no role is shared"
    assert sorted(p.name for p in (ROOT / "functions").iterdir() if (p / "app.py").exists()) == (
        sorted(NAMES)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_functions_role_trusts_lambda_alone_and_names_its_actions(name: str) -> None:
    role = ROLES[f"{name.capitalize()}Role"]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert "ManagedPolicyArns" not in role
    for statement in role_statements(f"{name.capitalize()}Role"):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{statement['Sid']} allows {action}"


@pytest.mark.parametrize("name", NAMES)
def test_the_role_and_the_benchmark_agree_on_the_services_a_function_calls(name: str) -> None:
    # Lambda itself takes from the trigger's queue, writes the log and keeps failed ticks.
    lambdas_own = ("WriteOwnLog", "KeepFailedTicks", "EncryptForTopics")
    # Rights that a parameter gives are used now and then, not at every start.
    optional = {
        statement["Sid"]
        for resource, _, found in policies()
        if "Condition" in TEMPLATE["Resources"][resource]
        for statement in found
    }
    services = {
        action.split(":")[0]
        for statement in role_statements(f"{name.capitalize()}Role")
        if statement["Sid"] not in lambdas_own and not statement["Sid"].startswith("Take")
        if statement["Sid"] not in optional
        for action in listed(statement["Action"])
    }
    assert services == set(CLIENTS[name])


def test_every_statement_has_a_name_of_its_own() -> None:
    for resource, _, found in policies():
        names = [statement.get("Sid") for statement in found]
        assert all(names), f"{resource} has a statement without a Sid"
        assert len(names) == len(set(names)), f"{resource} names two statements alike: {names}"


def may(statement: dict[str, Any], action: str) -> bool:
    wanted = [a.lower() for a in listed(statement["Action"])]
    return any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in wanted)


def test_only_diagnose_and_remediate_send_commands_and_never_free_text() -> None:
    senders = set()
    forbidden = [
        f"arn:aws:ssm:ap-northeast-1:{account}:document/{document}"
        for account in ("", "123456789012")
        for document in ("AWS-RunShellScript", "AWS-RunPowerShellScript", "AWS-RunRemoteScript")
    ]
    for _, role, found in policies():
        for statement in found:
            if not role or not may(statement, "ssm:SendCommand"):
                continue
            senders.add(role)
            for resource in listed(plain(statement["Resource"])):
                hit = [arn for arn in forbidden if fnmatch.fnmatchcase(arn, resource)]
                assert not hit, f"{role}, {statement['Sid']}: {resource} allows {hit}"
    assert senders == {"DiagnoseRole", "RemediateRole"}


def test_remediate_reaches_nodes_with_the_opt_in_tag_only() -> None:
    on_nodes = [
        statement
        for statement in role_statements("RemediateRole")
        if may(statement, "ssm:SendCommand")
        for resource in listed(plain(statement["Resource"]))
        if not resource.rpartition(":")[2].startswith("document/")
    ]
    assert on_nodes
    for statement in on_nodes:
        assert statement["Condition"] == {"StringEquals": {"ssm:resourceTag/PatchMedic": "true"}}


# --- limits and windows -------------------------------------------------------------------------


def test_every_limit_that_is_a_parameter_has_the_codes_default() -> None:
    variables = GLOBALS["Environment"]["Variables"]
    by_template = {
        name: str(PARAMETERS[target(value)])
        for name, value in variables.items()
        if isinstance(value, dict) and value.get("Ref") in PARAMETERS
    }
    assert read_settings({**SETTINGS, **by_template}).limits == read_settings(SETTINGS).limits


def test_remediate_reads_the_calendars_and_windows_that_the_stack_names_and_no_other() -> None:
    for name, condition, action in (
        ("RemediateCalendarsPolicy", "HasChangeCalendars", "ssm:GetCalendarState"),
        (
            "RemediateWindowsPolicy",
            "HasMaintenanceWindows",
            "ssm:DescribeMaintenanceWindowExecutions",
        ),
    ):
        resource = TEMPLATE["Resources"][name]
        assert resource["Condition"] == condition, "what is not named cannot be read"
        (statement,) = statements(resource["Properties"]["PolicyDocument"])
        assert listed(statement["Action"]) == [action]
    calendars = TEMPLATE["Resources"]["RemediateCalendarsPolicy"]["Properties"]["PolicyDocument"]
    (reading,) = statements(calendars)
    assert reading["Resource"] == {"Fn::Split": [",", {"Ref": "ChangeCalendarArns"}]}


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("ChangeCalendarArns", "", True),
        ("ChangeCalendarArns", "arn:aws:ssm:ap-northeast-1:123456789012:document/freeze", True),
        ("ChangeCalendarArns", "freeze", False),
        ("ChangeCalendarArns", "arn:aws:ssm:ap-northeast-1:123456789012:document/*", False),
        ("MaintenanceWindowIds", "mw-0123456789abcdef0", True),
        ("MaintenanceWindowIds", "mw-0123456789abcdef0,mw-0123456789abcdef1", True),
        ("MaintenanceWindowIds", "mw-0123456789abcdef0, mw-0123456789abcdef1", False),
        ("MaintenanceWindowIds", "nightly", False),
    ],
)
def test_how_windows_are_named(parameter: str, value: str, allowed: bool) -> None:
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.search(pattern, value)) is allowed


def test_a_stopped_remedy_pages_once_until_none_is_stopped() -> None:
    properties = TEMPLATE["Resources"]["BreakersAlarm"]["Properties"]
    assert properties["MetricName"] in get_args(Metric)
    assert properties["Dimensions"] == [{"Name": "service", "Value": "sweep"}]
    assert (properties["Statistic"], properties["Threshold"]) == ("Maximum", 0)
    tell = ["PeopleTopic", "PagerTopic"]
    assert [target(topic) for topic in properties["AlarmActions"]] == tell
    assert [target(topic) for topic in properties["OKActions"]] == tell


# --- own causes ---------------------------------------------------------------------------------


def own_causes_statements() -> list[dict[str, Any]]:
    resource = TEMPLATE["Resources"]["SweepOwnCausesPolicy"]
    assert resource["Condition"] == "HasOwnCausesBucket", "without a bucket there is no right"
    assert [target(role) for role in resource["Properties"]["Roles"]] == ["SweepRole"]
    return statements(resource["Properties"]["PolicyDocument"])


def test_sweep_may_list_one_prefix_and_read_the_cause_files_under_it() -> None:
    given = {"OwnCausesBucket": "our-files", "OwnCausesPrefix": "patching/causes/"}
    own_account = {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}
    listing, reading = own_causes_statements()
    assert listed(listing["Action"]) == ["s3:ListBucket"]
    assert text(listing["Resource"], given) == "arn:aws:s3:::our-files"
    prefix = {"s3:prefix": {"Ref": "OwnCausesPrefix"}}
    assert listing["Condition"] == {"StringEquals": prefix | own_account}
    assert listed(reading["Action"]) == ["s3:GetObject"]
    readable = text(reading["Resource"], given)
    assert readable == "arn:aws:s3:::our-files/patching/causes/*.toml"
    assert reading["Condition"] == {"StringEquals": own_account}


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("OwnCausesBucket", "", True),
        ("OwnCausesBucket", "our-files.example", True),
        ("OwnCausesBucket", "s3://our-files", False),
        ("OwnCausesBucket", "our*", False),
        ("OwnCausesPrefix", "causes/", True),
        ("OwnCausesPrefix", "patching/v=2/causes/", True),
        ("OwnCausesPrefix", "", False),
        ("OwnCausesPrefix", "causes", False),
        ("OwnCausesPrefix", "*/", False),
        ("OwnCausesPrefix", "a?/", False),
        ("OwnCausesPrefix", "${aws:username}/", False),
        ("OwnCausesLayerArn", "", True),
        ("OwnCausesLayerArn", "arn:aws:lambda:ap-northeast-1:123456789012:layer:own:3", True),
        ("OwnCausesLayerArn", "arn:aws:lambda:ap-northeast-1:123456789012:layer:own", False),
    ],
)
def test_where_own_causes_may_lie(parameter: str, value: str, allowed: bool) -> None:
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.search(pattern, value)) is allowed


def test_only_sweep_has_the_layer_with_own_causes_and_always_the_library() -> None:
    assert GLOBALS["Layers"] == [{"Ref": "LibraryLayer"}]
    for name, function in FUNCTIONS.items():
        layers = function.get("Layers")
        if name != "SweepFunction":
            assert layers is None, name
            continue
        condition, with_own, without = layers["Fn::If"]
        assert condition == "HasOwnCausesLayer"
        assert with_own == [{"Ref": "LibraryLayer"}, {"Ref": "OwnCausesLayerArn"}]
        assert without == GLOBALS["Layers"]


def test_own_causes_that_are_not_in_force_raise_an_alarm() -> None:
    alarm = TEMPLATE["Resources"]["OwnCausesAlarm"]
    assert alarm["Condition"] == "HasOwnCauses"
    properties = alarm["Properties"]
    assert properties["MetricName"] in get_args(Metric)
    assert properties["Dimensions"] == [{"Name": "service", "Value": "sweep"}]
    # Each look says how many faults there are: a minimum above none means that none was without.
    assert (properties["Statistic"], properties["Threshold"]) == ("Minimum", 0)
    assert properties["Period"] >= 2 * LOOK_EVERY_SECONDS


# --- queues -------------------------------------------------------------------------------------


def alarmed_queues() -> set[str]:
    """The dead-letter queues for which alarms/template.yaml is used."""
    stacks = of_type(TEMPLATE, "AWS::CloudFormation::Stack").values()
    return {
        target(stack["Parameters"]["DeadLetterQueueName"])
        for stack in stacks
        if stack["TemplateURL"] == "alarms/template.yaml"
        and "DeadLetterQueueName" in stack["Parameters"]
    }


def test_every_queue_that_feeds_a_function_gives_up_into_a_queue_with_an_alarm() -> None:
    feeding = feeding_queues()
    assert len(feeding) == 5
    for function, queue, _ in feeding:
        redrive = QUEUES[queue].get("RedrivePolicy")
        assert redrive, f"{queue} feeds {function} and has no dead-letter queue"
        assert target(redrive["deadLetterTargetArn"]) in alarmed_queues(), queue


def dead_letter_queues() -> set[str]:
    """Every queue that something ends in: redrive policies, rules, schedules, destinations."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                if key == "deadLetterTargetArn":
                    found.add(target(part))
                elif key == "DeadLetterConfig":
                    found.add(target(part["Arn"]))
                elif key == "OnFailure":
                    found.add(target(part["Destination"]))
                else:
                    look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(TEMPLATE["Resources"])
    return found


def test_every_dead_letter_queue_has_an_alarm_and_keeps_for_14_days() -> None:
    assert dead_letter_queues() == alarmed_queues()
    for queue in dead_letter_queues():
        assert QUEUES[queue]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_every_function_has_alarms_that_tell_people_and_pagers() -> None:
    stacks = of_type(TEMPLATE, "AWS::CloudFormation::Stack").values()
    watched = {
        target(stack["Parameters"]["FunctionName"])
        for stack in stacks
        if "FunctionName" in stack.get("Parameters", {})
    }
    assert watched == set(FUNCTIONS)
    metrics = set()
    for alarm in of_type(ALARMS, "AWS::CloudWatch::Alarm").values():
        metrics.add(alarm["MetricName"])
        assert [target(a) for a in alarm["AlarmActions"]] == ["PeopleTopicArn", "PagerTopicArn"]
        assert alarm["TreatMissingData"] == "notBreaching"
    assert metrics == {
        "Errors",
        "Throttles",
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    }


def test_a_message_stays_hidden_for_six_times_its_functions_time_out() -> None:
    for function, queue, mapping in feeding_queues():
        assert QUEUES[queue]["VisibilityTimeout"] >= 6 * timeout(function), queue
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_no_function_outlives_its_lease() -> None:
    for function in FUNCTIONS:
        assert timeout(function) < LEASE_SECONDS, function


def test_every_queue_is_encrypted() -> None:
    for name, queue in QUEUES.items():
        assert queue["SqsManagedSseEnabled"] is True, name


# --- settings -----------------------------------------------------------------------------------


class Recorder(dict[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)


def test_the_template_sets_the_variables_that_the_settings_read_and_no_others() -> None:
    environment = Recorder(SETTINGS)
    read_settings(environment)
    set_by_template = set(GLOBALS["Environment"]["Variables"])
    assert set_by_template - {"POWERTOOLS_LOG_LEVEL"} == environment.asked
    for function, properties in FUNCTIONS.items():
        assert "Environment" not in properties, f"{function} sets variables of its own"


def test_every_default_and_allowed_value_is_one_that_the_settings_take() -> None:
    variables = GLOBALS["Environment"]["Variables"]
    for variable, value in variables.items():
        name = value.get("Ref") if isinstance(value, dict) else None
        if name not in TEMPLATE["Parameters"]:
            continue
        parameter = TEMPLATE["Parameters"][name]
        for allowed in [parameter["Default"], *parameter.get("AllowedValues", [])]:
            read_settings({**SETTINGS, variable: str(allowed)})


def test_every_parameter_is_explained_grouped_and_used() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])
    whole = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"], name
        assert "ConstraintDescription" in parameter, name
        assert f"!Ref {name}" in whole or f"${{{name}}}" in whole, f"{name} is not used"


def test_samconfig_overrides_parameters_that_exist_with_allowed_values() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    for override in config["local"]["deploy"]["parameters"]["parameter_overrides"]:
        name, _, value = override.partition("=")
        parameter = TEMPLATE["Parameters"][name]
        allowed = [str(one) for one in parameter.get("AllowedValues", [value])]
        assert value in allowed, override


# --- event patterns -----------------------------------------------------------------------------

PATCH = {"PatchCommandRule"}
OWN = {"OwnCommandRule"}
RULES_OF_EVENT: dict[str, set[str]] = {
    # Both rules see a patch command: it may be anyone's failure, or our own verification.
    "patch-command-failed.json": PATCH | OWN,
    "patch-command-timed-out.json": PATCH | OWN,
    "patch-command-cancelled.json": PATCH | OWN,
    "patch-command-succeeded.json": PATCH | OWN,
    "patch-hooks-command-failed.json": PATCH,
    "legacy-patch-document-failed.json": PATCH,
    "association-node-failed.json": {"AssociationRule"},
    "association-failed.json": {"AssociationRule"},
    "association-node-succeeded.json": {"AssociationRule"},
    "window-task-failed.json": {"WindowTaskRule"},
    "ping-lost.json": {"OwnSignalRule"},
    "ping-restored.json": {"OwnSignalRule"},
    "command-stuck.json": {"OwnSignalRule"},
    "patch-failure-found.json": {"OwnSignalRule"},
    "own-check-succeeded.json": OWN,
    "own-remedy-failed.json": OWN,
    # It looks like an event of ours, and is rejected, with its reason, by the function.
    "bad/missing-fields.json": PATCH | OWN,
    # Not even taken off the bus.
    "bad/hostile-ids.json": set(),
    "bad/wrong-types.json": set(),
    "bad/wrong-source.json": set(),
    # No events: messages of queues, a schedule's tick and an operator's answer.
    "signals-batch.json": set(),
    "diagnose-message.json": set(),
    "remediate-message.json": set(),
    "results-message.json": set(),
    "notify-message.json": set(),
    "schedule.json": set(),
    "approve.json": set(),
    "deny.json": set(),
}


def rules_for(event: Any) -> set[str]:
    return {name for name, rule in RULES.items() if matches(plain(rule["EventPattern"]), event)}


def event_of(name: str) -> Any:
    return json.loads((ROOT / "events" / name).read_text(encoding="utf-8"))


def test_every_sample_event_is_in_the_table() -> None:
    folder = ROOT / "events"
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.json")} == set(RULES_OF_EVENT)


@pytest.mark.parametrize("name", sorted(RULES_OF_EVENT))
def test_an_event_fits_the_rules_that_it_should_and_no_other(name: str) -> None:
    assert rules_for(event_of(name)) == RULES_OF_EVENT[name]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("document-name", "arn:aws:ssm:ap-northeast-1::document/AWS-RunPatchBaseline", PATCH | OWN),
        ("document-name", "AWS-RunShellScript", set()),
        ("document-name", "AWS-UpdateSSMAgent", OWN),
        ("document-name", "patchmedic-Check-Linux", OWN),
        ("document-name", "patchwork-Check-Linux", set()),
        ("document-name", "AWS-RunPatchBaselineLike", set()),
        ("status", "InProgress", set()),
        ("status", "Cancelled", PATCH | OWN),
        ("status", "failed", set()),
    ],
)
def test_a_changed_command_event(field: str, value: str, expected: set[str]) -> None:
    event = event_of("patch-command-failed.json")
    event["detail"][field] = value
    assert rules_for(event) == expected


def test_pages_and_alarms_go_to_the_pager_and_nowhere_else() -> None:
    page = {"source": "patchmedic", "detail-type": "PatchMedic Page", "detail": {}}
    assert rules_for(page) == {"PageRule"}
    alarm: dict[str, Any] = {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": ["arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:patchmedic-x-errors"],
        "detail": {"state": {"value": "ALARM"}, "previousState": {"value": "OK"}},
    }
    assert rules_for(alarm) == {"AlarmPageRule"}
    alarm["detail"] = {"state": {"value": "OK"}, "previousState": {"value": "ALARM"}}
    assert rules_for(alarm) == {"AlarmOverRule"}
    alarm["detail"]["previousState"]["value"] = "INSUFFICIENT_DATA"
    assert rules_for(alarm) == set()
    alarm["resources"] = ["arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:others"]
    assert rules_for(alarm) == set()


def test_every_rule_keeps_what_it_cannot_deliver_and_may_write_to_its_queue() -> None:
    allowed: dict[str, set[str]] = {}
    for policy in of_type(TEMPLATE, "AWS::SQS::QueuePolicy").values():
        (queue,) = policy["Queues"]
        (statement,) = statements(policy["PolicyDocument"])
        arns = listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        allowed[target(queue)] = {target(arn) for arn in arns}
    for name, rule in RULES.items():
        for one in rule["Targets"]:
            assert name in allowed[target(one["DeadLetterConfig"]["Arn"])], name
            if target(one["Arn"]) in QUEUES:
                assert name in allowed[target(one["Arn"])], name


@pytest.mark.parametrize(
    ("pattern", "event", "fits"),
    [
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": ["x"]}, {"a": ["y", "x"]}, True),
        ({"a": ["x"]}, {"a": None}, False),
        ({"a": [1]}, {"a": True}, False),
        ({"a": [{"exists": False}]}, {}, True),
        ({"a": [{"exists": True}]}, {"b": 1}, False),
        ({"a": [{"anything-but": ["x"]}]}, {"a": "y"}, True),
        ({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "xy"}, False),
        ({"a": [{"equals-ignore-case": "ABC"}]}, {"a": "abc"}, True),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
    ],
)
def test_the_matcher(pattern: dict[str, Any], event: dict[str, Any], fits: bool) -> None:
    assert matches(pattern, event) is fits


def test_the_matcher_refuses_what_it_does_not_know() -> None:
    with pytest.raises(NotImplementedError, match="wildcard"):
        matches({"a": [{"wildcard": "*"}]}, {"a": "x"})
