"""A centre whose LMS launches the bridge: enrolments are read, and nothing can be written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.policy import OnConflict
from lms_bridge.domain.ports import Action, Removal, Written
from lms_bridge.lti.registrations import LtiRegistration, Status
from lms_bridge.store.offerings import offerings_by_code
from lms_bridge.testing.samples import enrolment_request, learner_request
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.nights import NEVER_HOLD, sample_centre
from tests.integration.lti_connector.world import Connected, LtiNights
from tests.peers.rosters import person

COURSE = "course-5"
A = "SAMPLE-A"


@pytest.fixture
def registration(connected: Connected) -> LtiRegistration:
    return connected.connect_platform("SAMPLE")


@pytest.fixture
def night(connected: Connected, registration: LtiRegistration) -> LtiNights:
    """The offering SAMPLE-A was launched from one course, and two people are registered for it."""
    connected.launched(registration, connected.add_offering(A), COURSE)
    made = LtiNights(
        connected.database,
        centre=connected.centre,
        open_centre=lambda: connected.open_centre("platform"),
    )
    for number in (1, 2):
        made.academy.register("SAMPLE", A, sample_person(number), key=f"r{number}")
    return made


def accounts(night: LtiNights) -> list[tuple[str, bool]]:
    """(account, whether the bridge counts it as its own) of people known there."""
    rows = night.links(night.centre.system, Kind.LEARNER)
    return sorted((row.external_id, row.created_by_us) for row in rows if row.external_id)


def enrolled(night: LtiNights) -> dict[str, str]:
    """{enrolment there: the state that was acknowledged}"""
    rows = night.links(night.centre.system, Kind.ENROLMENT)
    return {
        row.external_id: row.held_document["state"]
        for row in rows
        if row.external_id and row.held_document
    }


def refusals(night: LtiNights) -> list[str]:
    rows = night.links(night.centre.system, Kind.ENROLMENT)
    return [row.error for row in rows if row.error]


@BOTH
def test_people_on_the_roster_are_found(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2"), person("3", roles=["Mentor"])]
    night.good_night()
    assert accounts(night) == [("1", False), ("2", False)]
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}
    assert connected.platform.requested == [COURSE] * 2  # two pages, and read once a run
    night.good_night()  # remembers the roster as it is now
    before = night.contents()
    night.good_night()
    assert night.contents() == before


@BOTH
def test_the_longest_id_is_accepted(night: LtiNights, connected: Connected) -> None:
    """LTI Core 1.3, section 5.3.6.1: up to 255 characters, as many as the bridge keeps."""
    longest = "p" * 255
    there = {**person("1"), "user_id": longest}
    connected.platform.courses[COURSE] = [there, person("2")]
    night.good_night()
    assert accounts(night) == [("2", False), (longest, False)]
    assert len(enrolled(night)) == 2
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before
    connected.platform.courses[COURSE] = [{**there, "status": "Inactive"}, person("2")]
    assert night.night().counts["enrolment.conflict.kept"] == 1
    connected.platform.courses[COURSE] = [{**there, "user_id": longest + "p"}]
    night.night()
    assert len(enrolled(night)) == 2


@pytest.mark.parametrize("id_", ["1\ufffd", "1\x00", "\ud800"])
def test_an_id_that_cannot_be_read_enrols_nobody(
    night: LtiNights, connected: Connected, id_: str
) -> None:
    """It may be that of several people."""
    connected.platform.courses[COURSE] = [{**person("1"), "user_id": id_}]
    report = night.night()
    assert "member-unreadable" in {error.code for _, error in report.errors}
    assert enrolled(night) == {}


@BOTH
def test_people_who_are_not_on_the_roster_wait(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1")]
    night.night()
    assert enrolled(night) == {f"{A}/1": "active"}
    assert night.waiting() == {"SAMPLE-2": "not-in-lms"}
    connected.platform.courses[COURSE].append(person("2"))
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}
    assert night.waiting() == {}


def test_a_place_in_another_course_does_not_count(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    other = connected.launched(registration, connected.add_offering("SAMPLE-B"), "course-6")
    connected.platform.courses[COURSE] = [person("1")]
    connected.platform.courses[other] = [person("2")]
    report = night.night()
    assert accounts(night) == [("1", False), ("2", False)]
    assert enrolled(night) == {f"{A}/1": "active"}
    assert report.counts["enrolment.create.failed"] == 1
    (reported,) = refusals(night)
    assert "enrols its people itself" in reported
    connected.platform.courses[COURSE].append(person("2"))
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


@BOTH
def test_nobody_is_removed_from_the_platform(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    night.academy.change("r1", "withdrawn")
    report = night.good_night()
    assert ("enrolment", "remove", "left alone") in night.items(report)


@BOTH
@pytest.mark.parametrize(
    ("status", "conflict", "refused"), [("Inactive", "kept", 0), ("Deleted", "source wins", 1)]
)
def test_somebody_who_left_the_course_is_reported(
    night: LtiNights, connected: Connected, status: str, conflict: str, refused: int
) -> None:
    """Whom the centre itself suspended stays so; whoever is gone is asked for again."""
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    connected.platform.courses[COURSE][1]["status"] = status
    report = night.night()
    assert report.counts[f"enrolment.conflict.{conflict}"] == 1
    assert len(refusals(night)) == refused
    connected.platform.courses[COURSE][1]["status"] = "Active"
    night.night()
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


@BOTH
def test_somebody_who_left_the_course_may_be_held(night: LtiNights, connected: Connected) -> None:
    night.policy = replace(NEVER_HOLD, conflict=OnConflict.HOLD)
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    connected.platform.courses[COURSE].pop()
    assert night.night().status == "held"


@pytest.mark.parametrize("fault", ["busy", "page", "cut", "lost", "denied"])
def test_an_unread_roster_changes_nothing(
    night: LtiNights, connected: Connected, fault: str
) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2"), person("3")]
    night.good_night()
    before = enrolled(night)
    connected.platform.fault = fault
    report = night.night()
    assert report.errors
    assert enrolled(night) == before
    connected.platform.fault = ""
    night.good_night()


def test_a_deleted_course_does_not_stop_the_others(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    gone = connected.launched(registration, connected.add_offering("SAMPLE-B"), "course-6")
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    del connected.platform.courses[gone]
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_several_courses_of_one_offering_are_one_roster(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    with connected.database.reading() as tx:
        id_ = offerings_by_code(tx, [A])[A][0]
    second = connected.launched(registration, id_, "course-6")
    connected.platform.courses[COURSE] = [person("1"), person("2", status="Inactive")]
    connected.platform.courses[second] = [person("2")]
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


@BOTH
def test_an_address_decides_only_if_the_policy_allows_it(
    night: LtiNights, connected: Connected
) -> None:
    shown = person("1", lis_person_sourcedid="", email="SAMPLE1@example.org")
    connected.platform.courses[COURSE] = [shown, person("2")]
    night.night()
    assert night.waiting() == {"SAMPLE-1": "same-email"}
    night.policy = replace(NEVER_HOLD, trust_email=True)
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_an_offering_that_was_never_launched_waits(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    connected.add_offering("SAMPLE-B")
    night.academy.register("SAMPLE", "SAMPLE-B", sample_person(1), key="r3")
    night.night()
    (reported,) = refusals(night)
    assert "not launched" in reported


def test_two_issuers_stop_the_run(night: LtiNights, connected: Connected) -> None:
    second = connected.connect_platform("SAMPLE", issuer="https://other.example.org")
    connected.launched(second, connected.add_offering("SAMPLE-B"), "course-6")
    report = night.night()
    assert {error.code for _, error in report.errors} == {"several-platforms"}


def test_an_inactive_connection_is_reported(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    before = enrolled(night)
    connected.change(registration, status=Status.DISABLED)
    report = night.night()
    assert (report.status, report.errors) == ("waiting", ())
    (wait,) = report.waits
    assert "is not active" in wait.why
    assert wait.command == f"lms-bridge lti show {registration.id}"
    assert enrolled(night) == before


def test_a_dry_run_reports_and_stores_nothing(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.run((Flow.OFFERINGS,))
    night.run(dry=True)  # the first request to a platform makes the bridge's own key
    before = night.contents()
    report = night.run(dry=True)
    assert {(each["kind"], each["state"]) for each in report.changes} >= {
        ("learner", "would be found"),
        ("enrolment", "applied"),
    }
    assert night.contents() == before


def test_people_on_a_platform_are_never_created_by_us(
    night: LtiNights, connected: Connected
) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2", status="Inactive")]
    system = connected.open_centre("platform")
    requests = [
        enrolment_request(1, A, "1", is_retry=True),
        enrolment_request(2, A, "2", is_retry=True),
        enrolment_request(3, A, "1", action=Action.REMOVE),
        enrolment_request(4, A, "2", action=Action.REMOVE),
    ]
    outcomes = {each.key: each for each in system.write_enrolments(requests, Removal.UNENROL)}
    people = [
        learner_request(5, "SAMPLE-1", is_retry=True),
        learner_request(6, "SAMPLE-9", is_retry=True),
    ]
    outcomes |= {each.key: each for each in system.write_learners(people)}
    system.close()
    reported = {
        key: each.created_by_us if isinstance(each, Written) else each.error.code
        for key, each in outcomes.items()
    }
    assert reported == {
        1: False,
        2: "not-on-roster",
        3: "still-on-roster",
        4: False,
        5: False,
        6: "not-in-lms",
    }


@BOTH
def test_another_centres_offering_is_not_read(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    elsewhere = replace(connected, centre=sample_centre("OTHER"))
    elsewhere.add_centre()
    other = elsewhere.launched(registration, elsewhere.add_offering("OTHER-1"), "course-9")
    connected.platform.courses[other] = [person("1"), person("2")]
    night.night()
    assert other not in connected.platform.requested
    assert accounts(night) == []
