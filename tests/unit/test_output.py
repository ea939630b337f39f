"""Beginning and end of an output put together, and what is said of a line's place in it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patchmedic.causes.catalogue import load_catalogue
from patchmedic.model import Candidate, Classification, Evidence, SupportingLine
from patchmedic.output import (
    STDERR_CHARACTERS_MAX,
    STDOUT_CHARACTERS_MAX,
    is_cut,
    is_cut_anywhere,
    joined,
    name_tails,
    storable,
)
from patchmedic.ports import StreamEnd
from patchmedic.reading import read_evidence

GAP = re.compile(r"\n\[PatchMedic: .* left out here, the end follows\]\n")
LINES = "".join(f"line {n}\n" for n in range(400))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("x" * 100, True),
        ("x" * 99, False),
        ("some text\n--output truncated--", True),
        ("some text\n---Output truncated---\n", True),
        ("some text\n---Error truncated----", True),
        ("--output truncated-- said the program, and went on", False),
        ("", False),
    ],
)
def test_a_cut_output_shows(text: str, cut: bool) -> None:
    assert is_cut(text, 100) is cut


def test_in_an_excerpt_stdout_may_be_cut_before_stderr_stands() -> None:
    excerpt = "abc\n---Output truncated---\n----------ERROR-------\nfailed to run commands"
    assert is_cut_anywhere(excerpt, 2_500)
    assert not is_cut_anywhere("abc\n----------ERROR-------\nfailed to run commands", 2_500)


def test_without_an_end_the_beginning_is_all() -> None:
    assert joined("head", None, 100) == "head"


def test_a_whole_stream_replaces_its_beginning() -> None:
    assert joined("line 0\n--output truncated--", StreamEnd(LINES, 0), 4_000) == LINES


def test_a_gap_is_said_with_its_size() -> None:
    head, tail = LINES[:1_000], LINES[-1_000:]
    text = joined(f"{head}\n--output truncated--", StreamEnd(tail, len(LINES) - len(tail)), 1_050)
    assert text.startswith(head.rstrip())
    assert text.endswith("line 398\nline 399\n")
    assert "--output truncated--" not in text
    (said,) = re.findall(r"about ([0-9,]+) bytes", text)
    missing = int(said.replace(",", ""))
    assert abs(missing - (len(LINES) - 2_000)) <= 20


def test_a_gap_of_unknown_size_is_said_without() -> None:
    assert "a part is left out here" in joined("head\n", StreamEnd("tail\n", None), 100)


def test_where_beginning_and_end_overlap_nothing_is_doubled() -> None:
    head = f"{LINES[:2_000]}\n--output truncated--"
    assert joined(head, StreamEnd(LINES[1_500:], 1_500), 4_000) == LINES


def test_a_long_whole_stream_is_bounded_too() -> None:
    text = joined("", StreamEnd(LINES, 0), 1_000)
    assert GAP.search(text)
    assert text.startswith("line 0\n") and text.endswith("line 399\n")


@given(
    head=st.text(max_size=300),
    tail=st.text(max_size=900),
    before=st.none() | st.integers(0, 10**9),
    most=st.integers(1, 250),
)
def test_any_two_parts_stay_bounded_and_end_with_the_end(
    head: str, tail: str, before: int | None, most: int
) -> None:
    text = joined(head[:most], StreamEnd(tail, before), most)
    assert len(text) <= 2 * most + 120
    assert text.endswith(tail[-min(most // 2, len(tail)) :] if tail and most > 1 else "")


@given(st.text(alphabet=st.characters(), max_size=60))
@example("\ud800")  # half of a character, which UTF-8 has no form for
@example("\x1b")
def test_whatever_a_node_prints_fits_into_a_record(bit: str) -> None:
    """400 KB of DynamoDB's, for both streams and everything else of the incident."""
    much = (bit or "x") * (2 * STDOUT_CHARACTERS_MAX)
    streams = (much[: 2 * STDOUT_CHARACTERS_MAX], much[: 2 * STDERR_CHARACTERS_MAX])
    size = sum(len(json.dumps(storable(s), ensure_ascii=False).encode()) for s in streams)
    assert size < 320_000


def test_an_ordinary_text_is_stored_as_it_is() -> None:
    coloured = "\x1b[31merror\x1b[0m\r\n" * 1_000
    assert storable(coloured) == coloured


# --- what a line of it is called -----------------------------------------------------------------


def _named(stdout: str, *lines: int) -> list[tuple[str, int]]:
    found = Candidate("x", 0.9, tuple(SupportingLine("stdout", n, "t") for n in lines))
    named = name_tails(Classification((found,), "v"), Evidence(stdout=stdout))
    return [(line.stream, line.line) for line in named.candidates[0].lines]


def test_lines_before_the_gap_keep_their_number_and_later_ones_count_from_the_end() -> None:
    text = joined("a\nb\nc\n", StreamEnd("x\ny\nz\n", 10_000), 6)
    lines = text.splitlines()
    assert lines[-3:] == ["x", "y", "z"]
    at = lines.index("y") + 1
    assert _named(text, 2, at, len(lines)) == [
        ("stdout", 2),
        ("stdout tail", 2),
        ("stdout tail", 1),
    ]


def test_without_a_gap_every_line_keeps_its_number() -> None:
    assert _named(LINES, 1, 400) == [("stdout", 1), ("stdout", 400)]


def test_the_real_classifier_believes_the_end_and_says_that_it_is_the_tail() -> None:
    chatter = "".join(f"  Verifying  : package-{n}.x86_64\n" for n in range(2_000))
    tail = "tar: ./x: Cannot write: No space left on device\nfailed\n"
    evidence = Evidence(
        platform="linux",
        status="Failed",
        response_code=1,
        stdout=joined(chatter[:24_000], StreamEnd(chatter[-5_000:] + tail, 90_000), 24_000),
    )
    found = read_evidence(evidence, load_catalogue())
    assert found.cause == "disk-full"
    assert [(line.stream, line.line) for line in found.candidates[0].lines] == [("stdout tail", 2)]


def test_the_line_of_the_gap_itself_means_nothing() -> None:
    catalogue = load_catalogue()
    for end in (StreamEnd("more\n", 10**9), StreamEnd("more\n", None)):
        text = joined("less\n", end, 100)
        assert read_evidence(Evidence(stdout=text), catalogue).candidates == ()
