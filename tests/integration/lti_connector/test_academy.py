"""An Academy whose platform speaks only LTI: its courses' rosters are the registrations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lms_bridge.domain.model import Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Status
from lms_bridge.store.offerings import offerings_by_code
from lms_bridge.store.runs import quarantine_of
from tests.databases import BOTH
from tests.fakes.nights import sample_centre
from tests.integration.lti_connector.world import Connected, LtiNights
from tests.peers.rosters import person

RECORDED = Path(__file__).parents[2] / "recordings" / "lti" / "lti-moodle-as-platform.json"


@pytest.fixture
def registration(connected: Connected) -> LtiRegistration:
    return connected.connect_platform()


@pytest.fixture
def night(connected: Connected, registration: LtiRegistration) -> LtiNights:
    """A centre with two courses; both were launched from courses of the Academy's platform."""
    made = LtiNights(
        connected.database, centre=connected.centre, open_academy=connected.open_academy
    )
    made.open_centre = lambda: made.lms
    for title in ("Spectrum", "Policy"):
        made.lms.add_course(title)
    made.good_night()
    for course, code in made.codes().items():
        connected.launched(registration, offering_id(made, code), course)
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


def test_active_members_are_enrolled_and_inactive_ones_withdrawn(
    night: LtiNights, connected: Connected
) -> None:
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


@BOTH
def test_an_unchanged_roster_is_not_parsed(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person(str(n)) for n in range(5)]
    assert night.good_night().counts["enrolment.create.applied"] == 5
    report = night.minutes()
    assert (report.counts["pages.read"], report.counts["pages.changed"]) == (2, 0)


@BOTH
def test_a_large_removal_is_held(night: LtiNights, connected: Connected) -> None:
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
def test_an_unread_course_does_not_affect_the_others(
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


def test_a_deleted_course_is_reported(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2"), person("3")]
    night.good_night()
    del connected.platform.courses[one]
    report = night.night()
    assert [error.code for _, error in report.errors] == ["course-gone"]
    assert set(roster(night).values()) == {"active"}


@BOTH
def test_an_inactive_platform_empties_nothing(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2"), person("3")]
    night.good_night()
    connected.change(registration, status=Status.DISABLED)
    report = night.night()
    assert (report.status, report.errors) == ("waiting", ())
    (wait,) = [each for each in report.waits if each.what == "unread"]
    assert (wait.kind, wait.number) == ("offering", 2)
    assert f"connection {registration.id} is not active" in wait.why
    assert wait.command == f"lms-bridge lti show {registration.id}"
    assert not [key for key in report.counts if "failed" in key]
    assert set(roster(night).values()) == {"active"}


@BOTH
@pytest.mark.parametrize(
    ("kept_back", "reported"),
    [
        ({"email": ""}, "e-mail address"),
        ({"given_name": "", "family_name": ""}, "name"),
        ({"lis_person_sourcedid": ""}, "id of the register"),
    ],
)
def test_a_member_without_the_needed_data_is_quarantined(
    night: LtiNights, connected: Connected, kept_back: dict[str, str], reported: str
) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2", **kept_back)]
    report = night.night()
    assert list(roster(night)) == [(one, "SAMPLE-1")]
    assert report.counts["enrolment.read.quarantined"] == 1
    with night.database.reading() as tx:
        (row,) = quarantine_of(tx)
    assert row.external_id.endswith("/2")
    assert f"does not share this person's {reported}." in row.reason
    connected.platform.courses[one][1] = person("2")
    night.good_night()
    assert night.quarantined() == {}


LIS = "http://purl.imsglobal.org/vocab/lis/v2"
TEACHER = [f"{LIS}/institution/person#Student", f"{LIS}/membership#Instructor"]


def test_people_who_are_no_learners_of_the_course_are_not_enrolled(
    night: LtiNights, connected: Connected
) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [
        person("1", roles=["lism:Learner"]),
        person("2", roles=TEACHER),
        person("3", roles=[f"{LIS}/institution/person#Student", f"{LIS}/membership#Mentor"]),
        person("4", roles=[f"{LIS}/institution/person#Administrator"]),
        person("5", roles=[f"{LIS}/institution/person#Student"]),
        person("6", roles=["urn:lti:role:ims/lis/Learner"]),
        person("8", status="http://purl.imsglobal.org/vocab/lis/v2/membershipstatus#Inactive"),
        person("9", given_name="Ada \ud83d"),
        person("7", roles={"0": f"{LIS}/membership/Learner#GuestLearner", "2": TEACHER[0]}),
    ]
    night.good_night()
    assert set(roster(night)) == {(one, f"SAMPLE-{number}") for number in (1, 6, 7, 9)}


@BOTH
def test_a_roster_with_members_and_no_learner_is_reported(
    night: LtiNights, connected: Connected
) -> None:
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1", roles=TEACHER), person("2", roles=[])]
    assert night.night().counts["enrolment.read.quarantined"] == 1
    with night.database.reading() as tx:
        (row,) = quarantine_of(tx)
    assert "Nobody on the roster has a learner's role in the course. Members: 2." in row.reason
    connected.platform.courses[one].append(person("3"))
    night.good_night()
    assert night.quarantined() == {}
    assert set(roster(night)) == {(one, "SAMPLE-3")}


def test_a_full_name_is_enough(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    whole = {"given_name": "", "family_name": "", "name": "Sample Person"}
    connected.platform.courses[one] = [person("1", **whole)]
    night.good_night()
    (there,) = night.lms.people.values()
    assert there.stable_id == "SAMPLE-1"


def test_the_recorded_roster_of_a_real_moodle_is_read(
    night: LtiNights, connected: Connected
) -> None:
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


@BOTH
def test_the_platforms_own_id_may_identify_people(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    connected.change(registration, person_id=PersonId.SUB)
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1", lis_person_sourcedid="")]
    night.good_night()
    assert list(roster(night)) == [(one, "1")]


@BOTH
def test_only_the_centres_own_offerings_are_read(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    elsewhere = replace(connected, centre=sample_centre("OTHER"))
    elsewhere.add_centre()
    other = elsewhere.launched(registration, elsewhere.add_offering("OTHER-1"), "course-9")
    connected.platform.courses[other] = [person("1")]
    night.good_night()
    assert other not in connected.platform.requested
    assert roster(night) == {}


def test_offerings_are_acknowledged_under_their_codes(night: LtiNights) -> None:
    there = {row.external_id for row in night.links("academy", Kind.OFFERING)}
    assert there == set(night.codes().values())


def test_a_dry_run_reports_and_stores_nothing(night: LtiNights, connected: Connected) -> None:
    one, _ = courses(night)
    night.good_night()
    connected.platform.courses[one] = [person("1")]
    before = night.contents()
    report = night.run(dry=True)
    assert ("enrolment", "would be sent") in {(c["kind"], c["state"]) for c in report.changes}
    assert night.contents() == before


@BOTH
def test_an_ended_connection_stops_no_other_roster(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    """The platform registered the bridge anew: the same courses come by a new connection."""
    one, _ = courses(night)
    connected.platform.courses[one] = [person("1"), person("2")]
    night.good_night()
    connected.change(registration, status=Status.DISABLED)
    new = connected.connect_platform(client_id="client-2")
    code = night.codes()[one]
    connected.launched(new, offering_id(night, code), "new")
    connected.platform.courses["new"] = [person("2"), person("3")]
    report = night.night()
    assert report.errors == ()
    assert [each.number for each in report.waits if each.what == "unread"] == [1]  # the other
    assert roster(night) == {(one, f"SAMPLE-{n}"): "active" for n in (1, 2, 3)}
    connected.platform.courses["new"] = [person("3")]
    night.night()
    assert roster(night) == {
        (one, "SAMPLE-1"): "active",  # only the ended connection knows this one
        (one, "SAMPLE-2"): "suspended",
        (one, "SAMPLE-3"): "active",
    }


@BOTH
def test_two_connections_of_one_platform_show_a_person_once(
    night: LtiNights, connected: Connected
) -> None:
    one, _ = courses(night)
    new = connected.connect_platform(client_id="client-2")
    connected.launched(new, offering_id(night, night.codes()[one]), "new")
    connected.platform.courses[one] = [person("1", status="Inactive"), person("2")]
    connected.platform.courses["new"] = [person("1"), person("2", status="Inactive")]
    night.good_night()
    assert roster(night) == {(one, "SAMPLE-1"): "active", (one, "SAMPLE-2"): "active"}
    connected.platform.courses[one].clear()
    night.good_night()
    assert roster(night) == {(one, "SAMPLE-1"): "active", (one, "SAMPLE-2"): "suspended"}


def test_platforms_that_clash_are_named(
    night: LtiNights, connected: Connected, registration: LtiRegistration
) -> None:
    one, _ = courses(night)
    new = connected.connect_platform(issuer="https://other.example", client_id="client-2")
    connected.launched(new, offering_id(night, night.codes()[one]), "new")
    found = {str(error) for _, error in night.night().errors}
    # Each course is named; what is said of the connections is the same.
    assert all(f'{code} "' in "".join(found) for code in night.codes().values())
    error = found.pop()
    assert f"connections {registration.id} (http" in error
    assert f"{new.id} (https://other.example)" in error
    connected.change(registration, status=Status.DISABLED)
    assert "several-platforms" not in {error.code for _, error in night.night().errors}
