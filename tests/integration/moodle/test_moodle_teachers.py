"""Who teaches an offering gets the teacher's role in its course, and loses no more than that."""

from __future__ import annotations

import pytest

from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.model import Flow
from lms_bridge.store import offerings, teachers
from lms_bridge.store.teachers import TeacherState
from tests.integration.moodle.site_nights import MoodleNights

TEACHER, STUDENT = 4, 5
ENROLMENTS = (Flow.ENROLMENTS,)


@pytest.fixture
def taught(site: MoodleState, nights: MoodleNights) -> MoodleNights:
    """A centre that wants teachers. Person T-1 has an account there."""
    nights.options = {"teacher_role": TEACHER}
    nights.good_night()
    site.people.add("t1", "T", "One", "t1@example.org", idnumber="T-1")
    return nights


def offering_id(nights: MoodleNights, course: str = "2") -> int:
    code = nights.codes()[course]
    with nights.database.reading() as tx:
        found = offerings.offering_by_code(tx, code)
    assert found is not None
    return found[0]


def name(nights: MoodleNights, *, ends: bool = False, academy_id: str = "T-1") -> None:
    record = offering_id(nights)
    with nights.database.writing() as tx:
        if ends:
            assert teachers.dismiss(tx, record, academy_id)
        else:
            teachers.name(tx, record, academy_id)


def account(site: MoodleState) -> int:
    (found,) = site.people.with_any("idnumber", ["T-1"])
    return found.id


def states(nights: MoodleNights) -> list[TeacherState]:
    with nights.database.reading() as tx:
        found = teachers.teachers(tx, nights.centre.code, nights.centre.system)
    return [each.state for each in found]


def test_a_teacher_gets_the_role_and_loses_it_when_they_leave(
    site: MoodleState, taught: MoodleNights
) -> None:
    name(taught)
    report = taught.good_night(ENROLMENTS)
    enrolment = site.enrolments.get(2, account(site))
    assert enrolment is not None
    assert (enrolment.roles, enrolment.suspended) == ([TEACHER], False)
    assert report.counts["offering.teach.teacher given"] == 1
    calls = site.calls["enrol_manual_enrol_users"]
    taught.good_night(ENROLMENTS)
    assert site.calls["enrol_manual_enrol_users"] == calls
    name(taught, ends=True)
    taught.good_night(ENROLMENTS)
    assert (enrolment.roles, enrolment.suspended) == ([], True)
    assert states(taught) == []


def test_who_was_in_the_course_before_is_left_alone(
    site: MoodleState, taught: MoodleNights
) -> None:
    site.enrolments.enrol(2, account(site), role_id=TEACHER)
    name(taught)
    taught.good_night(ENROLMENTS)
    assert states(taught) == [TeacherState.THERE]
    name(taught, ends=True)
    taught.good_night(ENROLMENTS)
    enrolment = site.enrolments.get(2, account(site))
    assert enrolment is not None
    assert (enrolment.roles, enrolment.suspended) == ([TEACHER], False)


def test_a_teacher_with_another_role_by_now_loses_the_teachers_alone(
    site: MoodleState, taught: MoodleNights
) -> None:
    name(taught)
    taught.good_night(ENROLMENTS)
    site.enrolments.enrol(2, account(site), role_id=STUDENT)
    name(taught, ends=True)
    taught.good_night(ENROLMENTS)
    enrolment = site.enrolments.get(2, account(site))
    assert enrolment is not None
    assert (enrolment.roles, enrolment.suspended) == ([STUDENT], False)


def test_no_account_is_made_or_found_by_its_address_for_a_teacher(
    site: MoodleState, taught: MoodleNights
) -> None:
    teacher = account(site)
    site.people.change(teacher, idnumber="")
    name(taught)
    people = len(site.people)
    report = taught.night(ENROLMENTS)
    assert report.status == "partial"
    (words,) = taught.messages(report)
    assert words.startswith("T-1 in ")
    ((step, error),) = report.errors  # which the summary shows
    assert (step, error.code) == ("teachers", "teacher-not-found")
    assert (len(site.people), states(taught)) == (people, [TeacherState.NEW])
    site.people.change(teacher, idnumber="T-1")
    taught.good_night(ENROLMENTS)
    assert states(taught) == [TeacherState.GIVEN]


def test_a_centre_that_wants_no_teachers_gets_none(site: MoodleState, taught: MoodleNights) -> None:
    taught.options = {}
    name(taught)
    taught.good_night(ENROLMENTS)
    assert site.enrolments.get(2, account(site)) is None


def test_a_role_whose_answer_was_lost_is_the_bridges_own(
    site: MoodleState, taught: MoodleNights
) -> None:
    name(taught)
    with taught.database.reading() as tx:
        (teacher,) = teachers.teachers(tx, taught.centre.code, taught.centre.system)
    with taught.database.writing() as tx:  # as a crash after the request leaves it
        teachers.keep(tx, teacher, TeacherState.SENDING, "2", str(account(site)))
    site.enrolments.enrol(2, account(site), role_id=TEACHER)
    taught.good_night(ENROLMENTS)
    assert states(taught) == [TeacherState.GIVEN]
