"""An Academy whose platform speaks only LTI: its courses' rosters are the registrations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lms_bridge.domain.model import Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.lti.parties import Party, PersonId, Status
from lms_bridge.store.offerings import offerings_by_code
from lms_bridge.store.reports import quarantine_of
from tests.fakes.nights import sample_centre
from tests.integration.lti_connector.world import Connected, LtiNights
from tests.peers.rosters import person

RECORDED = Path(__file__).parents[2] / "recordings" / "lti" / "lti-moodle-as-platform.json"


@pytest.fixture
def party(connected: Connected) -> Party:
    return connected.connect_platform()


@pytest.fixture
def night(connected: Connected, party: Party) -> LtiNights:
    """A centre with two courses; both were launched from courses of the Academy's platform."""
    made = LtiNights(
        connected.database, centre=connected.centre, open_academy=connected.open_academy
    )
    made.open_centre = lambda: made.lms
    for title in ("Spectrum", "Policy"):
        made.lms.add_course(title)
    made.good_night()
    for course, code in made.codes().items():
        connected.launched(party, offering_id(made, code), course)
    return made


def offering_id(night: LtiNights, code: str) -> int:
    with night.database.reading() as tx:
        return offerings_by_code(tx, [code])[code][0]


def courses(night: LtiNights) -> list[str]:
    """The ids of the courses, both at the centre and at the Academy."""
    return list(night.codes())


def roster(night: LtiNights) -> dict[tuple[str, str], str]:
    """{(course, Academy's id): state} at the centre."""
    people = night.lms.people
    return {
        (course, people[account].stable_id): place.state
        for (course, account), place in night.lms.roster.items()
    }


def test_members_are_enrolled_and_withdrawn(night: LtiNights, connected: Connected) -> None:
    one, two = courses(night)
    connected.platform.courses[one] = [person("1"), person("2"), person("3", roles=["Instructor"])]
    connected.platform.courses[two] = [person("1")]
    report = night.good_night()
    assert report.counts["enrolment.create.acknowledged"] == 3
    assert roster(night) == {
        (one, "SAMPLE-1"): "active",
        (one, "SAMPLE-2"): "active",
        (two, "SAMPLE-1"): "active",
    }
    connected.platform.courses[one][1]["status"] = "Inactive"
    night.good_night()
    assert roster(night)[one, "SAMPLE-2"] == "suspended"
    connected.platform.courses[one][1]["status"] = "Active"
    night.good_night()
    assert roster(night)[one, "SAMPLE-2"] == "active"
    connected.platform.courses[one].pop(1)
    night.good_night()
    assert roster(night)[one, "SAMPLE-2"] == "suspended"


def test_an_unchanged_roster_costs_a_hash(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person(str(n)) for n in range(5)]
    assert night.good_night().counts["enrolment.create.taken in"] == 5
    report = night.minutes()
    assert (report.counts["answers.read"], report.counts["answers.changed"]) == (2, 0)


def test_many_who_are_gone_wait_for_a_person(night: LtiNights, connected: Connected) -> None:
    night.policy = Policy()
    one, _ = courses(night)
    connected.platform.courses[one] = [person(str(n)) for n in range(6)]
    night.good_night()
    connected.platform.courses[one] = [person("0")]
    assert night.night().status == "held"
    assert set(roster(night).values()) == {"active"}
    assert night.decide(approve=True) == 1
    night.good_night()
    assert sorted(roster(night).values()) == ["active"] + ["suspended"] * 5


@pytest.mark.parametrize("fault", ["busy", "page", "cut", "lost", "denied"])
def test_of_one_unread_course_nothing_is_concluded_and_the_others_count(
    night: LtiNights, connected: Connected, fault: str
) -> None:
    one, two = courses(night)
    connected.platform.courses[one] = [person(str(n)) for n in range(1, 4)]
    connected.platform.courses[two] = [person("4"), person("5")]
    night.good_night()
    connected.platform.fault, connected.platform.faulty = fault, {one}
    connected.platform.courses[two] = [person("5"), person("6")]
    report = night.night()
    assert report.status == "partial"
    assert roster(night) == {
        **{(one, f"SAMPLE-{n}"): "active" for n in (1, 2, 3)},
        (two, "SAMPLE-4"): "suspended",
        (two, "SAMPLE-5"): "active",
        (two, "SAMPLE-6"): "active",
    }
    connected.platform.fault = ""
    night.good_night()
    assert roster(night)[one, "SAMPLE-3"] == "active"


def test_a_course_that_was_deleted_is_told_of(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2"), person("3")]
    night.good_night()
    del connected.platform.courses[one]
    report = night.night()
    assert [error.code for _, error in report.errors] == ["course-gone"]
    assert set(roster(night).values()) == {"active"}


def test_a_platform_that_is_switched_off_empties_nothing(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2"), person("3")]
    night.good_night()
    connected.change(party, status=Status.DISABLED)
    report = night.night()
    assert {error.code for _, error in report.errors} == {"platform-not-active"}
    assert set(roster(night).values()) == {"active"}


@pytest.mark.parametrize(
    ("kept_back", "told"),
    [
        ({"email": ""}, "e-mail address"),
        ({"given_name": "", "family_name": ""}, "name"),
        ({"lis_person_sourcedid": ""}, "id of the register"),
    ],
)
def test_who_comes_without_their_data_is_set_aside(
    night: LtiNights, connected: Connected, kept_back: dict[str, str], told: str
) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2", **kept_back)]
    report = night.night()
    assert list(roster(night)) == [(one, "SAMPLE-1")]
    assert report.counts["enrolment.read.quarantined"] == 1
    with night.database.reading() as tx:
        (row,) = quarantine_of(tx)
    assert row.external_id.endswith("/2")
    assert f"does not share this person's {told}." in row.reason
    connected.platform.courses[one][1] = person("2")
    night.good_night()
    assert night.quarantined() == {}


def test_a_whole_name_will_do(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    whole = {"given_name": "", "family_name": "", "name": "Sample Person"}
    connected.platform.courses[one] = [person("1", **whole)]
    night.good_night()
    (there,) = night.lms.people.values()
    assert there.stable_id == "SAMPLE-1"


def test_the_roster_of_a_real_moodle(night: LtiNights, connected: Connected) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    (whole,) = [
        each["body"]["members"]
        for each in recorded
        if each.get("what") == "nrps" and each["url"].endswith("/memberships")
    ]
    one, _ = courses(night)
    connected.platform.courses[one] = whole
    night.good_night()
    assert roster(night) == {(one, f"acad-{number}"): "active" for number in range(3)}


def test_people_may_be_known_by_the_platforms_own_id(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    connected.change(party, person_id=PersonId.SUB)
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1", lis_person_sourcedid="")]
    night.good_night()
    assert list(roster(night)) == [(one, "1")]


def test_only_the_centres_own_offerings_are_read(
    night: LtiNights, connected: Connected, party: Party
) -> None:
    elsewhere = replace(connected, centre=sample_centre("OTHER"))
    elsewhere.add_centre()
    other = elsewhere.launched(party, elsewhere.add_offering("OTHER-1"), "course-9")
    connected.platform.courses[other] = [person("1")]
    night.good_night()
    assert other not in connected.platform.asked
    assert roster(night) == {}


def test_offerings_are_acknowledged_by_their_codes(night: LtiNights) -> None:
    there = {row.external_id for row in night.links("academy", Kind.OFFERING)}
    assert there == set(night.codes().values())


def test_a_dry_run_tells_and_keeps_nothing(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    night.good_night()
    connected.platform.courses[one] = [person("1")]
    before = night.contents()
    report = night.run(dry=True)
    assert ("enrolment", "would wait") in {(c["kind"], c["state"]) for c in report.changes}
    assert night.contents() == before
