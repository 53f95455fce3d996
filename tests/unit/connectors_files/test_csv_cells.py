"""Cells: formulas are neutralised and come back, lists and meetings keep their items."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lms_bridge.schemas.csv.cells import CellUnclear, cell_of, neutralised, restored, value_of
from lms_bridge.schemas.csv.tables import Shape

FORMULAS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
LINE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1).filter(
    lambda text: text == text.strip() and text
)


@given(st.text())
@example("'=1+1")
@example("''@")
@example("'plain")
@example("'\t'=;\n =")
def test_neutralising_is_undone_by_restoring(text: str) -> None:
    assert restored(neutralised(text)) == text


@given(st.text(st.one_of(st.sampled_from("=+-@;\t\r\n '\uff1d"), st.characters())))
@example("x;=HYPERLINK(A1)")
@example("x\n @SUM(A1)\ny")
def test_no_cell_begins_like_a_formula_wherever_a_spreadsheet_separates(text: str) -> None:
    assert neutralised(text)[:1] not in tuple(FORMULAS)
    for part in re.split("[;\t\r\n]", neutralised(text)):
        assert part.lstrip(" ")[:1] not in tuple(FORMULAS)


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\uff1d1+1", "\ta"])
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert neutralised(text) == f"'{text}"


@given(st.lists(LINE, min_size=1))
@example(["Policy; regulation"])
@example(["a", ";"])
def test_lists_are_read_back(items: list[str]) -> None:
    assert value_of(cell_of(items, Shape.LIST), Shape.LIST, "") == items


def test_a_list_may_be_written_with_semicolons_or_on_lines() -> None:
    assert value_of("a; b;c", Shape.LIST, "") == ["a", "b", "c"]
    assert value_of("a; b\nc", Shape.LIST, "") == ["a; b", "c"]


def test_meetings_are_read_back_with_their_places() -> None:
    meetings = [
        {"starts_at": "2026-03-02T06:00:00Z", "ends_at": "2026-03-02T08:00:00Z", "place": "Room 4"},
        {"starts_at": "2026-03-03T06:00:00Z", "ends_at": "2026-03-03T08:00:00Z", "place": ""},
    ]
    cell = cell_of(meetings, Shape.MEETINGS)
    assert value_of(cell, Shape.MEETINGS, "") == meetings


def test_meetings_take_the_time_zone_of_their_row() -> None:
    cell = "2026-03-02 09:00 / 2026-03-02 12:30 Room 4; left"
    assert value_of(cell, Shape.MEETINGS, "Africa/Nairobi") == [
        {
            "starts_at": "2026-03-02 09:00",
            "ends_at": "2026-03-02 12:30",
            "place": "Room 4; left",
            "time_zone": "Africa/Nairobi",
        }
    ]


@pytest.mark.parametrize("line", ["every Monday", "2027-03-01 20:00/22:00 Lab", "9.00/17.00"])
def test_a_line_that_is_no_meeting_is_refused_with_an_example(line: str) -> None:
    with pytest.raises(CellUnclear, match=r"no meeting: .* 2026-03-02 09:00/2026-03-02 12:30"):
        value_of(line, Shape.MEETINGS, "UTC")
