"""What Windows' logs say that operations came to, and what lines above that are worth."""

from __future__ import annotations

import pytest

from patchmedic.causes.text import clean
from patchmedic.causes.verdicts import BESIDE_VERDICT, DETAIL, OVERCOME, Verdicts

GOOD = [
    "Info  CBS  Exec: Processing complete.  Session: 3_1, Package: P [HRESULT = 0x00000000 - S_OK]",
    "Info  CBS  Session: 3_1 finalized. Reboot required: yes [HRESULT = 0x00000bc2 - REBOOT]",
    "Agent  * END * Finding updates CallerId = UO, Id = 5, Exit code = 0x00000000 (cV = x.1)",
    "ComApi  Exit code = 0x00000000, Result code = 0x00000000 (cV = x.1)",
    "ComApi  Install call complete (succeeded = 2, succeeded with errors = 0, failed = 0, x)",
    "Agent  WU client calls back to download call {1} with code Call complete and error 0",
    "Windows update completed. Exit with error code 0X240006",
    "MSI (s) (50:7C) [09:31:24:917]: MainEngineThread is returning 3010",
    "Product Name: A. Manufacturer: B. Installation success or error status: 0.",
    "[1B20:0F34][2026-02-03T10:11:13]i399: Apply complete, result: 0x0, restart: None",
    "<<<  [Exit status: SUCCESS]",
    "2026-02-11 07:10:01,366 5120 [DEBUG] - Exiting with 0",
]
BAD = [
    "Exec: Processing complete.  Session: 3_1, Package: P [HRESULT =\n0x800f0922 - INSTALLERS]",
    "Session: 3_1 finalized. Reboot required: no [HRESULT = 0x80073712 - CORRUPT]",
    "Agent  * END * Finding updates CallerId = UO, Id = 5, Exit code = 0x8024402F (cV = x.1)",
    "ComApi  Exit code = 0x00000000, Result code = 0x8024402C (cV = x.1)",
    "Agent  * WARNING: Exit code = 0x80072EE2",
    "ComApi  Install call complete (succeeded = 1, succeeded with errors = 0, failed = 1, x)",
    "Agent  calls back to download call {1} with code Call complete and error 0x8007000d",
    "DISM.EXE: DISM Package Manager processed the command line but failed. HRESULT=800F0922",
    "MSI (s) (50:7C) [09:31:24:917]: MainEngineThread is returning 1603",
    "Installation success or error status: 1618.",
    "Apply complete, result: 0x80070643, restart: None",
    "<<<  [Exit status: FAILURE(0xe0000217)]",
    "[DEBUG] - Exiting with 1",
]
NEITHER = [
    "Service  **  END  **  Service: Service exit [Exit code = 0x240001]",
    "UDP  Ending Installing updates, CallerId = UO, Exit code = 0x00000000",
    "ComApi  Install call complete (succeeded = 0, succeeded with errors = 0, failed = 0, x)",
    "The operation completed successfully.",
    "Session: 3_1 initialized by client WindowsUpdateAgent [HRESULT = 0x00000000]",
]


@pytest.mark.parametrize("line", GOOD)
def test_an_operation_that_went_well_overcomes_what_stands_above_it(line: str) -> None:
    text = clean(f"Failed to stage [0x80070002]\n{line}\nFailed to query [0x80070002]\n")
    ends = Verdicts(text)
    assert ends.overcome(0)
    assert ends.share(0, decided=True) == ends.rank(0) == OVERCOME
    below = text.raw.rindex(b"Failed")
    assert not ends.overcome(below)
    assert ends.share(below, decided=False) == 1.0
    assert not ends.failed()


@pytest.mark.parametrize("line", BAD)
def test_the_end_of_an_operation_that_failed_counts_in_full(line: str) -> None:
    text = clean(f"Failed to stage [0x80070002]\n{line}\n")
    ends = Verdicts(text)
    at = text.raw.rstrip().rindex(b"\n") + 1
    assert ends.failed()
    assert ends.names(at)
    assert not ends.overcome(0)
    assert not ends.names(0)
    assert ends.share(at, decided=True) == 1.0
    assert ends.share(0, decided=True) == BESIDE_VERDICT
    assert ends.share(0, decided=False) == 1.0


@pytest.mark.parametrize("line", NEITHER)
def test_other_lines_end_nothing(line: str) -> None:
    ends = Verdicts(clean(f"Failed to stage [0x80070002]\n{line}\n"))
    assert ends.after(0) is None
    assert not ends.failed()


def test_a_line_that_is_no_error_tells_less_than_one_that_is() -> None:
    text = clean(
        "2026-03-12 02:35:10, Info    CBS    Failed to get it [HRESULT = 0x80070002]\n"
        "2026-03-12 02:35:52, Error CBS    Failed to get it [HRESULT = 0x80070002]\n"
        "DISM.EXE: DISM Package Manager processed the command line but failed. HRESULT=80070005\n"
    )
    ends = Verdicts(text)
    assert ends.share(40, decided=True) == DETAIL
    assert ends.share(text.raw.index(b"Error"), decided=True) == BESIDE_VERDICT


def test_each_place_is_judged_by_the_next_end_not_by_the_last() -> None:
    text = clean(
        "first 0x80070002\nMainEngineThread is returning 0\n"
        "second 0x80070002\nMainEngineThread is returning 1603\n"
        "third 0x80070002\nMainEngineThread is returning 0\n"
    )
    ends = Verdicts(text)
    overcome = [ends.overcome(text.raw.index(word)) for word in (b"first", b"second", b"third")]
    assert overcome == [True, False, True]
    assert ends.failed(text.raw.index(b"second"))
    assert not ends.failed(text.raw.index(b"third"))


def test_a_harmless_line_ends_nothing() -> None:
    text = clean("Agent  * WARNING: Exit code = 0x80240024\n")
    assert Verdicts(text).failed()
    assert not Verdicts(text, {0}).failed()


@pytest.mark.parametrize(
    "unit",
    ["exec: processing complete ", " finalized", "warning: ", "exit code = 0x80070002\n", "\n"],
)
def test_hostile_text_is_read_in_time(unit: str) -> None:
    ends = Verdicts(clean(unit * (300_000 // len(unit))))
    assert list(ends.complaints(0)) == []
    assert ends.share(0, decided=True) in (1.0, BESIDE_VERDICT)
