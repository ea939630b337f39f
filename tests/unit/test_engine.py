"""The search over all patterns, and the making readable of what it searches.

The search is held to a plain one that tries every pattern on every line.  Speed is held by
``benchmarks/classify.py``.
"""

from __future__ import annotations

import json
import random
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from patchmedic.causes.catalogue import DATA, load_files
from patchmedic.causes.classifier import classify
from patchmedic.causes.engine import (
    CHUNK_BYTES,
    LINES_KEPT_MAX,
    LONG_LINE_BYTES,
    NOISE_LINE_BYTES_MAX,
    SPAN_BYTES_MAX,
    Engine,
    Scan,
)
from patchmedic.causes.literals import EVERYDAY, search_plan
from patchmedic.causes.schema import Noise, PatternError, Signature, compile_pattern
from patchmedic.causes.text import BACKSPACES_MAX, CleanText, clean, unwrap
from patchmedic.model import Classification, Evidence

CATALOGUE = load_files(DATA)
SIGNATURES = [each for cause in CATALOGUE.causes.values() for each in cause.signatures]
PATTERNS: tuple[Signature | Noise, ...] = (*SIGNATURES, *CATALOGUE.noise)
REGEXES = {entry.pattern: compile_pattern(entry.pattern) for entry in PATTERNS}
PLANS = {entry.pattern: search_plan(entry.pattern, entry.literals) for entry in PATTERNS}
SAMPLES: list[dict[str, Any]] = [
    json.loads(line)
    for path in sorted((Path(__file__).parent.parent / "samples").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
SAMPLE_LINES = sorted(
    {line for each in SAMPLES for key in ("stdout", "stderr") for line in each[key].splitlines()}
)
LOCKED = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 20411 (apt)"
FULL = "OSError: [Errno 28] No space left on device"


def signature(pattern: str, cause: str = "x", **fields: Any) -> Signature:
    return Signature(cause, pattern, (), 0.9, **fields)


def noise(pattern: str, lines_before: int = 0) -> Noise:
    return Noise(pattern, pattern, (), "harmless", lines_before)


def scan(text: str, *patterns: Signature | Noise) -> Scan:
    signatures = [each for each in patterns if isinstance(each, Signature)]
    noises = [each for each in patterns if isinstance(each, Noise)]
    return Engine(signatures, noises).scan(clean(text), None, "stdout")


def lines_of(text: str, pattern: str, *others: Signature | Noise) -> list[int]:
    """The lines on which a pattern counts, first to last."""
    hits = scan(text, signature(pattern), *others).hits
    return [place.line for hit in hits if hit.signature.pattern == pattern for place in hit.places][
        ::-1
    ]


def seen(stdout: str, **fields: Any) -> Classification:
    return classify(Evidence(stdout=stdout, **fields), CATALOGUE)


# --- the search does what trying every pattern on every line does --------------------------------


def plain_scan(text: CleanText) -> tuple[list[tuple[str, list[int]]], list[tuple[str, int]]]:
    """Signatures and noise with the lines that count, last first, found the long way."""
    bounds: list[tuple[int, int]] = []
    start = 0
    for line in text.raw.split(b"\n"):
        bounds.append((start, start + len(line)))
        start += len(line) + 1

    def matching(entry: Signature | Noise) -> list[int]:
        regex = REGEXES[entry.pattern]
        return [n for n, (low, high) in enumerate(bounds) if regex.search(text.raw[low:high])]

    silent: set[int] = set()
    named = []
    for entry in CATALOGUE.noise:
        found = matching(entry)
        named += [(entry.name, found[-1])] if found else []
        for number in found:
            if bounds[number][1] - bounds[number][0] <= NOISE_LINE_BYTES_MAX:
                silent.update(range(max(0, number - entry.lines_before), number + 1))
    hits = []
    for each in SIGNATURES:
        found = [number for number in matching(each) if number not in silent]
        if found and "stdout" in each.streams:
            hits.append((each.pattern, found[: -LINES_KEPT_MAX - 1 : -1]))
    return hits, named


def as_plain(found: Scan, text: CleanText) -> tuple[list[tuple[str, list[int]]], Any]:
    def line(offset: int) -> int:
        return text.raw.count(b"\n", 0, offset)

    return (
        [(hit.signature.pattern, [line(p.offset) for p in hit.places]) for hit in found.hits],
        [(each.name, line(place.offset)) for each, place in found.noise],
    )


@st.composite
def matched_texts(draw: st.DrawFn) -> str:
    """A text that some pattern of the catalogue matches, as far as Python's engine reads it."""
    pattern = draw(st.sampled_from(PATTERNS)).pattern
    try:
        made = draw(st.from_regex(re.compile(pattern, re.IGNORECASE | re.ASCII)))
    except re.error:  # what only RE2 understands
        return "\\z"
    return "".join(made.splitlines())[:300]


LINES = st.one_of(
    st.sampled_from(SAMPLE_LINES),
    matched_texts(),
    st.sampled_from(SAMPLE_LINES).map(str.upper),
    st.builds(lambda line, cut: line[cut:], st.sampled_from(SAMPLE_LINES), st.integers(1, 30)),
    st.text(max_size=20),
)


@settings(deadline=None, max_examples=60)
@given(lines=st.lists(LINES, min_size=1, max_size=25))
def test_the_search_finds_what_trying_everything_everywhere_finds(lines: list[str]) -> None:
    text = CleanText("\n".join(lines).encode("utf-8", "replace").replace(b"\v", b""))
    assume(max(map(len, text.raw.split(b"\n"))) <= SPAN_BYTES_MAX)
    found = CATALOGUE.engine.scan(text, None, "stdout")
    assert as_plain(found, text) == plain_scan(text)


@settings(deadline=None, max_examples=200)
@given(text=matched_texts(), case=st.sampled_from([str.upper, str.lower, str]))
def test_what_a_pattern_matches_has_the_texts_of_its_plan(
    text: str, case: Callable[[str], str]
) -> None:
    printed = "".join(case(c) if c.isascii() else c for c in text)
    lower = printed.encode("utf-8", "replace").lower().decode()
    for pattern, plan in PLANS.items():
        fits = any(
            all(any(each in lower for each in group) for group in groups) for groups, _ in plan
        )
        sure = any(each in lower for groups, whole in plan if whole for each in groups[0])
        matches = REGEXES[pattern].search(lower) is not None
        assert fits or not matches, pattern
        assert matches or not sure, pattern


@pytest.mark.parametrize(
    ("pattern", "plan"),
    [
        ("no space left", ((("no space left",),), True)),
        ("(?:No Space left)", ((("no space left",),), True)),
        ("could(?: not|n't) open", ((("could not open", "couldn't open"),), True)),
        ("https?://mirror", ((("http://mirror", "https://mirror"),), True)),
        ("line [12]2", ((("line 12", "line 22"),), True)),
        ("dead[ -]line", ((("dead line", "dead-line"),), True)),
        (r"\bdenied\b", ((("denied",),), False)),
        ("^denied", ((("denied",),), False)),
        ("lock.*held by process", ((("held by process",), ("lock",)), False)),
        ("lock(?:ed)+ by", ((("locked",), (" by",)), False)),
        (r"errno \d+\] no space", ((("] no space",), ("errno ",)), False)),
        ("lock [a-z]+ held", ((("lock ",), (" held",)), False)),
        ("(?:.*xyz|abc.*)tail", ((("tail",), ("abc", "xyz")), False)),
        ("(?:.*|abc)long tail", ((("long tail",),), False)),
        ("x{2}lock", ((("lock",),), False)),
        ("ééé É", ((("ééé É", "ééé é"),), True)),
        ("デバイスに.*ありません", ((("デバイスに",), ("ありません",)), False)),
    ],
)
def test_the_plan_of_a_pattern(pattern: str, plan: object) -> None:
    assert search_plan(pattern) == (plan,)


def test_each_alternative_has_a_plan_of_its_own() -> None:
    plan = search_plan("no space left|disk .* full")
    assert plan == (((("no space left",),), True), ((("disk ",), (" full",)), False))


def test_a_text_that_every_run_prints_is_looked_for_last() -> None:
    assert "succeeded" in EVERYDAY
    (groups, _), *_ = search_plan("succeeded .*oddity")
    assert groups == (("oddity",), ("succeeded ",))


def test_proven_literals_are_taken_where_the_pattern_shows_less() -> None:
    assert search_plan("(?:a.|b.)c", ["the very text"]) == (((("the very text",),), False),)
    assert search_plan("the very text|other text", ["te"])[0] == ((("the very text",),), True)


@pytest.mark.parametrize("pattern", ["a.c", ".*", "(?:abc)*", "abc|.*", "(", r"\d{3}"])
def test_a_pattern_that_cannot_be_looked_for_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        search_plan(pattern)
    with pytest.raises(PatternError):
        Engine([signature(pattern)], [])


def test_every_pattern_of_the_catalogue_can_be_looked_for() -> None:
    for entry in PATTERNS:
        for groups, _ in PLANS[entry.pattern]:
            assert groups, entry.pattern
            assert all(len(text.encode()) >= 3 for text in groups[0]), entry.pattern


# --- which lines count ---------------------------------------------------------------------------


def test_the_last_lines_are_kept_last_first() -> None:
    text = "\n".join(f"bad thing {n}" for n in range(9))
    (hit,) = scan(text, signature(r"bad thing \d")).hits
    assert [place.text for place in hit.places] == ["bad thing 8", "bad thing 7", "bad thing 6"]


@pytest.mark.parametrize("pattern", ["bad thing here", r"bad \w+ here"])
def test_one_line_counts_once(pattern: str) -> None:
    line = "bad thing here " * 40
    assert lines_of(f"{line}\n{line}", pattern) == [1, 2]
    long = line * 10
    assert len(long) > LONG_LINE_BYTES
    assert lines_of(f"{long}\n{long}", pattern) == [1, 2]


@pytest.mark.parametrize("half", ["bad things are here", "bad thing", "thing here"])
def test_a_decisive_line_at_the_very_beginning_of_a_log_is_found(half: str) -> None:
    text = "bad odd thing here\n" + f"{half}\n" * 200_000
    assert lines_of(text, r"bad \w+ thing here") == [1]
    assert lines_of(text, r"bad .*ing here|thing \d here") != []


def test_between_half_matches_no_line_is_lost() -> None:
    """Many failures make the search read on in one go; that must leave out no match."""
    order = random.Random(5)
    for _ in range(30):
        lines = ["bad thing"] * 3_000
        where = sorted(order.sample(range(3_000), 2))
        for number in where:
            lines[number] = "bad thing 7 here"
        assert lines_of("\n".join(lines), r"bad thing \d here") == [n + 1 for n in where]


def test_patterns_keep_to_their_platform_and_stream() -> None:
    engine = Engine(
        [signature("bad thing", platforms=("windows",)), signature("bad", streams=("stderr",))], []
    )

    def found(platform: str | None, stream: str) -> int:
        return len(engine.scan(clean("bad thing"), platform, stream).hits)

    assert (found("windows", "stdout"), found("linux", "stdout"), found(None, "stderr")) == (
        1,
        0,
        2,
    )


def test_noise_silences_its_line_and_those_that_belong_to_it() -> None:
    text = "bad 1\nbad 2\nbad 3\nall fine\nbad 4 fine\nbad 5"
    assert lines_of(text, "bad") == [3, 5, 6]
    assert lines_of(text, "bad", noise("all fine", 2)) == [1, 5, 6]
    assert lines_of(text, "bad", noise(r"\d fine")) == [2, 3, 6]
    found = scan(text, signature("bad"), noise("all fine", 2), noise(r"\d fine"))
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    assert [start in found.silent for start in starts] == [False, True, True, True, True, False]
    assert [(each.name, place.line) for each, place in found.noise] == [
        ("all fine", 4),
        (r"\d fine", 5),
    ]


def test_silence_reaches_to_the_first_line_and_no_farther() -> None:
    text = "bad 1\nall fine\nbad 2\n" * 3
    assert lines_of(text, "bad", noise("all fine", 30)) == [9]
    assert lines_of(text, "bad", noise("all fine", 1)) == [3, 6, 9]
    assert lines_of(text, "bad", noise("all f.ne", 1)) == [3, 6, 9]


def test_noise_in_a_long_line_silences_nothing() -> None:
    long = "all fine " + "x" * NOISE_LINE_BYTES_MAX + " bad"
    assert lines_of(f"bad\n{long}", "bad", noise("all fine", 1)) == [1, 2]


def test_what_stands_in_no_line_matches_nothing() -> None:
    assert lines_of("bad\nthing", r"bad\sthing") == []
    assert lines_of("bad\n\nthing", r"bad[^x]*thing") == []


# --- long lines and long texts -------------------------------------------------------------------


@pytest.mark.parametrize("size", [1_500, 50_000, 300_000])
@pytest.mark.parametrize("pattern", ["the decisive words", r"the \w+ words", "^the.*words$"])
def test_words_anywhere_in_a_line_without_end_are_found(size: int, pattern: str) -> None:
    order = random.Random(size)
    for _ in range(12):
        at = order.randrange(size)
        text = "a" * at + " the decisive words " + "b" * (size - at)
        found = lines_of(text, pattern)
        assert found == ([] if pattern.startswith("^") else [1]), at


def test_a_long_line_begins_and_ends_only_where_it_does() -> None:
    filler = "x" * 10_000
    assert lines_of(f"the words {filler}", "^the words") == [1]
    assert lines_of(f"{filler} the words", "the words$") == [1]
    for middle in (f"{filler}the words{filler}", f"{filler} the words {filler}"):
        assert lines_of(middle, "^the words") == []
        assert lines_of(middle, "the words$") == []
        assert lines_of(middle, r"^\W*the words") == []
    assert lines_of(f"{filler}the words{filler}", r"\bthe words\b") == []
    assert lines_of(f"{filler} the words {filler}", r"\bthe words\b") == [1]


@pytest.mark.parametrize("apart", [SPAN_BYTES_MAX - 40, SPAN_BYTES_MAX + 1])
@pytest.mark.parametrize("around", [0, 5_000])
def test_words_belong_together_up_to_a_distance(apart: int, around: int) -> None:
    filler = "y" * around
    text = f"{filler} alpha {'x' * apart} omega {filler}"
    assert lines_of(text, "alpha .*omega") == ([1] if apart < SPAN_BYTES_MAX else [])
    assert lines_of(text + "alpha z omega", "alpha .*omega") == [1]
    assert lines_of(f"alpha z omega {'x' * apart} omega", "alpha .*omega") == [1]


@pytest.mark.parametrize("shift", range(-40, 41, 4))
def test_nothing_is_lost_where_the_text_is_read_in_chunks(shift: int) -> None:
    phrase = "the most decisive words of all"
    for chunk in (1, 2):
        before = "\n" * (CHUNK_BYTES * chunk + shift)
        text = f"{before}{phrase}\nafter\n" + "\n" * CHUNK_BYTES
        line = before.count("\n") + 1
        for pattern in (phrase, r"the \w+ decisive words of all", "most .* all"):
            assert lines_of(text, pattern) == [line]


def test_of_a_long_line_people_see_what_matched() -> None:
    (hit,) = scan("x " * 5_000 + "the words" + " y" * 5_000, signature("the words")).hits
    assert "the words" in hit.places[0].text and len(hit.places[0].text) <= 300


def test_fifty_kilobytes_without_a_line_break() -> None:
    step = "07/14/2026 02:13:05 root [INFO]: Loading patch snapshot "
    for text in (
        step * 400 + "07/14/2026 02:14:05 root [ERROR]: " + FULL + " " + step * 500,
        "loading patch snapshot; " * 1_000 + FULL + "; loading patch snapshot" * 1_000,
        r"loading patch snapshot\n" * 1_000 + FULL + r"\nloading patch snapshot" * 1_000,
    ):
        assert len(text) > 45_000 and "\n" not in text
        found = seen(text, platform="linux")
        assert found.cause == "disk-full"
        lines = found.candidates[0].lines
        assert {line.line for line in lines} == {1}
        assert any("No space left" in line.text for line in lines)


# --- encodings -----------------------------------------------------------------------------------


def utf16_debris(text: str, before: int) -> str:
    """What remains of UTF-16 that was read as bytes, from an even or an odd offset on."""
    raw = text.encode("utf-16-le" if before % 2 else "utf-16-be")
    return (b"\0" * (before // 2) + raw).decode("latin-1").replace("\xff\xfe", "")


@pytest.mark.parametrize("before", range(4))
def test_utf16_read_as_bytes_from_an_odd_offset(before: int) -> None:
    found = seen(utf16_debris(f"some line\r\n{LOCKED}\r\nlast\r\n", before))
    assert found.cause == "package-manager-locked"
    (line,) = found.candidates[0].lines
    assert (line.line, line.text) == (2, LOCKED)


def test_half_of_the_text_in_sixteen_bits() -> None:
    text = f"plain\n{utf16_debris(LOCKED, 1)}\nplain\n{FULL}\n"
    assert {"package-manager-locked", "disk-full"} <= {c.cause for c in seen(text).candidates}


@pytest.mark.parametrize("cut", range(1, 40))
def test_output_that_is_cut_inside_a_character(cut: int) -> None:
    said = f"{LOCKED}\nE: ロックファイルを取得できませんでした".encode()
    assert seen(said[:-cut].decode("utf-8", "replace")).cause == "package-manager-locked"
    tail = ("ディスクの" * 20 + f"\n{LOCKED}\n").encode()
    assert seen(tail[cut:].decode("utf-8", "replace")).cause == "package-manager-locked"


def test_shift_jis_that_became_replacement_characters() -> None:
    japanese = "エラー: 更新プログラムのインストールに失敗しました。"
    garbled = japanese.encode("shift_jis").decode("utf-8", "replace")
    assert "\ufffd" in garbled
    for text in (f"{garbled}\n{FULL}\n{garbled}", f"{garbled} {FULL} {garbled}"):
        found = seen(text)
        assert found.cause == "disk-full"
        assert "No space left on device" in found.candidates[0].lines[0].text


def test_lone_surrogates_and_byte_order_marks_hurt_nothing() -> None:
    assert clean("\ufeffa\ufeffb\ud800c").raw == b"ab?c"


# --- colours, titles and other control sequences -------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;31;40mred\x1b[m", "red"),
        ("\x1b[38:2::10:20:30mred\x1b[K", "red"),
        ("\x1b[?25lhidden\x1b[?25h", "hidden"),
        ("\x1b(Bcharset\x1b)0", "charset"),
        ("\x1b7saved\x1b8\x1b=\x1b>\x1bc\x1bM", "saved"),
        ("\x1b]0;root@host: ~\x07title", "title"),
        ("\x1b]0;root@host: ~\x1b\\title", "title"),
        ("\x1b]8;;https://e.example/\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\device", "device"),
        ("\x9b31mred\x9b0m", "red"),
        ("^[[31mred^[[0m", "red"),
        (r"\x1b[31mred\033[0m \u001b[1mbold\e[m", "red bold"),
        ("#033[31mred#033[0m", "red"),
        ("[31mred[0m and [1;32mgreen[0m", "red and green"),
        ("\x1b\x1b\x1b[31mred\x1b", "red"),
        ("cut off \x1b[38;5", "cut off 38;5"),
        ("cut off \x1b]0;ti", "cut off 0;ti"),
        # what only looks like it
        ("took [12m] and [3ms]", "took [12m] and [3ms]"),
        ("a[0] [10] #03 ^[x C:\\new", "a[0] [10] #03 ^[x C:\\new"),
        ("bell\x07 tab\t delete\x7f", "bell tab\t delete"),
    ],
)
def test_control_sequences_are_taken_out(printed: str, shown: str) -> None:
    assert clean(printed).raw.decode() == shown


def test_a_title_that_never_ends_swallows_nothing() -> None:
    assert seen(f"\x1b]0;cut\n{LOCKED}\x07").cause == "package-manager-locked"
    assert seen(f"\x1b]0; {LOCKED}").cause == "package-manager-locked"


def test_colours_inside_words_hide_nothing() -> None:
    coloured = re.sub(r"(\w\w)(\w)", "\\1\x1b[1m\\2\x1b[0m", LOCKED)
    assert coloured != LOCKED
    assert seen(coloured).candidates[0].lines[0].text == LOCKED


# --- carriage returns and backspaces -------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\r\r\nb\r\r\n", "a\nb\n"),
        ("a\rb\rc", "a\nb\nc"),
        ("10%\r20%\r30% done\nnext", "10% 20%\n30% done\nnext"),
        ("10%\b\b\b20%\b\b\b30%", "30%"),
        ("wait |\b/\b-\b\\\bdone", "wait done"),
        ("E\bEr\brr\bro\bor\br", "Error"),
        ("_\bb_\bo_\bl_\bd", "bold"),
        ("abc\b\b", "abc"),
        ("abc\b \b\b \b", "a  "),
        ("\b\b\bfree\nnext\b\b\b\b\b\bline", "free\nline"),
        ("あい\bう", "あう"),
        ("a\rb\b\b\bc\nd", "a\nc\nd"),
    ],
)
def test_what_a_terminal_would_show(printed: str, shown: str) -> None:
    assert clean(printed).raw.decode() == shown


@pytest.mark.parametrize(
    "step", ["\r{}% ", "\r{}% \x1b[K", "{}%\b\b\b\b", "\r\x1b[2K{}%", "\r{}%\r"]
)
def test_a_progress_display_hides_nothing(step: str) -> None:
    progress = "".join(step.format(number) for number in range(100))
    text = f"Reading\n{progress}\r{LOCKED}\r\n{progress}\nend\n"
    line = seen(text).candidates[0].lines[0]
    assert (line.line, line.text) == (2, LOCKED)


def test_more_backspaces_than_anyone_types() -> None:
    assert seen("|\b/\b" * BACKSPACES_MAX + f"\n{LOCKED}\n").cause == "package-manager-locked"


# --- wrapped lines -------------------------------------------------------------------------------

UNDERLYING = (
    "Invoke-PatchBaselineOperation : An error occurred when executing PatchBaselineOperations."
    " Exception: The underlying connection was closed: An unexpected error occurred on a send."
)


def wrapped(line: str, columns: int, indent: str) -> str:
    """As a console breaks a line: after so many columns, wherever that is."""
    parts = [line[:columns]]
    rest, room = line[columns:], columns - len(indent)
    while rest:
        parts.append(indent + rest[:room])
        rest = rest[room:]
    return "\n".join(parts)


@pytest.mark.parametrize("columns", [79, 80, 118, 119, 120])
@pytest.mark.parametrize("indent", ["", "    "])
@pytest.mark.parametrize("before", range(0, 40, 3))
def test_a_console_that_breaks_anywhere(columns: int, indent: str, before: int) -> None:
    line = "x" * before + " " + UNDERLYING
    text = f"short\n{wrapped(line, columns, indent)}\nshort"
    found = seen(text, platform="windows")
    assert found.cause == "s3-unreachable"
    assert 2 <= found.candidates[0].lines[0].line <= text.count("\n")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("indent", ["", "  ", "        "])
def test_a_console_that_breaks_between_words(columns: int, indent: str) -> None:
    text = textwrap.fill(UNDERLYING, columns, subsequent_indent=indent)
    assert seen(f"short\n{text}\nshort", platform="windows").cause == "s3-unreachable"


def test_powershell_breaks_words_with_a_blank_before_and_an_indent_after() -> None:
    text = (
        "Invoke-PatchBaselineOperation : Exception: The underlying connection was clo \n"
        "   sed: An unexpected error occurred on a send.\n"
    )
    assert seen(text, platform="windows").cause == "s3-unreachable"


def test_a_blank_at_a_hard_break_belongs_to_the_text() -> None:
    broken = clean("x" * 70 + " \nand on\n" + "y" * 70 + "\n one blank")
    joined = unwrap(broken, b"")
    assert joined is not None
    assert joined.raw == b"x" * 70 + b" and on\n" + b"y" * 70 + b" one blank"
    between_words = unwrap(broken, b" ")
    assert between_words is not None
    assert between_words.raw == b"x" * 70 + b" and on\n" + b"y" * 70 + b" one blank"


@pytest.mark.parametrize(
    "second",
    [
        "2026-07-14 02:13:05 next",
        "07/14/2026 02:13:05 root [INFO]: next",
        "[14/07/26] next",
        "02:13:05 next",
        "E: next",
        "Error: next",
        "Traceback (most recent call last):",
        "",
        "   ",
    ],
)
def test_what_begins_anew_is_no_rest_of_the_line_above(second: str) -> None:
    for glue in (b"", b" "):
        assert unwrap(clean("x" * 100 + "\n" + second), glue) is None
        assert unwrap(clean("x" * 100 + "\n  " + second), glue) is None


@settings(deadline=None)
@given(
    lines=st.lists(st.integers(0, 130).map(lambda n: "ab c"[n % 4] * n), max_size=30),
    glue=st.sampled_from([b"", b" "]),
)
def test_joined_lines_keep_the_numbers_of_the_original(lines: list[str], glue: bytes) -> None:
    numbered = [f"<{number}>{line}" for number, line in enumerate(lines, 1)]
    joined = unwrap(clean("\n".join(numbered)), glue)
    if joined is not None:
        for number in range(1, len(lines) + 1):
            assert joined.line_of(joined.raw.index(b"<%d>" % number)) == number


# --- any text ------------------------------------------------------------------------------------

PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "\r",
            "\r\n",
            "\n",
            "\n\n",
            "\b",
            "\b \b",
            "\0",
            "\x1b[31m",
            "\x1b[0m",
            "\x1b]0;t\x07",
            "\x1b]",
        ]
        + [
            "\x1b",
            "\x9b1m",
            "^[[1m",
            "\\n",
            "\\r\\n",
            "[0m",
            "[31m",
            "\v",
            "\x1f",
            "\ufeff",
            "é",
            "漢",
        ]
        + ["x" * 70, "y" * 1_100, " E: ", " 2026-07-14 02:13:05 ", "\ud800", LOCKED, FULL]
    ),
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@settings(deadline=None, max_examples=300)
@given(text=TEXTS)
def test_any_text_becomes_readable(text: str) -> None:
    made = clean(text)
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", made.raw)
    assert len(made.raw) == len(made.lower) == len(made.marked)
    made.raw.decode()
    breaks = text.count("\n") or text.count("\r")
    numbers = [made.line_of(offset) for offset in range(len(made.raw) + 1)]
    assert numbers == sorted(numbers)
    assert numbers[0] == 1 and numbers[-1] <= breaks + 1
    for offset in range(0, len(made.raw), 7):
        start, end = made.bounds(offset)
        assert b"\n" not in made.raw[start:end] and start <= offset <= end + 1


@settings(deadline=None, max_examples=200)
@given(before=TEXTS, after=TEXTS)
def test_a_decisive_line_is_found_in_any_text_and_on_its_line(before: str, after: str) -> None:
    assume("\x1b]" not in before or "\x07" not in after)
    text = f"{before}\nthe decisive words\n{after}"
    (hit,) = scan(text, signature(r"the \w+ words")).hits
    assert [place.line for place in hit.places] == [before.count("\n") + 2]


@settings(deadline=None, max_examples=100)
@given(text=TEXTS)
def test_any_text_can_be_searched_and_joined(text: str) -> None:
    made = clean(text)
    for each in (made, unwrap(made, b""), unwrap(made, b" ")):
        if each is None:
            continue
        for hit in CATALOGUE.engine.scan(each, None, "stdout").hits:
            offsets = [place.offset for place in hit.places]
            assert 1 <= len(offsets) <= LINES_KEPT_MAX
            assert offsets == sorted(offsets, reverse=True)
            assert all(len(place.text) <= 300 for place in hit.places)


# --- the samples, however they are printed -------------------------------------------------------


def in_colour(text: str) -> str:
    return re.sub(r"(\S+)", "\x1b[31m\\1\x1b[0m", text)


def with_progress(text: str) -> str:
    progress = "10%\r20%\b\b\b100% \r\x1b[K"
    return f"{progress * 50}\n{text}"


CHANGES: dict[str, Callable[[str], str]] = {
    "odd sixteen bits": "\0".join,
    "colours on each word": in_colour,
    "a title on each line": lambda text: text.replace("\n", "\n\x1b]0;host\x07"),
    "doubled carriage returns": lambda text: text.replace("\n", "\r\r\n"),
    "after a progress display": with_progress,
}


@pytest.mark.parametrize("change", CHANGES)
def test_samples_however_they_are_printed(change: str) -> None:
    for sample in SAMPLES:
        evidence = {key: sample[key] for key in ("platform", "document", "status", "response_code")}
        if "\r" in sample["stdout"] + sample["stderr"] or "\\n" in sample["stdout"]:
            continue
        plain, changed = (
            classify(
                Evidence(stdout=way(sample["stdout"]), stderr=way(sample["stderr"]), **evidence),
                CATALOGUE,
            )
            for way in (str, CHANGES[change])
        )
        assert changed.cause == plain.cause, sample["id"]
