"""Holds: shown with codes, decided once, carried out by the next run."""

from __future__ import annotations

import pytest

from lms_bridge.devtools.moodle.state import MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations


@pytest.fixture
def held(alpha: Cli, site: MoodleState) -> Cli:
    alpha("sync")
    for course in (2, 3, 4):
        site.catalogue.remove(course)
    alpha("sync", code=3)
    return alpha


def test_a_hold_is_shown_with_the_codes_of_its_records(held: Cli) -> None:
    codes = codes_of(held)
    assert "3 of 6" in held("hold", "list").stdout
    shown = held("hold", "show", "1").stdout
    assert sum(code in shown for code in codes) == 3
    assert "hold approve 1" in shown
    assert len(held.json("hold", "show", "1")["records"]) == 3
    assert "Nothing waits" not in held("hold", "list", "--centre", "ALPHA").stdout


def test_an_approved_hold_is_carried_out(held: Cli) -> None:
    assert "approved" in held("hold", "approve", "1", "--by", "tester").stdout
    assert "Nothing waits" in held("hold", "list").stdout
    assert "3 gone" in held("sync").stdout
    assert len(codes_of(held)) == 3
    assert held.json("hold", "list", "--all")[0]["decided_by"] == "tester"
    assert "Decided by tester" in held("hold", "show", "1").stdout


def test_a_rejected_hold_keeps_its_records(held: Cli) -> None:
    held("hold", "reject", "1")
    held("sync")
    assert len(codes_of(held)) == 6


def test_a_hold_is_decided_once(held: Cli) -> None:
    held("hold", "reject", "1")
    assert "not pending" in held("hold", "approve", "1", code=2).stderr
    assert "There is no hold 7" in held("hold", "show", "7", code=2).stderr
    assert "There is no hold 7" in held("hold", "approve", "7", code=2).stderr


def test_a_hold_of_results_names_its_course(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    site.catalogue.change(2, enddate=0)
    alpha("sync")
    code = next(each for each in codes_of(alpha))
    alpha("import", "registrations", registrations(alpha, code, "acad-1", "acad-2"))
    alpha("sync")
    (course, *_), people = zip(*((e.course_id, e.user_id) for e in site.enrolments), strict=True)
    item = site.gradebook.add_item(course, "Exam")
    for score in (5.0, None):
        for person in people:
            site.gradebook.grade(item, person, score, site.now())
        alpha("sync", code=3 if score is None else 0)
    assert f"result at centre:ALPHA, {code}" in alpha("hold", "list").stdout
