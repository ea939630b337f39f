"""Each key of a catalogue file leads back to the line on which its author wrote it."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchmedic.causes.catalogue import DATA
from patchmedic.causes.source import Path, Problem, Source, key_lines, read_source

DOCUMENT = """\
# A comment with [a] = "header" in it.
id = "x" # and [[another]]
"quoted.key" = 1
dotted . name = { inner = [1, 2], other = '''
[[not-a-table]]
pattern = 2
''' }
list = [
  "one", # first
  # none
  "two", [ 3,
    4 ],
]
when = 1979-05-27 07:32:00
[title]
en = \"\"\"
[[signature]]
weight = 1 \\"\"\"\"
ja = "a \\" ] # b"
[deep.er]
[[signature]]
pattern = '[[signature]]'
[[signature]]

weight = 2
[[signature.part]]
x = 1
[[signature.part]]
[signature.part.more]
y = ''''quoted''''
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("id",), 2),
        (("quoted.key",), 3),
        (("dotted",), 4),
        (("dotted", "name"), 4),
        (("dotted", "name", "inner", 1), 4),
        (("dotted", "name", "other"), 4),
        (("list",), 8),
        (("list", 0), 9),
        (("list", 1), 11),
        (("list", 2, 1), 12),
        (("when",), 14),
        (("title",), 15),
        (("title", "en"), 16),
        (("title", "ja"), 19),
        (("deep", "er"), 20),
        (("signature",), 21),
        (("signature", 0), 21),
        (("signature", 0, "pattern"), 22),
        (("signature", 1), 23),
        (("signature", 1, "weight"), 25),
        (("signature", 1, "part", 0, "x"), 27),
        (("signature", 1, "part", 1), 28),
        (("signature", 1, "part", 1, "more", "y"), 30),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_where_things_stand(path: Path, line: int, line_break: str) -> None:
    assert key_lines(DOCUMENT.replace("\n", line_break))[path] == line


def paths(value: Any, here: Path = ()) -> set[Path]:
    """Every key and array item that the real parser found."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    found = {(*here, key) for key, _ in inside}
    return found.union(*(paths(part, (*here, key)) for key, part in inside))


def test_nothing_is_left_out_and_nothing_made_up() -> None:
    assert set(key_lines(DOCUMENT)) == paths(tomllib.loads(DOCUMENT))


@pytest.mark.parametrize("file", sorted(DATA.glob("*.toml")), ids=lambda file: file.stem)
def test_the_catalogues_own_files(file: Any) -> None:
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = key_lines(text)
    assert set(found) == paths(tomllib.loads(text))
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert re.search(rf"\b{re.escape(path[-1])}\b", lines[line - 1]), (path, line)


# --- any document ---------------------------------------------------------------------------------

KEYS = st.text("abc-_9", min_size=1, max_size=4) | st.text('a."\\\n#[]= é', max_size=4)
TEXTS = st.text("a\"'\\\n#[]{}=,. \té", max_size=12)
SCALARS = (
    st.integers(-9, 9)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.datetimes()
    | st.dates()
    | TEXTS
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
BETWEEN = st.sampled_from(["\n", "\n\n", " # [[comment]] = 'x'\n", "\t\n  "])


def written(draw: st.DrawFn, value: Any) -> str:
    """A value in one of the ways in which TOML lets people write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        between = draw(BETWEEN)
        return f"[{between}" + f",{between}".join(written(draw, part) for part in value) + "]"
    if isinstance(value, str):
        return string(draw, value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat(sep=" ") if hasattr(value, "hour") else value.isoformat())
    return repr(value)


def string(draw: st.DrawFn, text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    ways = ['"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"']
    ways.append(f'"""\n{escaped}"""')
    if "'" not in text and "\n" not in text:
        ways.append(f"'{text}'")
    if "''" not in text and not text.startswith("'"):
        ways.append(f"'''\n{text}'''")
    return draw(st.sampled_from(ways))


def key_of(draw: st.DrawFn, name: str) -> str:
    bare = bool(re.fullmatch(r"[A-Za-z0-9_-]+", name))
    if bare and draw(st.booleans()):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@st.composite
def documents(draw: st.DrawFn) -> str:
    """TOML: keys, then tables and arrays of tables, with comments and odd spacing."""
    parts: list[str] = []

    def pairs() -> None:
        for name, value in draw(st.dictionaries(KEYS, VALUES, max_size=3)).items():
            parts.append(f"{key_of(draw, name)} = {written(draw, value)}{draw(BETWEEN)}")

    pairs()
    known = set(tomllib.loads("".join(parts)))
    for name in draw(st.lists(KEYS, max_size=3, unique=True)):
        if name in known:
            continue
        array = draw(st.booleans())
        for _ in range(draw(st.integers(1, 3)) if array else 1):
            header = key_of(draw, name)
            parts.append((f"[[{header}]]" if array else f"[ {header} ]") + draw(BETWEEN))
            pairs()
    return "".join(parts)


@given(documents())
def test_any_document_is_walked_over_as_the_parser_does(text: str) -> None:
    found = key_lines(text)
    assert set(found) == paths(tomllib.loads(text))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(documents(), st.integers(0, 3))
def test_lines_move_with_what_is_put_above(text: str, more: int) -> None:
    before = key_lines(text)
    assert key_lines("# more\n" * more + text) == {p: line + more for p, line in before.items()}


@given(st.binary(max_size=200) | documents().map(str.encode))
def test_any_bytes_are_a_source_or_a_problem(raw: bytes) -> None:
    found = read_source("own-x.toml", raw)
    if isinstance(found, Source):
        assert set(key_lines(found.text)) == paths(found.table)
        located = found.locate(Problem("own-x.toml", "a", "b", ("nowhere", 3)))
        assert located.line == 1
    else:
        assert str(found).startswith("own-x.toml")
        assert found.line is None or 1 <= found.line <= raw.count(b"\n") + 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a = 1\nb = \xff", "x.toml:2: is not UTF-8: invalid start byte"),
        (b"a = 1\nb =\n", "x.toml:2: is not TOML: Invalid value"),
        (b'a = 1\nb = "open', "x.toml:2: is not TOML: Unterminated string"),
        (b"a = 1\n[b\n", "x.toml:2: is not TOML: Expected ']' at the end of a table declaration"),
        (b"a = 1\na = 2\n", "x.toml:2: is not TOML: Cannot overwrite a value"),
        (b"a = " + b"[" * 5_000, "x.toml: is nested too deeply"),
        (b"a = 1\n" + b"a . " * 9_000 + b"b = 1", "x.toml:2: is nested too deeply"),
        (b"[" + b"'a'." * 9_000 + b"b]", "x.toml:1: is nested too deeply"),
        (b"a = " + b"9" * 5_000, "x.toml: is not TOML: Exceeds the limit"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(raw: bytes, said: str) -> None:
    found = read_source("x.toml", raw)
    assert isinstance(found, Problem)
    assert str(found).startswith(said)


def test_a_byte_order_mark_is_no_mistake() -> None:
    found = read_source("x.toml", b"\xef\xbb\xbfa = 1\n")
    assert isinstance(found, Source)
    assert found.table == {"a": 1}
