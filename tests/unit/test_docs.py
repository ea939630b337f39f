"""The documentation says what is true, as far as a machine can tell."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from cloudformation import ROOT, load_template

from patchmedic.cli.main import cli
from patchmedic.incident import TRANSITIONS, State

DOCS = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    + [ROOT / "events" / "README.md", ROOT / "local" / "README.md"]
    + [ROOT / "benchmarks" / "README.md"]
    + list((ROOT / "docs").rglob("*.md"))
)
ARCHITECTURE = ROOT / "docs" / "architecture" / "README.md"
PACKAGE = ROOT / "layers" / "patchmedic" / "patchmedic"
TEMPLATE = load_template(ROOT / "template.yaml")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_in(path: Path) -> Iterator[str]:
    """Every line of a code block (continued ones joined) and every inline code."""
    yield from lines_in(path)
    yield from inline_in(path)


def lines_in(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language != "mermaid":
            yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())


def inline_in(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (code.strip() for code in re.findall(r"`([^`\n]+)`", outside))


def uses(code: str, program: str) -> Iterator[list[str]]:
    """Each use of a program as its arguments; a pipe, redirection or comment ends it."""
    for found in re.finditer(rf"(?:^|[\s(/]){program}(?=\s)([^;|)<>#]*)", code):
        before = code[: found.start()]
        # The first words of a command, or what stands in $(...) or behind a pipe.
        if not before.strip() or re.search(r"(\$\(|[;|&]|bin|or:)\s*$", before):
            yield shlex.split(found[1])


def examples(program: str) -> list[tuple[str, list[str]]]:
    """Every use in a code block, and every one in running text that is more than a name."""
    return [
        (name_of(document), arguments)
        for document in DOCS
        for form in (lines_in, inline_in)
        for code in form(document)
        for arguments in uses(code, program)
        if form is lines_in or len(arguments) > 1
    ]


def names(program: str) -> list[tuple[str, str]]:
    """What running text calls a command by: its first word."""
    found = [
        (name_of(document), arguments[0])
        for document in DOCS
        for code in inline_in(document)
        for arguments in uses(code, program)
        if len(arguments) == 1
    ]
    return sorted(set(found))


def parse(arguments: list[str]) -> None:
    """Let click read the arguments, down to the command, without running it."""
    command: click.Command = cli
    # With the group's settings: click keeps the help option that it makes first in the command.
    context = click.Context(cli, info_name="patchmedic", **cli.context_settings)
    rest = list(arguments)
    while isinstance(command, click.Group):
        assert rest, "names no command"
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.parse_args(context, rest)


CLI_EXAMPLES = examples("patchmedic")
SAM_EXAMPLES = examples("sam")


@pytest.mark.parametrize(("document", "arguments"), CLI_EXAMPLES)
def test_an_example_of_the_command_parses(
    document: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "some-patch-output.log"
    own.touch()
    monkeypatch.chdir(ROOT)
    parse([str(own) if a == own.name else a for a in arguments])


@pytest.mark.parametrize(("document", "name"), names("patchmedic"))
def test_a_command_that_the_text_names_exists(document: str, name: str) -> None:
    assert name in cli.commands, document


def test_the_examples_were_found() -> None:
    named = {arguments[0] for document, arguments in CLI_EXAMPLES if document == "README.md"}
    assert named >= {"classify", "causes", "replay", "local", "incidents", "approve"}
    invoked = [a for document, a in SAM_EXAMPLES if document == "events/README.md"]
    assert len([a for a in invoked if a[:2] == ["local", "invoke"]]) >= 25
    assert names("patchmedic")


@pytest.mark.parametrize(("document", "arguments"), SAM_EXAMPLES)
def test_an_example_of_sam_names_a_function_and_an_event_that_exist(
    document: str, arguments: list[str]
) -> None:
    assert arguments[0] in ("build", "deploy", "local", "validate")
    if arguments[:2] != ["local", "invoke"] or len(arguments) == 2:
        return
    assert TEMPLATE["Resources"][arguments[2]]["Type"] == "AWS::Serverless::Function"
    event = ROOT / arguments[arguments.index("-e") + 1]
    json.loads(event.read_text(encoding="utf-8"))


def test_every_sample_event_has_a_line_in_its_readme_and_every_line_an_event() -> None:
    folder = ROOT / "events"
    text = (folder / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    named |= set(re.findall(r"`(bad/not-json\.txt)`", text))
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert named == present - {"README.md"}


# --- make, paths, links -------------------------------------------------------------------------


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):(?!=)", text, re.MULTILINE))


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_the_make_targets_that_are_named_exist(path: Path) -> None:
    for code in code_in(path):
        for target in re.findall(r"^make ([a-z-]+)", code):
            assert target in make_targets(), f"{name_of(path)} names make {target}"


def test_every_make_target_is_phony_and_explained() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE))
    assert phony == make_targets()
    parts_of_lint = {target for target in phony if target.startswith("lint-")}
    assert set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)) == phony - parts_of_lint


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", link):
            assert (path.parent / link.partition("#")[0]).exists(), f"{name_of(path)}: {link}"


TOP = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
INSIDE = tuple(f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir())
"""Folders of the package, which texts for its readers name without the way there."""


def exists(word: str) -> bool:
    """Whether a path of the repository exists; what follows a placeholder does not count."""
    where = PACKAGE if word.startswith(INSIDE) else ROOT
    known = re.split(r"[<>*…$]", word)[0]
    if known != word:
        known = known.rpartition("/")[0]
    return (where / known).exists() or (where / f"{known}.py").exists()


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_paths_in_the_repository_exist(path: Path) -> None:
    for code in code_in(path):
        for part in code.split():
            word = part.rstrip(".,:;")
            if word.startswith(TOP + INSIDE):
                assert exists(word), f"{name_of(path)} names {word}"


# --- README -------------------------------------------------------------------------------------


def test_the_readmes_parameters_exist_with_the_defaults_that_it_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| parameter | default | meaning |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", table, re.MULTILINE)
    assert len(rows) >= 7
    for names, defaults in rows:
        parameters = re.findall(r"`(\w+)`", names)
        said = [] if defaults == "empty" else re.findall(r"`(\w+)`", defaults)
        for number, name in enumerate(parameters):
            default = TEMPLATE["Parameters"][name]["Default"]
            assert str(default) == (said[number] if said else ""), name


def test_the_readmes_modes_and_outcomes_are_those_of_the_code() -> None:
    from patchmedic.model import Mode, Outcome

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for word in [m.value for m in Mode] + [o.value for o in Outcome]:
        assert f"`{word}`" in text, word


def test_the_limits_of_the_schedules_in_the_cost_section() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    per_month = {"rate(1 minute)": 60 * 24 * 30, "rate(5 minutes)": 12 * 24 * 30}
    for function in ("SweepFunction", "WatchFunction"):
        (schedule,) = TEMPLATE["Resources"][function]["Properties"]["Events"].values()
        runs = per_month[schedule["Properties"]["ScheduleExpression"]]
        assert f"{function.removesuffix('Function').lower()} {runs:,}" in text
    assert f"at {TEMPLATE['Globals']['Function']['MemorySize']} MB" in text


def test_the_kill_switch_has_the_name_and_the_word_that_the_readme_says() -> None:
    switch = TEMPLATE["Resources"]["KillSwitch"]["Properties"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    name = switch["Name"]["Fn::Sub"].replace("${AWS::StackName}", "<stack>")
    assert f"`{name}` to anything but `{switch['Value']}`" in text


# --- architecture -------------------------------------------------------------------------------


def mermaid(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```mermaid\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_diagrams_are_balanced(path: Path) -> None:
    closing = {")": "(", "]": "[", "}": "{"}
    for diagram in mermaid(path):
        assert diagram.split()[0] in ("flowchart", "stateDiagram-v2", "sequenceDiagram")
        for line in diagram.splitlines():
            assert line.count('"') % 2 == 0, line
            opened: list[str] = []
            for character in re.sub(r'"[^"]*"', "", line):
                if character in "([{":
                    opened.append(character)
                elif character in closing:
                    assert opened, line
                    assert opened.pop() == closing[character], line
            assert not opened, line


def test_the_diagrams_name_every_function_and_every_state() -> None:
    flow, states = mermaid(ARCHITECTURE)
    for app in (ROOT / "functions").glob("*/app.py"):
        assert re.search(rf"\b{app.parent.name}\b", flow), app.parent.name
    drawn = set(re.findall(r"\b([a-z_]+) -->", states)) | set(re.findall(r"--> ([a-z_]+)", states))
    assert drawn == {state.value.replace("-", "_") for state in State}
    assert TRANSITIONS, "which the document names as the table of transitions"


def test_the_names_of_the_code_that_the_architecture_mentions_exist() -> None:
    source = "\n".join(p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py"))
    for code in code_in(ARCHITECTURE):
        called = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", code)
        if called and not (PACKAGE / code).exists():
            module, name = called.groups()
            text = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
            assert re.search(rf"^(def|class) {name}\b", text, re.MULTILINE), code
        if re.fullmatch(r"[A-Z_]{4,}", code):
            assert re.search(rf"^{code}\b", source, re.MULTILINE), code


# --- the repository as a whole ------------------------------------------------------------------

# Spelled in parts, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w.$}/-])/" + "work" + r"(?:/|\b(?![\w-]))",
            r"\.\./" + "shared",
            r"/(?:home|Users)/" + r"(?!user\b|\.\.\.)[a-z]\w+/",
            r"/tmp/" + r"x/",
            r"/root/" + r"\.(?:cache|venv|local)",
        ]
    )
)


def repository_files() -> list[Path]:
    """Tracked files, and new ones that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [path for n in listed.stdout.decode().split("\0") if n and (path := ROOT / n).is_file()]


def test_no_file_mentions_a_path_of_the_machine_it_was_written_on() -> None:
    found = []
    for path in repository_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cd /" + "work/main", True),
        ("see ../" + "shared/x.md", True),
        ("/home/" + "ann/x", True),
        ("/var/task/" + "work/x", False),
        ("https://example.com/" + "work/x", False),
        ("the work/life balance", False),
    ],
)
def test_the_search_for_machine_paths(text: str, found: bool) -> None:
    assert bool(MACHINE.search(text)) is found
