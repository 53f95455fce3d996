"""Courses in which nobody was since: no report of their grades is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lms_bridge.connectors.moodle.roster import PEOPLE, MoodleRoster, checked_roster
from lms_bridge.devtools.moodle.records import GradeItem
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.sync.run import RunReport
from tests.integration.moodle.site_nights import MoodleNights

REPORT = "gradereport_user_get_grade_items"
ROSTER = "core_enrol_get_enrolled_users"


def by_clock(nights: MoodleNights, days: int = 1) -> RunReport:
    """A full run of the clock, so many days later."""
    nights.now += timedelta(days=days)
    report = nights.run(by_person=False)
    assert report.status == "done", (report.status, report.errors)
    return report


def reports_in(site: MoodleState, nights: MoodleNights, days: int = 1) -> int:
    """How many reports the next run of the clock asks for."""
    before = site.calls[REPORT]
    by_clock(nights, days)
    return site.calls[REPORT] - before


def visit(site: MoodleState, nights: MoodleNights) -> None:
    """Sample person 1 is in course 2 now."""
    account = nights.account(1)
    assert account is not None
    enrolment = site.enrolments.get(2, account.id)
    assert enrolment is not None
    enrolment.lastaccess = int(nights.now.timestamp())


def give(site: MoodleState, nights: MoodleNights, item: GradeItem, score: float) -> None:
    account = nights.account(1)
    assert account is not None
    site.gradebook.grade(item, account.id, score, site.now())


def scores(nights: MoodleNights) -> list[Any]:
    return [document["score"] for document in nights.academy.results.values()]


@pytest.fixture
def item(site: MoodleState, nights: MoodleNights) -> GradeItem:
    """Sample person 1 in course 2 has a score, and nobody was there for a while."""
    nights.register(1)
    nights.good_night()
    item = site.gradebook.add_item(2, "Exam")
    give(site, nights, item, 50.0)
    by_clock(nights)
    assert scores(nights) == ["50"]
    return item


def test_a_course_that_nobody_visited_is_not_asked_for_its_grades(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    del item
    assert reports_in(site, nights) == 0
    assert scores(nights) == ["50"]


def test_a_visit_lets_the_grades_be_read_until_they_have_settled(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    visit(site, nights)
    nights.now -= timedelta(hours=20)  # the next run comes four hours after the visit
    give(site, nights, item, 60.0)
    assert reports_in(site, nights) == 1
    assert scores(nights) == ["60"]
    give(site, nights, item, 65.0)  # a task of Moodle's computes it later
    assert reports_in(site, nights) == 1
    assert scores(nights) == ["65"]
    assert reports_in(site, nights) == 0


def test_a_change_without_a_visit_is_seen_within_the_days_of_the_policy(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    give(site, nights, item, 70.0)
    assert sum(reports_in(site, nights) for _ in range(nights.policy.unvisited_days)) == 1
    assert scores(nights) == ["70"]


def test_a_run_that_a_person_starts_reads_all_grades(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    give(site, nights, item, 70.0)
    nights.good_night()
    assert scores(nights) == ["70"]


def test_somebody_new_on_the_roster_lets_the_grades_be_read(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    give(site, nights, item, 70.0)
    there = site.people.add("own", "Own", "Name", "own@example.org").id
    site.enrolments.enrol(2, there)
    assert reports_in(site, nights) == 1
    assert scores(nights) == ["70"]


def test_an_enrolment_that_the_bridge_makes_lets_the_grades_be_read(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    give(site, nights, item, 70.0)
    nights.register(2)
    assert reports_in(site, nights) == 1
    assert scores(nights) == ["70"]


def test_grades_are_read_each_night_where_the_site_hides_visits(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    site.hides_visits = True
    give(site, nights, item, 70.0)
    assert [reports_in(site, nights) for _ in range(3)] == [1, 1, 1]
    assert scores(nights) == ["70"]


def test_grades_that_could_not_be_read_are_asked_for_again(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    visit(site, nights)
    site.revoke("gradereport/user:view")
    nights.now += timedelta(days=2)
    assert nights.run(by_person=False).status == "partial"
    site.grant("gradereport/user:view")
    give(site, nights, item, 70.0)
    assert reports_in(site, nights) == 1
    assert scores(nights) == ["70"]


def test_the_roster_of_a_full_run_shows_the_visits_too(
    site: MoodleState, nights: MoodleNights, item: GradeItem
) -> None:
    del item
    by_clock(nights)
    site.log = []
    by_clock(nights)
    asked = [dict(form) for name, form in site.log if name == ROSTER]
    fields = [form["options[0][value]"] for form in asked if form["courseid"] == "2"]
    assert sorted(fields) == ["id", "id,idnumber,roles,lastcourseaccess"]


def test_the_times_of_visits_are_no_change_of_a_roster() -> None:
    role = r'"roles":[{"name":"\"lastcourseaccess\":1"}]'

    def roster(*times: object) -> MoodleRoster:
        rows = [f'{{"id":{n},"lastcourseaccess":{t},{role}}}' for n, t in enumerate(times)]
        body = f"[{','.join(rows)}]".encode()
        return checked_roster([body], PEOPLE.decode(body), [], [])

    once, again, hidden = roster(0, 1_795_456_139), roster(17, 5), roster(17, "null")
    assert once.without_visits() != once
    assert once.without_visits().bodies == again.without_visits().bodies
    assert [row["roles"][0]["name"] for row in once.without_visits().rows()] == [
        '"lastcourseaccess":1'
    ] * 2
    assert once.visits() != again.visits()
    assert (hidden.visits(), roster().visits()) == (None, None)
