"""The operator's command.  Each command reads its input, calls the library and prints.

Exit codes: 0 all well; 1 an error (said on stderr); 2 wrong usage; 3 the answer is "not yet" or
"not known" (an incident that does not exist, an event that was rejected).
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from patchmedic import __version__
from patchmedic.causes.catalogue import load_catalogue
from patchmedic.causes.classifier import classify as classify_evidence
from patchmedic.causes.records import RecordError, classify_record, read_evidence
from patchmedic.cli import attachments, causes, hresult, own_causes, policy, reading, story, tables
from patchmedic.cli.account import WHAT_NOW, open_store, send_answer
from patchmedic.cli.cloud import ACCOUNT, REGION, STACK, LocalCloud, is_running
from patchmedic.cli.common import EXIT_NOT_FOUND, LANGUAGE, echo_json, fail
from patchmedic.cli.project import find_project
from patchmedic.errors import PatchMedicError
from patchmedic.incident import Incident
from patchmedic.model import Rejection, Signal, Skip
from patchmedic.signals import parse_event

SETTLE_SECONDS_MAX = 120.0
FIRST_SECONDS_MAX = 15.0
"""How long an event that names no node has to open an incident."""


class _Commands(click.Group):
    """Errors of AWS end as a message that says what to do, never as a stack."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (PatchMedicError, BotoCoreError, ClientError) as error:
            raise click.ClickException(f"{error}\n{WHAT_NOW}") from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Find out why a patch run failed, fix what is safe, prove it, tell people.

    \b
    Try:
      patchmedic demo                      a night of failures, on your machine
      patchmedic classify patch.log        what went wrong in this output?
      patchmedic causes disk-full          what PatchMedic knows about a cause
      patchmedic hresult 0x80240437        what a Windows error code means
      patchmedic incidents                 what it did in your account

    \b
    Exit codes:
      0  all well
      1  an error; stderr says what to do
      2  wrong usage
      3  not known, or not (yet) possible: no such incident or cause, an event that PatchMedic does
         not take, an approval that came too late
    """


# --- without AWS -------------------------------------------------------------------------------


@cli.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--jsonl", is_flag=True, help="One JSON object a line on stdin, one a line out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file instead of text.")
@click.option("--platform", type=click.Choice(["linux", "windows", "macos"]), help="Platform.")
@click.option("--document", help="Document that ran, for example AWS-RunPatchBaseline.")
@click.option("--status", help="Status of the invocation, for example Failed.")
@click.option("--response-code", type=int, help="Exit code of the step.")
@own_causes.OPTION
@LANGUAGE
def classify(
    files: tuple[Path, ...],
    jsonl: bool,
    as_json: bool,
    platform: str | None,
    document: str | None,
    status: str | None,
    response_code: int | None,
    own_folder: Path | None,
    lang: str,
) -> None:
    """Say what went wrong in the output of a patch run.  Needs no AWS.

    FILES hold plain text, or one JSON object: what `aws ssm get-command-invocation` prints, or the
    keys of --jsonl: id, platform, document, status, response_code, stdout, stderr (all but id
    optional).  Without FILES, stdin is read.

    \b
    Examples:
      patchmedic classify patch-output.log
      aws ssm get-command-invocation --command-id ID --instance-id ID \\
          --plugin-name PatchLinux | patchmedic classify
      patchmedic classify --jsonl < cases.jsonl > answers.jsonl

    Exit code 1 when a file is no valid record; a bad line of --jsonl only yields an "error".
    """
    given = {
        "platform": platform,
        "document": document,
        "status": status,
        "response_code": response_code,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if jsonl and (as_json or given):
        raise click.UsageError("--jsonl takes everything from its lines: no other options with it")
    catalogue = own_causes.catalogue_with(own_folder)
    if jsonl:
        for line in reading.lines(files):
            echo_json(classify_record(line, catalogue))
        return
    console = tables.console()
    failed = False
    for name, text in reading.inputs(files):
        record = reading.as_record(name, text, given)
        try:
            evidence = read_evidence(record)
        except RecordError as error:
            click.echo(f"patchmedic: {name}: {error}", err=True)
            failed = True
            continue
        if as_json:
            echo_json(classify_record(json.dumps(record), catalogue))
            continue
        found = classify_evidence(evidence, catalogue)
        console.print(tables.classification_page(name, found, catalogue, lang))
    if failed:
        sys.exit(1)


cli.add_command(causes.command)
cli.add_command(hresult.command)


# --- the table ---------------------------------------------------------------------------------


@cli.command()
@click.argument("incident_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@click.option("--table", "table_name", help="DynamoDB table; default: the stack's, by its output.")
@click.option("--stack", default=STACK, show_default=True, help="Name of the stack.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@LANGUAGE
def incidents(
    incident_id: str | None,
    as_json: bool,
    table_name: str | None,
    stack: str,
    limit: int,
    lang: str,
) -> None:
    """List the incidents, or show one in full.  Uses your AWS credentials and Region.

    \b
    Examples:
      patchmedic incidents
      patchmedic incidents pm-0123456789abcdef --lang ja
      eval "$(patchmedic local env)"; patchmedic incidents      (on the local cloud)
    """
    store = open_store(stack, table_name)
    if incident_id is None:
        found = store.recent(limit)
        if as_json:
            click.echo(json.dumps([msgspec.to_builtins(i) for i in found], ensure_ascii=False))
        elif not found:
            click.echo("no incidents in the last 31 days")
        else:
            tables.console().print(tables.incidents_table(found, story.now(), ids=True))
        return
    incident = store.load(incident_id)
    if incident is None:
        fail(f"there is no incident {incident_id}", EXIT_NOT_FOUND)
    timeline = store.timeline(incident_id)
    if as_json:
        plain = {
            "incident": msgspec.to_builtins(incident),
            "timeline": [msgspec.to_builtins(e) for e in timeline],
        }
        click.echo(json.dumps(plain, ensure_ascii=False, indent=2))
        return
    catalogue = own_causes.catalogue_of(incident, stack, table_name)
    tables.console().print(tables.incident_page(incident, timeline, catalogue, lang))


cli.add_command(attachments.command)
cli.add_command(policy.command)


@cli.command()
@click.argument("incident_id")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--stack", default=STACK, show_default=True, help="Name of the stack.")
def approve(incident_id: str, reason: str, stack: str) -> None:
    """Approve the remedy that an incident proposes.  Uses your IAM identity.

    \b
    Example:
      patchmedic approve pm-0123456789abcdef --reason "maintenance agreed"
    """
    _answer(stack, incident_id, "approve", reason)


@cli.command()
@click.argument("incident_id")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--stack", default=STACK, show_default=True, help="Name of the stack.")
def deny(incident_id: str, reason: str, stack: str) -> None:
    """Deny the remedy that an incident proposes.  Uses your IAM identity.

    \b
    Example:
      patchmedic deny pm-0123456789abcdef --reason "not during business hours"
    """
    _answer(stack, incident_id, "deny", reason)


def _answer(stack: str, incident_id: str, decision: str, reason: str) -> None:
    answer = send_answer(stack, incident_id, decision, reason)
    click.echo(answer["detail"])
    if not answer["decided"]:
        sys.exit(EXIT_NOT_FOUND)


# --- the local cloud ---------------------------------------------------------------------------


@cli.command()
@click.argument("event", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Nodes and their faults; default: the demo's story.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@LANGUAGE
def replay(event: Path, scenario: Path | None, as_json: bool, lang: str) -> None:
    """Send one event through the whole pipeline, on the local cloud.

    The event goes over the local cloud's EventBridge through the real template.  If it tells of a
    patch command on a node of the scenario, that command is run there first, so that there is
    something to read; of any other command the local cloud knows nothing, as AWS does of one
    that is long over.

    \b
    Examples:
      patchmedic replay events/patch-command-failed.json
      patchmedic replay events/ping-lost.json --scenario local/scenarios/story.yaml --json
    """
    project = find_project()
    body = _read_event(event)
    path = scenario or project.root / "local" / "scenarios" / "story.yaml"
    progress = _progress(quiet=as_json)
    with _interruptible(), LocalCloud(project, [path], state=project.state_of("replay")) as cloud:
        cloud.build(progress)
        cloud.deploy(progress)
        _run_what_it_tells_of(cloud, body, progress)
        progress("the event goes over the bus")
        cloud.admin("POST", "event", body)
        found = _incidents_of(cloud, body, progress)
        if not found:
            fail(
                "no incident came of it: the event tells of a recovery, or of a run that the "
                "local cloud does not know",
                EXIT_NOT_FOUND,
            )
        store = cloud.store()
        for incident in found:
            timeline = store.timeline(incident.id)
            if as_json:
                plain = {
                    "incident": msgspec.to_builtins(incident),
                    "timeline": [msgspec.to_builtins(e) for e in timeline],
                }
                click.echo(json.dumps(plain, ensure_ascii=False))
            else:
                page = tables.incident_page(incident, timeline, load_catalogue(), lang)
                tables.console().print(page)
        if not as_json:
            _print_outbox(cloud)


def _read_event(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        fail(f"{path} is not JSON: {error}", EXIT_NOT_FOUND)
    parsed = parse_event(body)
    if isinstance(parsed, Rejection):
        fail(f"{path} is no event that PatchMedic takes: {parsed.reason}", EXIT_NOT_FOUND)
    if isinstance(parsed, Skip):
        fail(f"PatchMedic leaves {path} alone: {parsed.reason}", EXIT_NOT_FOUND)
    assert isinstance(body, dict)
    # The local cloud has one account and Region; an event of another one would not reach its bus.
    return {**body, "account": ACCOUNT, "region": REGION}


def _signals_in(body: dict[str, Any]) -> tuple[Signal, ...]:
    parsed = parse_event(body)
    assert isinstance(parsed, tuple), "the event was parsed before"
    return parsed


def _incidents_of(cloud: LocalCloud, body: dict[str, Any], progress: Any) -> tuple[Incident, ...]:
    """The incidents that come of an event, at rest; none when it opens none."""
    wanted = {s.node.node_id for s in _signals_in(body) if s.node_id and not s.is_recovery}
    if not wanted and not story.wait_first(cloud, FIRST_SECONDS_MAX):
        return ()
    found = story.wait_settled(cloud, wanted, progress, SETTLE_SECONDS_MAX)
    story.wait_told(cloud)
    return found


def _run_what_it_tells_of(cloud: LocalCloud, body: dict[str, Any], progress: Any) -> None:
    """Let the command, association or window of the event have run, so that there is a failure.

    A command runs quietly, for the event tells of it; an association and a window raise their own
    events beside it, as in AWS.  What the scenario does not have cannot run.
    """
    known = {node.node_id for node in story.nodes_of(cloud)}
    for told in _signals_in(body):
        run: dict[str, Any] = {}
        if told.is_recovery:
            continue
        if told.command_id and told.document and told.node_id in known:
            path, run = (
                "patch",
                {
                    "nodes": [told.node_id],
                    "document": told.document,
                    "command_id": told.command_id,
                    "events": False,
                },
            )
        elif told.association_id:
            path, run = "association", {"id": told.association_id}
        elif told.window_id:
            path, run = "window", {"id": told.window_id}
        if not run:
            continue
        progress(f"the {path} that it tells of runs")
        try:
            cloud.admin("POST", path, run)
        except click.ClickException as error:
            progress(f"it cannot: {error.message}")
            continue
        if told.command_id:
            story.wait_run(cloud, told.command_id, SETTLE_SECONDS_MAX)


@cli.command()
def demo() -> None:
    """Play a night of failed patch runs on your machine: no AWS account needed.

    \b
    Example:
      patchmedic demo
    """
    project = find_project()
    console = tables.console()
    started = time.monotonic()
    progress = _progress(quiet=False)
    scenario = project.root / "local" / "scenarios" / "story.yaml"
    with _interruptible(), LocalCloud(project, [scenario], state=project.state_of("demo")) as cloud:
        cloud.build(progress)
        cloud.deploy(progress)
        try:
            found = story.play(cloud, progress, SETTLE_SECONDS_MAX)
        except TimeoutError as error:
            raise click.ClickException(
                f"the story did not end in time: {error}; the log is {cloud.state / 'cloud.log'}"
            ) from error
        console.print()
        console.print(tables.incidents_table(_in_order(found), story.now()))
        _print_outbox(cloud)
    _print_next(console, found, time.monotonic() - started)


_ORDER = ("resolved", "waits for approval", "escalated", "recommended", "suppressed")


def _in_order(found: Iterable[Incident]) -> list[Incident]:
    """The fixed ones first, then what a person has to do, then what needs nobody."""

    def key(incident: Incident) -> tuple[int, str]:
        outcome = tables.outcome_of(incident)
        rank = _ORDER.index(outcome) if outcome in _ORDER else len(_ORDER)
        return rank, incident.node_name or incident.node.node_id

    return sorted(found, key=key)


def _print_outbox(cloud: LocalCloud) -> None:
    """The messages, by channel, as paths that can be pasted behind ``cat``."""
    paths = list(cloud.outbox())
    for channel, heading in (("email", "e-mails"), ("pager", "pager messages")):
        of_channel = [p for p in paths if p.parent.name == channel]
        click.echo(f"\n{heading} ({len(of_channel)}):")
        for path in of_channel:
            click.echo(f"  {_relative(path)}")
    texts = [p for p in paths if p.parent.name == "sms"]
    if texts:
        click.echo(f"\ntext messages ({len(texts)}): {_relative(texts[0].parent)}")


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _print_next(console: Console, found: tuple[Incident, ...], seconds: float) -> None:
    console.print(f"\n{len(found)} incidents in {seconds:.0f} s; nothing is left running.")
    console.print("Next, keep the local cloud running and look around:")
    console.print("  .envs/dev/bin/patchmedic local up")


@cli.group()
def local() -> None:
    """The local cloud: an embedded AWS with a simulated fleet, without an account.

    \b
    Examples:
      patchmedic local up
      eval "$(patchmedic local env)"
    """


@local.command()
@click.option("--port", default=4566, show_default=True, type=click.IntRange(1024, 65535))
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Nodes and their faults (several are allowed); default: the demo's story.",
)
def up(port: int, scenarios: tuple[Path, ...]) -> None:
    """Start the local cloud, deploy the stack into it and keep it running until Ctrl-C.

    \b
    Examples:
      patchmedic local up
      patchmedic local up --port 5000 --scenario local/scenarios/healthy.yaml

    \b
    Then, in another terminal:
      eval "$(patchmedic local env)"
      aws ssm describe-instance-information
      patchmedic incidents
    """
    project = find_project()
    paths = scenarios or (project.root / "local" / "scenarios" / "story.yaml",)
    progress = _progress(quiet=False)
    with _interruptible(), LocalCloud(project, paths, port, project.state_of("local")) as cloud:
        cloud.build(progress)
        cloud.deploy(progress)
        click.echo(f"the local cloud answers at {cloud.endpoint}; Ctrl-C stops it")
        click.echo('in another terminal: eval "$(patchmedic local env)"')
        sys.exit(cloud.wait())


@local.command()
def env() -> None:
    """Print the settings that point the AWS CLI and SDKs at the local cloud.

    \b
    Example:
      eval "$(patchmedic local env)"
    """
    path = find_project().state_of("local") / "env"
    if not path.is_file():
        fail("the local cloud was never started; start it: patchmedic local up", 1)
    exports = path.read_text(encoding="utf-8")
    if not is_running(exports):
        fail("the local cloud does not run (any more); start it: patchmedic local up", 1)
    click.echo(exports, nl=False)


class _interruptible:  # noqa: N801 - reads as a word in a with statement
    """Ctrl-C and SIGTERM end the command through its ``with`` blocks, so that nothing stays."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, lambda *_: self._interrupt())

    @staticmethod
    def _interrupt() -> NoReturn:
        raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def _progress(*, quiet: bool) -> Any:
    """Says what is going on, on stderr, with the seconds since the start."""
    started = time.monotonic()

    def say(text: str) -> None:
        if not quiet:
            click.echo(f"[{time.monotonic() - started:5.1f} s] {text}", err=True)

    return say
