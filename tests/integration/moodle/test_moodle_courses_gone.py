"""A course that was deleted in Moodle ends what hung on it, once and visibly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lms_bridge.api.documents import centre_state_document
from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.ports import PageError, Removal, WriteFailed, Written
from lms_bridge.domain.rules import Rules
from lms_bridge.store.links import external_ids
from lms_bridge.sync.offering_actions import OfferingChange, change_offering
from tests.fakes.academy import sample_person
from tests.integration.moodle.records import by_key, enrol, leave
from tests.integration.moodle.site_nights import MoodleNights

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]


def requested(site: MoodleState, course: int) -> list[str]:
    """The functions that were called about a course."""
    return [name for name, form in site.log or () if ("courseid", str(course)) in form]


def test_a_deleted_course_ends_with_its_enrolments(site: MoodleState, nights: MoodleNights) -> None:
    nights.register(1)
    nights.register(1, course=3)
    nights.register(2)
    nights.good_night()
    code = nights.codes()["2"]
    site.catalogue.remove(2)
    report = nights.good_night()
    assert code not in nights.academy.catalogue
    ended = [each for each in nights.items(report) if each[2] == "gone with the course"]
    assert ended == [("offering", "end", "gone with the course")]
    site.log = []
    report = nights.good_night()
    assert requested(site, 2) == []
    assert requested(site, 3)
    assert "gone with the course" not in str(nights.items(report))


def test_learners_who_stay_in_a_course_that_left_the_catalogue_are_told_once(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.options = {"categories": "1"}
    key = nights.register(1)
    nights.register(2)
    nights.good_night()
    code = nights.codes()["2"]
    elsewhere = site.catalogue.add_category("Not for the Academy")
    site.catalogue.change(2, category_id=elsewhere.id)
    report = nights.night()
    assert code not in nights.academy.catalogue
    (wait,) = report.waits
    assert (report.status, wait.what, wait.number) == ("waiting", "staying", 2)
    assert code in wait.why
    assert len(list(site.enrolments.of_course(2))) == 2
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    assert sum(not each.suspended for each in site.enrolments.of_course(2)) == 1
    assert waits_now(nights) == [("staying", 1)]  # which the command shows that the run names


def waits_now(nights: MoodleNights) -> list[tuple[str, int]]:
    """What `lms-bridge centre show` says."""
    with nights.database.reading() as tx:
        waits = centre_state_document(tx, nights.centre)["waits"]
    return [(each["what"], each["number"]) for each in waits]


def test_learners_who_stay_in_a_course_that_was_hidden_are_told(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.register(2, course=3)
    nights.good_night()
    code = nights.codes()["2"]
    site.catalogue.change(2, visible=0)
    report = nights.night()
    assert code not in nights.academy.catalogue
    (wait,) = report.waits
    assert (report.status, wait.what, wait.number) == ("waiting", "staying", 1)
    assert code in wait.why
    nights.good_night()
    nights.good_night()
    assert waits_now(nights) == [("staying", 1)]
    site.catalogue.change(2, visible=1)
    nights.good_night()
    assert waits_now(nights) == []
    assert code in nights.academy.catalogue


def test_a_hidden_course_whose_status_people_keep_here_is_told(
    site: MoodleState, nights: MoodleNights
) -> None:
    site.catalogue.change(2, startdate=int(nights.now.timestamp()) + 30 * 86_400)
    nights.good_night()
    code = nights.codes()["2"]
    postponed = OfferingChange(code, OfferingAction.POSTPONE, "for a test")
    nights.act(lambda tx, context: change_offering(tx, context, postponed, Rules()))
    site.catalogue.change(2, visible=0)
    report = nights.good_night()
    assert code in nights.academy.catalogue
    (told,) = nights.messages(report)
    assert (code in told, "Show the course in the LMS" in told) == (True, True)
    assert nights.messages(nights.good_night()) == []


def test_learners_of_a_course_that_is_over_are_not_said_to_stay(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.good_night()
    site.catalogue.change(2, enddate=int(nights.now.timestamp()) - 1)
    nights.good_night()
    site.catalogue.change(2, visible=0)  # centres hide what is over
    nights.good_night()
    assert waits_now(nights) == []


def test_withdrawals_from_a_deleted_course_need_nothing(
    site: MoodleState, nights: MoodleNights
) -> None:
    key = nights.register(1)
    nights.good_night()
    site.catalogue.remove(2)
    nights.good_night()
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    nights.academy.change_person("SAMPLE-1", given_name="Renamed")
    nights.good_night()


def test_a_new_registration_for_a_deleted_course_is_refused(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.good_night()
    code = nights.codes()["2"]
    site.catalogue.remove(2)
    nights.good_night()
    nights.academy.register("SAMPLE", code, sample_person(9), key="late")
    nights.night()
    assert nights.quarantined() == {"late": "course-gone"}


def test_a_run_between_deletion_and_the_next_catalogue_names_the_course(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.good_night()
    site.catalogue.remove(2)
    report = nights.night([Flow.ENROLMENTS])
    assert report.status == "partial"
    ((_, error),) = report.errors
    assert (error.code, "course 2" in error.message) == ("course-gone", True)


def test_a_course_that_comes_back_gets_its_learners_back(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    course = site.catalogue.get(2)
    assert course is not None
    site.catalogue.remove(2)
    nights.good_night()
    site.unenrol(2, account.id)
    site.catalogue.add_course(course.shortname, course.fullname, idnumber="ITU-0", id=2)
    nights.good_night()
    assert [each.user_id for each in site.enrolments.of_course(2)] == [account.id]
    with nights.database.reading() as tx:
        assert "2" in external_ids(tx, nights.centre.system, Kind.OFFERING, range(99)).values()


def test_a_hidden_course_is_not_taken_for_a_deleted_one(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.revoke("moodle/course:viewhiddencourses")
    (answer,) = centre_of().show_enrolments(["5"])
    assert isinstance(answer, PageError)
    assert not answer.gone


@pytest.mark.parametrize("offering", ["999", "999#E-1"])
@pytest.mark.parametrize("names_tables", [True, False], ids=["4.5", "5.1"])
def test_every_call_shows_a_deleted_course(
    offering: str, names_tables: bool, site: MoodleState, centre_of: Open
) -> None:
    site.names_tables = names_tables
    centre = centre_of()
    for (answer,) in (centre.show_enrolments([offering]), centre.read_results([offering])):
        assert isinstance(answer, PageError)
        assert (answer.gone, answer.error.code) == (True, "course-gone")
    found = by_key(
        centre.write_enrolments([enrol(1, 5, offering), leave(2, 5, offering)], Removal.SUSPEND)
    )
    assert isinstance(found[1], WriteFailed)
    assert found[1].error.code == "course-gone"
    assert found[2] == Written(2, f"{offering}/5", note="gone with the course")
