"""Editions that share a course in Moodle, each with a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.moodle.records import MoodleEnrolment
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Page, RawRecord, Removal
from lms_bridge.sync.context import FILES
from lms_bridge.sync.offerings import apply_offerings_snapshot, offering_code
from lms_bridge.sync.pull import SourceFeed
from lms_bridge.sync.run import RunRequest
from lms_bridge.sync.steps import Step, run_step
from tests.fakes.academy import sample_person
from tests.integration.moodle.site_nights import MoodleNights

Open = Callable[..., MoodleCentre]
GRADES = "gradereport_user_get_grade_items"
SPRING, AUTUMN = (offering_code("SAMPLE", each) for each in ("spring", "autumn"))
IDS = {SPRING: "spring", AUTUMN: "autumn"}


def day(month: int) -> datetime:
    """The first of a month of 2026. The second edition ends years after, since the simulated
    Moodle leaves out whose enrolment is over."""
    return datetime(2026 if month < 11 else 2040, month, 1, tzinfo=UTC)


@pytest.fixture
def shared(nights: MoodleNights) -> MoodleNights:
    """Two editions of course ITU-1 (3), which came by the centre's schedule."""
    hand_in(nights, {SPRING: "ITU-1", AUTUMN: "ITU-1"})
    return nights


def hand_in(nights: MoodleNights, courses: dict[str, str]) -> None:
    """The centre's schedule, {edition: the course that it names}, as a file brings it."""
    rows = [
        RawRecord(
            IDS[code],
            {
                "title": "Spectrum",
                "starts_at": day(month).isoformat(),
                "ends_at": day(month + 2).isoformat(),
                "lms_course": courses[code],
            },
        )
        for code, month in ((SPRING, 3), (AUTUMN, 9))
    ]
    body = (repr(courses).encode(),)
    feed = SourceFeed(FILES, Kind.OFFERING, "schedule:SAMPLE", b"", False, scope_prefix="SAMPLE:")
    step = Step(
        "schedule",
        feed,
        lambda: iter([Page("schedule", body, lambda: rows)]),
        apply_offerings_snapshot,
    )
    request = RunRequest(nights.centre, nights.policy, (), "schedule")
    report = nights.runner().run(request, lambda context: run_step(context, step))
    assert report.status == "done"


def register(nights: MoodleNights, code: str, number: int = 1) -> str:
    """Registers a sample person for an edition. Its end is that of the enrolment."""
    month = 3 if code == SPRING else 9
    return str(
        nights.academy.register(
            "SAMPLE",
            code,
            sample_person(number),
            key=f"{code}-{number}",
            ends_at=day(month + 2).isoformat(),
        )
    )


def place(nights: MoodleNights, number: int = 1, course: int = 3) -> MoodleEnrolment:
    account = nights.account(number)
    assert account is not None
    found = nights.site.enrolments.get(course, account.id)
    assert found is not None
    return found


def groups(nights: MoodleNights, course: int = 3) -> dict[str, set[int]]:
    return {g.idnumber: set(g.members) for g in nights.site.groups.of_course(course)}


def test_out_of_both_editions_at_once_is_out_of_the_course(shared: MoodleNights) -> None:
    keys = [register(shared, SPRING), register(shared, AUTUMN)]
    shared.good_night()
    assert not place(shared).suspended
    for key in keys:
        shared.academy.change(key, "withdrawn")
    shared.good_night()
    assert place(shared).suspended


def test_left_joined_another_and_left_that_is_out_of_the_course(shared: MoodleNights) -> None:
    first = register(shared, SPRING)
    shared.good_night()
    shared.academy.change(first, "withdrawn")
    shared.good_night()
    assert place(shared).suspended
    second = register(shared, AUTUMN)
    shared.good_night()
    assert not place(shared).suspended
    assert groups(shared)[SPRING] == set()
    shared.academy.change(second, "withdrawn")
    shared.good_night()
    assert place(shared).suspended


def test_a_group_of_the_centres_own_keeps_nobody_in_the_course(shared: MoodleNights) -> None:
    key = register(shared, SPRING)
    shared.good_night()
    own = shared.site.groups.add(3, "Tutorial", "TUT-1")
    own.members[place(shared).user_id] = None
    shared.academy.change(key, "withdrawn")
    shared.good_night()
    assert place(shared).suspended
    assert groups(shared)["TUT-1"] == {place(shared).user_id}


def test_who_stays_for_another_edition_only_leaves_the_group(shared: MoodleNights) -> None:
    key = register(shared, SPRING)
    register(shared, AUTUMN)
    shared.good_night()
    shared.academy.change(key, "withdrawn")
    shared.good_night()
    assert not place(shared).suspended
    assert groups(shared) == {SPRING: set(), AUTUMN: {place(shared).user_id}}


def test_somebody_whom_the_centre_enrolled_is_not_ended_with_an_edition(
    shared: MoodleNights,
) -> None:
    person = shared.site.people.add("own", "Own", "P", "own@example.org", idnumber="SAMPLE-1")
    shared.site.enrolments.enrol(3, person.id)
    tutorial = shared.site.groups.add(3, "Tutorial", "TUT-1")
    tutorial.members[person.id] = None
    key = register(shared, SPRING)
    shared.good_night()
    shared.academy.change(key, "withdrawn")
    shared.good_night()
    assert not place(shared).suspended


def test_the_shared_enrolment_has_the_widest_dates_of_the_learners_editions(
    shared: MoodleNights,
) -> None:
    key = register(shared, SPRING)
    register(shared, AUTUMN)
    shared.good_night()
    assert place(shared).timestart == day(3).timestamp()
    assert place(shared).timeend == day(11).timestamp()
    shared.academy.change(key, "withdrawn")
    shared.good_night()
    assert place(shared).timestart == day(9).timestamp()
    assert place(shared).timeend == day(11).timestamp()


def test_groups_carry_the_editions_title(shared: MoodleNights) -> None:
    register(shared, SPRING)
    shared.good_night()
    (group,) = shared.site.groups.of_course(3)
    assert (group.name, group.idnumber) == (f"Spectrum ({SPRING})", SPRING)


def test_a_total_counts_for_the_edition_in_whose_time_it_falls(shared: MoodleNights) -> None:
    register(shared, SPRING)
    register(shared, AUTUMN)
    shared.good_night()
    item = shared.site.gradebook.add_item(3, "Exam")
    for month, score, expected in (
        (4, 60.0, {SPRING: "60"}),
        (10, 80.0, {SPRING: "60", AUTUMN: "80"}),
    ):
        graded_at = int(day(month).timestamp())
        shared.site.gradebook.grade(item, place(shared).user_id, score, graded_at)
        shared.good_night()
        results = shared.academy.results
        assert {code: document["score"] for (code, _), document in results.items()} == expected


def test_a_course_that_nothing_names_is_reported_until_it_exists(shared: MoodleNights) -> None:
    hand_in(shared, {SPRING: "ITU-99", AUTUMN: "ITU-1"})
    register(shared, SPRING)
    for _ in range(2):
        report = shared.night()
        assert report.status == "partial"
        ((_, error),) = report.errors
        assert error.code == "no-such-course"
        assert SPRING in error.message
        assert "ITU-99" in error.message
    shared.site.catalogue.add_course("New", "New", idnumber="ITU-99")
    shared.good_night()
    assert shared.account(1) is not None


def test_a_changed_course_moves_the_learners(shared: MoodleNights) -> None:
    register(shared, SPRING)
    shared.good_night()
    hand_in(shared, {SPRING: "ITU-2", AUTUMN: "ITU-1"})
    shared.good_night()
    shared.good_night()
    assert place(shared, course=3).suspended
    assert not place(shared, course=4).suspended
    assert groups(shared, 4)[SPRING] == {place(shared).user_id}


def test_the_grades_of_one_course_are_asked_one_call_at_a_time(
    site: MoodleState, centre_of: Open
) -> None:
    """Two at once on a fresh course make Moodle create two gradebook roots."""
    for edition in ("A", "B", "C"):
        site.groups.add(2, edition, edition)
    site.pace.latency[GRADES] = 0.05
    answers = list(centre_of().read_results(["2#A", "2#B", "2#C", "3"]))
    assert all(isinstance(each, Page) for each in answers)
    assert site.most_at_once[GRADES, 2] == 1
    assert site.calls[GRADES] == 4


def test_policy_unenrol_ends_an_edition_by_the_same_rule(shared: MoodleNights) -> None:
    shared.policy = replace(shared.policy, removal=Removal.UNENROL)
    keys = [register(shared, SPRING), register(shared, AUTUMN)]
    shared.good_night()
    person = place(shared).user_id
    for key in keys:
        shared.academy.change(key, "withdrawn")
    shared.good_night()
    assert shared.site.enrolments.get(3, person) is None


def test_learners_of_an_offering_form_a_group_if_the_centre_wants_that(
    nights: MoodleNights,
) -> None:
    nights.options = {"groups": True}
    code = nights.codes()["2"]
    key = nights.register(1)
    nights.register(2)
    nights.good_night()
    people = {place(nights, number, 2).user_id for number in (1, 2)}
    (group,) = nights.site.groups.of_course(2)
    assert (group.idnumber, group.name) == (code, f"Course & 0 ({code})")
    assert set(group.members) == people
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    assert set(group.members) == {place(nights, 2, 2).user_id}
    assert place(nights, 1, 2).suspended
