"""A centre whose LMS launches the bridge: enrolments are read, and nothing can be written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lms_bridge.domain.errors import AccessDenied
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.policy import OnConflict
from lms_bridge.domain.ports import Action, Done, Removal
from lms_bridge.lti.parties import Party, Status
from lms_bridge.store.offerings import offerings_by_code
from lms_bridge.testing.samples import enrolment_order, learner_order
from tests.fakes.academy import sample_person
from tests.fakes.nights import NEVER_HOLD, sample_centre
from tests.integration.lti_connector.world import Connected, LtiNights
from tests.peers.rosters import person

COURSE = "course-5"
A = "SAMPLE-A"


@pytest.fixture
def party(connected: Connected) -> Party:
    return connected.connect_platform("SAMPLE")


@pytest.fixture
def night(connected: Connected, party: Party) -> LtiNights:
    """The offering SAMPLE-A was launched from one course, and two people are registered for it."""
    connected.launched(party, connected.add_offering(A), COURSE)
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
    return sorted((row.external_id, row.made) for row in rows if row.external_id)


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


def test_who_is_on_the_roster_is_found(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2"), person("3", roles=["Mentor"])]
    night.good_night()
    assert accounts(night) == [("1", False), ("2", False)]
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}
    assert connected.platform.asked == [COURSE] * 2  # two pages, and read once a run
    night.good_night()  # remembers the roster as it is now
    before = night.contents()
    night.good_night()
    assert night.contents() == before


def test_the_longest_id_that_there_may_be(night: LtiNights, connected: Connected) -> None:
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
    assert night.night().counts["enrolment.conflict.source wins"] == 1
    connected.platform.courses[COURSE] = [{**there, "user_id": longest + "p"}]
    night.night()
    assert len(enrolled(night)) == 2


def test_who_is_not_waits_until_they_are(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1")]
    night.night()
    assert enrolled(night) == {f"{A}/1": "active"}
    assert night.waiting() == {"SAMPLE-2": "not-in-lms"}
    connected.platform.courses[COURSE].append(person("2"))
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}
    assert night.waiting() == {}


def test_in_another_course_is_not_in_this_one(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    other = connected.launched(party, connected.add_offering("SAMPLE-B"), "course-6")
    connected.platform.courses[COURSE] = [person("1")]
    connected.platform.courses[other] = [person("2")]
    report = night.night()
    assert accounts(night) == [("1", False), ("2", False)]
    assert enrolled(night) == {f"{A}/1": "active"}
    assert report.counts["enrolment.create.failed"] == 1
    (told,) = refusals(night)
    assert "enrols its people itself" in told
    connected.platform.courses[COURSE].append(person("2"))
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_nobody_is_taken_out(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    night.academy.change("r1", "withdrawn")
    report = night.good_night()
    assert ("enrolment", "remove", "left alone") in night.items(report)


@pytest.mark.parametrize("status", ["Inactive", "Deleted"])
def test_who_left_the_course_is_told_of(
    night: LtiNights, connected: Connected, status: str
) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    connected.platform.courses[COURSE][1]["status"] = status
    report = night.night()
    assert report.counts["enrolment.conflict.source wins"] == 1
    assert len(refusals(night)) == 1
    connected.platform.courses[COURSE][1]["status"] = "Active"
    night.night()
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_who_left_the_course_may_be_a_question(night: LtiNights, connected: Connected) -> None:
    night.policy = replace(NEVER_HOLD, conflict=OnConflict.HOLD)
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    connected.platform.courses[COURSE].pop()
    assert night.night().status == "held"


@pytest.mark.parametrize("fault", ["busy", "page", "cut", "lost", "denied"])
def test_of_an_unread_roster_nothing_is_concluded(
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


def test_a_course_that_is_gone_does_not_keep_the_others(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    gone = connected.launched(party, connected.add_offering("SAMPLE-B"), "course-6")
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    del connected.platform.courses[gone]
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_several_courses_of_one_offering_are_one_roster(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    with connected.database.reading() as tx:
        id_ = offerings_by_code(tx, [A])[A][0]
    second = connected.launched(party, id_, "course-6")
    connected.platform.courses[COURSE] = [person("1"), person("2", status="Inactive")]
    connected.platform.courses[second] = [person("2")]
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_an_address_decides_only_where_it_may(night: LtiNights, connected: Connected) -> None:
    shown = person("1", lis_person_sourcedid="", email="SAMPLE1@example.org")
    connected.platform.courses[COURSE] = [shown, person("2")]
    night.night()
    assert night.waiting() == {"SAMPLE-1": "same-email"}
    night.policy = replace(NEVER_HOLD, trust_email=True)
    night.good_night()
    assert enrolled(night) == {f"{A}/1": "active", f"{A}/2": "active"}


def test_an_offering_that_no_course_launched_waits(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    connected.add_offering("SAMPLE-B")
    night.academy.register("SAMPLE", "SAMPLE-B", sample_person(1), key="r3")
    night.night()
    (told,) = refusals(night)
    assert "not launched" in told


def test_two_issuers_are_a_question_for_a_person(night: LtiNights, connected: Connected) -> None:
    second = connected.connect_platform("SAMPLE", issuer="https://other.example.org")
    connected.launched(second, connected.add_offering("SAMPLE-B"), "course-6")
    report = night.night()
    assert {error.code for _, error in report.errors} == {"several-platforms"}


def test_a_connection_that_is_not_active(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.good_night()
    before = enrolled(night)
    connected.change(party, status=Status.DISABLED)
    report = night.night()
    assert [type(error) for _, error in report.errors] == [AccessDenied]
    assert enrolled(night) == before


def test_a_dry_run_tells_and_keeps_nothing(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2")]
    night.run((Flow.OFFERINGS,))
    before = night.contents()
    report = night.run(dry=True)
    assert {(each["kind"], each["state"]) for each in report.changes} >= {
        ("learner", "would be sent"),
        ("enrolment", "taken in"),
    }
    assert night.contents() == before


def test_what_is_there_is_never_the_bridges_own(night: LtiNights, connected: Connected) -> None:
    connected.platform.courses[COURSE] = [person("1"), person("2", status="Inactive")]
    system = connected.open_centre("platform")
    orders = [
        enrolment_order(1, A, "1", again=True),
        enrolment_order(2, A, "2", again=True),
        enrolment_order(3, A, "1", action=Action.REMOVE),
        enrolment_order(4, A, "2", action=Action.REMOVE),
    ]
    outcomes = {each.key: each for each in system.write_enrolments(orders, Removal.UNENROL)}
    people = [learner_order(5, "SAMPLE-1", again=True), learner_order(6, "SAMPLE-9", again=True)]
    outcomes |= {each.key: each for each in system.write_learners(people)}
    system.close()
    told = {
        key: each.made if isinstance(each, Done) else each.error.code
        for key, each in outcomes.items()
    }
    assert told == {
        1: False,
        2: "not-on-roster",
        3: "still-on-roster",
        4: False,
        5: False,
        6: "not-in-lms",
    }


def test_another_centres_offering_is_not_read(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    elsewhere = replace(connected, centre=sample_centre("OTHER"))
    elsewhere.add_centre()
    other = elsewhere.launched(party, elsewhere.add_offering("OTHER-1"), "course-9")
    connected.platform.courses[other] = [person("1"), person("2")]
    night.night()
    assert other not in connected.platform.asked
    assert accounts(night) == []
