"""An Academy that is a Moodle, in whole runs: what goes wrong in one course stops no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lms_bridge.devtools.moodle.server import RunningServer
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.policy import OnConflict
from lms_bridge.store.database import Database
from lms_bridge.sync.run import RunReport
from tests.integration.moodle.academy_nights import ENROLMENTS, AcademyNights


@pytest.fixture
def academy(site: MoodleState, server: RunningServer, sqlite_database: Database) -> AcademyNights:
    """Two offerings, published, each with one learner of its own."""
    del server  # it only has to run
    made = AcademyNights(sqlite_database, site=site)
    for title in ("One", "Two"):
        made.lms.add_course(title)
    made.good_night()
    for number, code in enumerate(sorted(made.codes().values()), 1):
        site.enrolments.enrol(made.course(code).id, made.person(number).id)
    made.good_night()
    return made


def codes(academy: AcademyNights) -> tuple[str, str]:
    first, second = sorted(academy.codes().values())
    return first, second


def told(report: RunReport) -> list[str]:
    return [f"{error.code}: {error.message}" for _, error in report.errors]


@pytest.mark.parametrize("deleted", [True, False])
def test_a_course_that_cannot_be_read_stops_no_other(academy: AcademyNights, deleted: bool) -> None:
    first, second = codes(academy)
    lost = academy.course(first)
    academy.site.enrolments.enrol(academy.course(second).id, academy.person(3).id)
    if deleted:
        academy.site.catalogue.remove(lost.id)
    else:
        academy.site.catalogue.change(lost.id, visible=0)
        academy.site.revoke("moodle/course:viewhiddencourses")
    report = academy.night(ENROLMENTS)
    assert report.status == "partial"
    (words,) = told(report)
    assert f"Course {lost.id}" in words
    assert academy.enrolments() == {
        (first, "SAMPLE-1"): "enrolled",
        (second, "SAMPLE-2"): "enrolled",
        (second, "SAMPLE-3"): "enrolled",
    }


@pytest.mark.parametrize("names_tables", [True, False], ids=["4.5", "5.1"])
def test_a_deleted_course_is_made_again(academy: AcademyNights, names_tables: bool) -> None:
    academy.site.names_tables = names_tables
    first, _ = codes(academy)
    old = academy.course(first).id
    academy.site.catalogue.remove(old)
    assert academy.night().status == "partial"
    assert academy.course(first).id != old
    academy.site.enrolments.enrol(academy.course(first).id, 5)
    academy.good_night()


@pytest.mark.parametrize("policy", [OnConflict.KEEP, OnConflict.HOLD])
def test_a_deleted_course_is_left_to_a_person(academy: AcademyNights, policy: OnConflict) -> None:
    first, second = codes(academy)
    academy.policy = replace(academy.policy, conflict=policy)
    academy.site.catalogue.remove(academy.course(first).id)
    assert academy.night().status == "partial"
    report = academy.night()
    assert not told(report)
    assert list(academy.titles()) == [second]
    assert academy.enrolments()[first, "SAMPLE-1"] == "enrolled"
    if policy is OnConflict.HOLD:
        assert academy.decide(approve=True) == 1
        for _ in range(2):  # the first finds no course to change, the second makes one
            academy.night()
        assert sorted(academy.titles()) == [first, second]
    else:
        assert report.status == "done"


def test_a_course_that_was_hidden_and_renumbered_is_put_right(academy: AcademyNights) -> None:
    first, _ = codes(academy)
    course = academy.course(first)
    academy.site.catalogue.change(course.id, visible=0, idnumber="ELSE")
    academy.good_night()
    assert (course.visible, course.idnumber) == (1, first)


def test_a_category_that_was_deleted_is_made_again(academy: AcademyNights) -> None:
    """Moodle deletes a category's courses with it, or moves them."""
    catalogue = academy.site.catalogue
    academy.options["categories"] = "centre"
    academy.lms.add_course("Three")
    academy.good_night()
    for each in [each for each in catalogue.categories.values() if each.idnumber]:
        for course in catalogue.with_value("category_id", each.id):
            catalogue.change(course.id, category_id=1)
        del catalogue.categories[each.id]
    academy.lms.add_course("Four")
    academy.good_night()
    made = [each.idnumber for each in catalogue.categories.values() if each.idnumber]
    assert made == ["region-africa", "centre-SAMPLE"]


@pytest.mark.parametrize("policy", list(OnConflict))
def test_an_end_at_midnight_is_no_conflict(academy: AcademyNights, policy: OnConflict) -> None:
    academy.policy = replace(academy.policy, conflict=policy)
    for each in academy.lms.courses.values():
        each |= {"starts_at": "2026-06-01T07:00:00Z", "ends_at": "2026-07-01T00:00:00Z"}
    academy.good_night()
    report = academy.good_night()
    assert not academy.items(report)
    course = academy.course(codes(academy)[0])
    academy.site.catalogue.change(course.id, enddate=course.enddate + 60)
    assert ("offering", "conflict") in [each[:2] for each in academy.items(academy.night())]


def test_a_change_of_a_deleted_course_makes_it_again(academy: AcademyNights) -> None:
    first, _ = codes(academy)
    old = academy.course(first).id
    academy.site.catalogue.remove(old)
    for course in academy.lms.courses.values():
        course["title"] += " anew"
    assert academy.night().status == "partial"
    academy.night()
    assert academy.course(first).id != old


def test_a_course_without_an_enabled_method_withdraws_nobody(academy: AcademyNights) -> None:
    """Moodle shows everybody there as suspended."""
    first, second = codes(academy)
    course = academy.course(first)
    course.manual_enabled = False
    for _ in range(2):
        (words,) = told(academy.night())
        assert "no-enrolment-method: " in words
        assert f"Course {course.id}: " in words
    assert academy.enrolments() == {
        (first, "SAMPLE-1"): "enrolled",
        (second, "SAMPLE-2"): "enrolled",
    }
    course.manual_enabled = True
    academy.good_night()


def test_names_that_are_not_seen_wipe_nothing(academy: AcademyNights) -> None:
    academy.site.public_names = ("firstname",)
    academy.site.people.change(academy.site.people.with_any("idnumber", ["SAMPLE-1"])[0].id,
                               firstname="New")  # fmt: skip
    for _ in range(2):
        (words,) = told(academy.night())
        assert "names-not-seen" in words
    names = {each.given_name: each.family_name for each in academy.learners().values()}
    assert names == {"New": "Family 1", "Given": "Family 2"}
    academy.site.grant("moodle/site:viewfullnames")
    academy.good_night()


def test_addresses_that_are_not_seen_are_named_and_wipe_nothing(academy: AcademyNights) -> None:
    first, _ = codes(academy)
    academy.site.enrolments.enrol(academy.course(first).id, academy.person(3).id)
    academy.site.revoke("moodle/course:useremail")
    academy.site.revoke("moodle/site:viewuseridentity")
    for _ in range(2):
        (words,) = told(academy.night(ENROLMENTS))
        assert "emails-not-seen" in words
    emails = {each.email for each in academy.learners().values()}
    assert emails == {"sample1@example.org", "sample2@example.org"}
    academy.site.grant("moodle/course:useremail")
    academy.good_night()
    assert (first, "SAMPLE-3") in academy.enrolments()


@pytest.mark.parametrize("idnumber", ["", "A 1", "A/1"])
def test_a_learner_without_a_usable_id_number_waits_visibly(
    academy: AcademyNights, idnumber: str
) -> None:
    first, _ = codes(academy)
    account = academy.person(3, idnumber=idnumber)
    course = academy.course(first)
    academy.site.enrolments.enrol(course.id, account.id)
    for _ in range(2):
        report = academy.night(ENROLMENTS)
        assert report.status in ("partial", "waiting")
        (wait,) = report.waits
        assert (wait.what, wait.number) == ("quarantined", 1)
        assert f"account {account.id}" in wait.why
    academy.site.people.change(account.id, idnumber="SAMPLE-3")
    academy.good_night()


def test_a_suspended_account_and_a_future_start(academy: AcademyNights) -> None:
    first, second = codes(academy)
    one, two = (academy.site.people.with_any("idnumber", [f"SAMPLE-{n}"])[0] for n in (1, 2))
    late = academy.person(3)
    academy.site.people.change(one.id, suspended=True)
    academy.site.enrolments.enrol(
        academy.course(second).id, late.id, timestart=academy.site.now() + 86_400
    )
    academy.good_night()
    assert academy.enrolments() == {
        (first, "SAMPLE-1"): "withdrawn",
        (second, "SAMPLE-2"): "enrolled",
        (second, "SAMPLE-3"): "registered",
    }
    academy.site.people.change(one.id, suspended=False)
    academy.site.enrolments.enrol(academy.course(second).id, late.id)
    academy.site.enrolments.enrol(academy.course(second).id, two.id, suspended=True)
    academy.good_night()
    assert academy.enrolments() == {
        (first, "SAMPLE-1"): "enrolled",
        (second, "SAMPLE-2"): "withdrawn",
        (second, "SAMPLE-3"): "enrolled",
    }


def test_a_suspended_registration_that_never_was_a_place_is_none(academy: AcademyNights) -> None:
    first, second = codes(academy)
    now = academy.site.now()
    begun, coming = academy.course(first), academy.course(second)
    academy.site.catalogue.change(begun.id, startdate=now - 86_400)
    academy.site.catalogue.change(coming.id, startdate=now + 86_400)
    for number, course in ((3, begun), (4, coming)):
        academy.site.enrolments.enrol(course.id, academy.person(number).id, suspended=True)
    gone = academy.person(5, suspended=True)
    academy.site.enrolments.enrol(coming.id, gone.id)
    academy.night(ENROLMENTS)
    expected = {
        (first, "SAMPLE-3"): "withdrawn",
        (second, "SAMPLE-4"): "registered",  # it may have a start in the future
        (second, "SAMPLE-5"): "withdrawn",
    }
    assert academy.enrolments().items() >= expected.items()
    # Nothing changes on the roster when the course begins.
    academy.site.catalogue.change(coming.id, startdate=now - 60)
    academy.night(ENROLMENTS)
    assert academy.enrolments()[second, "SAMPLE-4"] == "withdrawn"
    academy.site.people.change(gone.id, suspended=False)
    academy.night(ENROLMENTS)
    assert academy.enrolments()[second, "SAMPLE-5"] == "enrolled"
