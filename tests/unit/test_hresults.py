"""Windows result codes: the table, every spelling, what is decoded, and what speaks for a cause."""

from __future__ import annotations

import csv
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchmedic.causes.catalogue import DATA, load_files
from patchmedic.causes.classifier import HINT, classify
from patchmedic.causes.hresults import (
    CODES_MAX,
    COLUMNS,
    FAILURE,
    SOURCES,
    TABLE,
    Hints,
    codes_in,
    explain,
    find_hresults,
    from_exit_code,
    from_win32,
    parse,
    table,
    unsigned,
)
from patchmedic.causes.schema import Hresult
from patchmedic.causes.text import clean
from patchmedic.model import LANGUAGES, Evidence

CATALOGUE = load_files(DATA)
HINTS = CATALOGUE.hresults
KNOWN = table()
CODES = st.sampled_from([known.code for known in KNOWN])
ANY_CODE = st.integers(0, 2**32 - 1)


def rows() -> list[dict[str, str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def found(text: str) -> set[int]:
    return set(find_hresults(clean(text), HINTS))


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_whole() -> None:
    spelled = [row["code"] for row in rows()]
    assert len(spelled) == len(set(spelled)) > 500
    for row in rows():
        assert tuple(row) == COLUMNS and None not in row.values(), row
        for code in row["code"].split("-"):
            assert f"0x{int(code, 16):08X}" == code and int(code, 16) >= FAILURE, row
        assert row["source"] in ("", *SOURCES) or row["source"].startswith("https://"), row
        assert row["cause"] in ("", *CATALOGUE.causes), row
        assert row["en"].isascii() and row["en"].endswith("."), row
        assert row["ja"].endswith("。") and not row["ja"].isascii(), row
        assert "{" not in row["en"].replace("{hex}", "").replace("{decimal}", ""), row


def test_every_code_has_a_name_or_comes_from_a_place_that_has_one() -> None:
    assert [known.hexadecimal for known in KNOWN if not known.name] == []


def test_every_source_is_used() -> None:
    assert {row["source"] for row in rows()} >= set(SOURCES)


def test_no_symbol_names_two_codes() -> None:
    symbols = [symbol for known in KNOWN for symbol in known.symbol.split(" / ") if symbol]
    assert len(symbols) == len(set(symbols))


def test_every_code_in_a_cause_file_is_in_the_table() -> None:
    named = {known.code for known in KNOWN}
    missing = [
        f"{cause.id}.toml: 0x{hint.first:08X} has no row in {TABLE.name}"
        for cause in CATALOGUE.causes.values()
        for hint in cause.hresults
        if hint.first == hint.last and hint.first not in named
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.hexadecimal)
def test_the_likeliest_cause_is_the_strongest_hint(known: object) -> None:
    """A code without a cause is one that only has a name, or at most hints weakly."""
    row = explain(known.code)  # type: ignore[attr-defined]
    hints = HINTS.of(row.code)
    strongest = max((hint.weight for hint in hints), default=0.0)
    if row.cause:
        assert row.cause in {hint.cause for hint in hints if hint.weight == strongest}, (
            f"{TABLE.name}: {row.hexadecimal} says {row.cause}; the cause files say "
            f"{[(hint.cause, hint.weight) for hint in hints]}"
        )
    else:
        assert strongest < HINT, f"{TABLE.name}: {row.hexadecimal} lacks the cause {hints[0].cause}"


def test_a_range_that_hints_is_a_part_of_a_range_that_is_named() -> None:
    for cause in CATALOGUE.causes.values():
        for hint in cause.hresults:
            if hint.first < hint.last:
                ends = {explain(hint.first).facility, explain(hint.last).facility}
                assert len(ends) == 1 and "" not in ends, (cause.id, f"0x{hint.first:08X}", ends)


# --- every spelling ------------------------------------------------------------------------------


def spellings(code: int) -> list[str]:
    hexadecimal = f"{code:08X}"
    return [
        f"0x{hexadecimal}",
        f"0x{hexadecimal.lower()}",
        f"0X{hexadecimal}",
        hexadecimal,
        hexadecimal.lower(),
        f"0x{hexadecimal[:4]}_{hexadecimal[4:]}",
        f"0xFFFFFFFF{hexadecimal}",
        str(code),
        str(code - 2**32),
    ]


@given(code=CODES)
def test_every_spelling_is_understood_alone_and_in_a_line(code: int) -> None:
    for spelled in spellings(code):
        assert parse(spelled) == code, spelled
        assert parse(f"  {spelled} ") == code, spelled
        for line in (
            f"failed with HRESULT: {spelled}",
            f"(hr={spelled})",
            f"error {spelled}.",
            f"Fehlercode: {spelled}, Ende",
            f"エラー コード {spelled} が発生しました",
            f'"HResult":{spelled}}}',
        ):
            assert code in codes_in(line), line
            assert parse(line) == code, line
            assert (code in found(line)) == bool(HINTS.of(code)), line


@given(code=st.integers(FAILURE, 2**32 - 1))
def test_every_failing_code_is_read_from_hexadecimal_and_from_signed(code: int) -> None:
    expected = unsigned(code)
    assert parse(f"0x{code:08x}") == parse(f"{code:08X}") == parse(str(code)) == expected
    assert parse(str(code - 2**32)) == expected
    assert unsigned(code - 2**32) == unsigned(code) == expected


def test_a_wrapped_ntstatus_is_the_ntstatus() -> None:
    assert unsigned(0xD0000017) == 0xC0000017
    assert explain(0xD0000017).symbol == "STATUS_NO_MEMORY"


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        ("12007", 0x80072EE7),
        ("0x2EE7", 0x80072EE7),
        ("1603", 0x80070643),
        ("5", 0x80070005),
        ("0x5", 0x80070005),
        ("0", 0),
        ("0x00240005", 0x00240005),
        ("WU_E_NO_CONNECTION", 0x8024001F),
        ("wininet_e_timeout", 0x80072EE2),
        ("ERROR_WINHTTP_TIMEOUT", 0x80072EE2),
        ("WinHttpSendRequest failed, error 12029", 0x80072EFD),
        ("nothing of that kind", None),
        ("", None),
        ("-", None),
        ("0x", None),
        ("99999999999", None),
        ("-99999999999", None),
        ("0x1FFFFFFFF", None),
        ("٣٤٥", None),
    ],
)
def test_what_a_person_may_type(spelled: str, code: int | None) -> None:
    assert parse(spelled) == code


@pytest.mark.parametrize(
    "text",
    [
        "{80072EE2-1111-2222-3333-444455556666}",
        "a80072ee2",
        "180072ee2f",
        "-21470128941",
        "1-2147012894",
        "2.2147954402",
        "2147954402.5 MB",
        "12345678902147954402",
        "0x80072EE2AB",
        "12029",
        "port 12029",
        "12029 packages",
        "line 12007: ok",
        "2021-12-12 12029",
    ],
)
def test_what_only_looks_like_a_code(text: str) -> None:
    assert found(text) == set()
    assert codes_in(text) == ()


def test_the_end_of_a_sentence_ends_no_code() -> None:
    for spelled in spellings(0x80072EE2):
        assert found(f"failed with {spelled}.") == {0x80072EE2}, spelled


@pytest.mark.parametrize(
    "line",
    [
        "WinHttp: SendRequest failed with error 12029",
        "WinHttpReceiveResponse error code: 12029",
        "winhttp status=12029",
        "WININET (12029)",
    ],
)
def test_an_http_clients_error_counts_where_a_word_says_what_it_is(line: str) -> None:
    assert found(line) == {0x80072EFD}


# --- decoding ------------------------------------------------------------------------------------


@given(code=ANY_CODE | st.integers(-(2**31), -1))
def test_any_code_is_explained(code: int) -> None:
    known = explain(code)
    assert 0 <= known.code < 2**32
    assert set(known.meaning) == set(LANGUAGES)
    assert all(known.meaning.values())
    assert not any("{" in text for text in known.meaning.values())
    assert explain(known.code) == known


@pytest.mark.parametrize(
    ("code", "facility", "said"),
    [
        (0x801901F6, "FACILITY_HTTP", "HTTP 502"),
        (0x801901AB, "FACILITY_HTTP", "status 427"),
        (0x80070539, "FACILITY_WIN32", "1337"),
        (0x80072F5B, "FACILITY_WIN32", "WinHTTP"),
        (0x8007232D, "FACILITY_WIN32", "DNS"),
        (0x80072733, "FACILITY_WIN32", "Winsock"),
        (0x80240ABC, "FACILITY_WINDOWSUPDATE", "Windows Update"),
        (0x80240446, "FACILITY_WINDOWSUPDATE (WU_E_PT_*)", "update server"),
        (0x80248ABC, "FACILITY_WINDOWSUPDATE (WU_E_DS_*)", "data store"),
        (0x8024DABC, "FACILITY_WINDOWSUPDATE (WU_E_SETUP_*)", "update agent"),
        (0x8024EABC, "FACILITY_WINDOWSUPDATE (WU_E_EE_*)", "which updates apply"),
        (0x800F0899, "FACILITY_SETUPAPI (CBS_E_*)", "CBS.log"),
        (0x800F0203, "FACILITY_SETUPAPI (SPAPI_E_*)", "driver"),
        (0x80131ABC, "FACILITY_URT", ".NET"),
        (0x80D0ABCD, "FACILITY_DELIVERY_OPTIMIZATION (DO_E_*)", "Delivery Optimization"),
        (0xC00CE556, "FACILITY_INTERNET (MSXML)", "XML"),
        (0xC0001234, "NTSTATUS", "0x1234"),
    ],
)
def test_a_code_without_a_row_is_decoded_by_its_facility(
    code: int, facility: str, said: str
) -> None:
    known = explain(code)
    assert known.facility == facility
    assert said in known.meaning["en"]


def test_what_is_no_failure_is_said_to_be_none() -> None:
    assert "succeeded" in explain(0).meaning["en"]
    assert codes_in("0x00240005") == ()


def test_a_facility_that_nobody_knows_is_told_by_number() -> None:
    known = explain(0x8ABC1234)
    assert known.name == ""
    assert "700" in known.meaning["en"] and "0x1234" in known.meaning["en"]
    assert codes_in("0x8ABC1234") == ()


@pytest.mark.parametrize(
    ("exit_code", "platform", "code"),
    [
        (-2145123273, "windows", 0x80240437),
        (0x80240437, "windows", 0x80240437),
        (-2145123273, None, 0x80240437),
        (-2145123273, "linux", None),
        (1618, "windows", 0x80070652),
        (3010, "windows", 0x80070BC2),
        (12029, "windows", 0x80072EFD),
        (1618, None, None),
        (1, "windows", None),
        (0, "windows", None),
        (-1, "windows", None),
        (None, "windows", None),
    ],
)
def test_an_exit_code_that_is_a_result_code(
    exit_code: int | None, platform: str | None, code: int | None
) -> None:
    assert from_exit_code(exit_code, platform) == code


# --- what a code speaks for ---------------------------------------------------------------------


def test_own_hints_come_first_then_the_narrowest_range_and_a_mere_name_hints_at_nothing() -> None:
    wide = Hresult("wide", 0x80240000, 0x8024FFFF, 0.3)
    narrow = Hresult("narrow", 0x80240A00, 0x80240AFF, 0.4)
    beside = Hresult("beside", 0x80240A00, 0x80240AFF, 0.4)
    own = Hresult("own", 0x80240A10, 0x80240A10, 0.9)
    hints = Hints([wide, narrow, beside, own])
    assert hints.of(0x80240A10) == (own,)
    assert hints.of(0x80240A11) == (narrow, beside)
    assert hints.of(0x80240B00) == (wide,)
    assert explain(0x80240024).named and hints.of(0x80240024) == ()
    assert hints.of(0x80070005) == ()


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("Search failed: 0x80248ABC", "wu-components-broken"),
        ("hr=-2145088836", "wu-components-broken"),
        ("failed, error code 80248abc", "wu-components-broken"),
        ("failed, result 2149878460", "wu-components-broken"),
        ("0x801901AB", "wu-unreachable"),
        ("0x8007232D", "dns-failure"),
    ],
)
def test_an_unknown_code_of_a_telling_facility_hints_at_its_cause(line: str, cause: str) -> None:
    seen = classify(Evidence(platform="windows", stdout=line, status="Failed"), CATALOGUE)
    assert seen.cause == cause
    assert seen.confidence < 0.7


def test_an_unknown_code_needs_a_word_where_any_number_looks_like_it() -> None:
    for text in ("80248abc", "wrote 2149878460 bytes", "id 80248abc done"):
        assert found(text) == set()


def test_other_platforms_have_other_numbers() -> None:
    line = "failed with 0x80072EE2"
    for platform, expected in (("windows", "wu-unreachable"), ("linux", "unknown")):
        evidence = Evidence(platform=platform, stdout=line, status="Failed")  # type: ignore[arg-type]
        assert classify(evidence, CATALOGUE).cause == expected


def test_an_installers_exit_code_speaks_like_its_result_code() -> None:
    evidence = Evidence(platform="windows", response_code=1618, status="Failed")
    seen = classify(evidence, CATALOGUE)
    assert seen.cause == "installer-busy"
    assert "ERROR_INSTALL_ALREADY_RUNNING" in seen.candidates[0].lines[0].text


def test_the_last_place_counts_that_is_not_silenced() -> None:
    text = clean("first 0x80072EE2\nsecond 0x80072EE2\nthird 0x80072EE2\n")
    assert find_hresults(text, HINTS) == {0x80072EE2: text.raw.rindex(b"0x8")}
    silent = {text.raw.index(b"third"), text.raw.index(b"second")}
    assert find_hresults(text, HINTS, silent) == {0x80072EE2: text.raw.index(b"0x8")}
    assert find_hresults(text, HINTS, {*silent, 0}) == {}


def test_the_weightiest_place_of_a_code_counts_and_of_equals_the_last() -> None:
    text = clean("error 0x80072ee2\nloud error 0x80072ee2\nerror 0x80072ee2\n")
    places = [at for at in range(len(text.raw)) if text.raw.startswith(b"0x8", at)]
    loud = find_hresults(text, HINTS, weigh=lambda at: 1.0 if at == places[1] else 0.5)
    assert loud == {0x80072EE2: places[1]}
    assert find_hresults(text, HINTS, weigh=lambda at: 0.5) == {0x80072EE2: places[2]}


def test_a_list_of_codes_gives_a_bounded_answer_from_its_end() -> None:
    codes = [0x80248000 + number for number in range(0x800, 0x900)]
    last = found("\n".join(f"0x{code:08X}" for code in codes))
    assert last == set(codes[-CODES_MAX:])


# --- any text ------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ("0x80240437", "-2145123273", "2149844023", "80240437", "error 12029", "0x8", "-", "hr=", "\n")
)


@settings(deadline=None)
@given(text=st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join))
def test_any_text_gives_a_result(text: str) -> None:
    readable = clean(text)
    for code, offset in find_hresults(readable, HINTS).items():
        assert HINTS.of(code)
        assert 0 <= offset < len(readable.raw)
    for code in codes_in(text):
        assert explain(code).name
    code_or_none = parse(text)
    assert code_or_none is None or explain(code_or_none).meaning


@given(number=st.integers(1, 0xFFFF))
def test_a_windows_error_is_wrapped_in_its_result_code(number: int) -> None:
    assert parse(str(number)) == from_win32(number) == 0x80070000 + number
    assert explain(from_win32(number)).code & 0xFFFF == number


@pytest.mark.parametrize(
    "unit",
    ["0x8", "0x80240437 ", "-2145123273 ", "80", "2", "12", "error 12007 ", "-1", "80240437 "],
)
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """A generous ceiling: what is not linear takes minutes here."""
    text = clean(unit * (2_000_000 // len(unit)))
    started = time.perf_counter()
    find_hresults(text, HINTS)
    assert time.perf_counter() - started < 3


def test_ever_new_codes_cost_no_more_than_their_length() -> None:
    text = clean("".join(f"0x{FAILURE + number * 7919:08x} " for number in range(180_000)))
    started = time.perf_counter()
    find_hresults(text, HINTS)
    assert time.perf_counter() - started < 3
