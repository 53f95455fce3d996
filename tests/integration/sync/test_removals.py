"""Ending enrolments: as the policy has it, and only those that the bridge made."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from lms_bridge.domain.errors import Unreachable
from lms_bridge.domain.model import Kind
from lms_bridge.domain.policy import OnSuspended
from lms_bridge.domain.ports import Removal
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, CENTRE, SUSPENDED, Place
from tests.fakes.nights import NEVER_HOLD, Nights

AFTER = {
    Removal.KEEP: ACTIVE,
    Removal.SUSPEND: SUSPENDED,
    Removal.SUSPEND_DROP_ROLE: SUSPENDED,
    Removal.UNENROL: None,
}


def one(night: Nights, removal: Removal = Removal.SUSPEND) -> tuple[str, str]:
    """One course, published; gives it with its code."""
    night.policy = replace(NEVER_HOLD, removal=removal)
    course = night.lms.add_course("Spectrum")
    night.good_night()
    return course, night.codes()[course]


def enrolled(night: Nights, removal: Removal = Removal.SUSPEND) -> tuple[tuple[str, str], str]:
    """One person enrolled by the bridge; gives their place and their registration."""
    _, code = one(night, removal)
    key = night.academy.register("SAMPLE", code, sample_person(1))
    night.good_night()
    return next(iter(night.lms.roster)), key


def there_before(night: Nights, removal: Removal = Removal.SUSPEND) -> tuple[tuple[str, str], str]:
    """One person whom the centre had enrolled itself, and who is registered then."""
    course, code = one(night, removal)
    account = night.lms.add_person("SAMPLE-1", "sample1@example.org")
    night.lms.enrol(course, account)
    return (course, account), night.academy.register("SAMPLE", code, sample_person(1))


def made(night: Nights) -> list[bool]:
    return [link.created_by_us for link in night.links(night.centre.system, Kind.ENROLMENT)]


@pytest.mark.parametrize(
    ("how", "removal"),
    [
        *product(["withdrawn", "forgotten"], Removal),
        ("cancelled", Removal.SUSPEND),  # ends an enrolment as a withdrawal does
        ("rejected", Removal.SUSPEND),
    ],
)
def test_an_enrolment_ends_as_the_policy_has_it(night: Nights, how: str, removal: Removal) -> None:
    place, key = enrolled(night, removal)
    assert night.lms.roster[place] == Place(ACTIVE, BRIDGE)
    if how == "forgotten":
        night.academy.forget(key)
    else:
        night.academy.change(key, how)
    night.good_night()
    assert getattr(night.lms.roster.get(place), "state", None) == AFTER[removal]
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before


@pytest.mark.parametrize("removal", list(Removal))
def test_an_enrolment_that_ended_can_begin_again(night: Nights, removal: Removal) -> None:
    place, key = enrolled(night, removal)
    for _ in range(2):
        night.academy.change(key, "withdrawn")
        night.good_night()
        night.academy.change(key, "enrolled")
        night.good_night()
        assert night.lms.roster == {place: Place(ACTIVE, BRIDGE)}
    assert made(night) == [True]
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert getattr(night.lms.roster.get(place), "state", None) == AFTER[removal]


@pytest.mark.parametrize("removal", list(Removal))
def test_an_earlier_enrolment_of_the_centre_is_never_removed(
    night: Nights, removal: Removal
) -> None:
    place, key = there_before(night, removal)
    report = night.good_night()
    assert report.counts["enrolment.create.found there"] == 1
    assert made(night) == [False]
    for _ in range(2):  # withdrawn, registered again, withdrawn again
        night.academy.change(key, "withdrawn")
        night.good_night()
        assert night.lms.roster == {place: Place(ACTIVE, CENTRE)}
        night.academy.change(key, "enrolled")
        night.good_night()
        assert made(night) == [False]
    night.academy.forget(key)
    night.good_night()
    assert night.lms.roster == {place: Place(ACTIVE, CENTRE)}
    assert night.lms.trespasses == []


def test_a_suspended_enrolment_of_the_centre_waits(night: Nights) -> None:
    place, key = there_before(night)
    night.lms.roster[place].state = SUSPENDED
    report = night.night()
    assert report.counts["enrolment.create.waits"] == 1
    assert night.lms.roster == {place: Place(SUSPENDED, CENTRE)}
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert night.lms.roster == {place: Place(SUSPENDED, CENTRE)}
    assert night.lms.trespasses == []


def test_a_reactivated_enrolment_of_the_centre_is_suspended_again(night: Nights) -> None:
    place, key = there_before(night)
    night.policy = replace(NEVER_HOLD, suspended=OnSuspended.REACTIVATE)
    night.lms.roster[place].state = SUSPENDED
    assert night.night().status == "waiting"
    night.good_night()
    assert night.lms.roster == {place: Place(ACTIVE, CENTRE)}
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert night.lms.roster == {place: Place(SUSPENDED, CENTRE)}
    assert night.lms.trespasses == []


@BOTH
def test_strangers_on_the_roster_are_not_stored(night: Nights) -> None:
    place, _ = enrolled(night)
    for number in range(3):
        night.lms.enrol(place[0], night.lms.add_person("", f"stranger{number}@example.org"))
    night.good_night()
    assert len(night.lms.roster) == 4
    assert night.count("enrolment") == 1
    assert len(night.links(night.centre.system, Kind.ENROLMENT)) == 1
    assert "stranger" not in repr(night.contents())


@BOTH
def test_an_enrolment_found_after_unenrolling_is_the_centres(night: Nights) -> None:
    """The bridge ended its enrolment for good; then the centre enrolled the person itself."""
    place, key = enrolled(night, Removal.UNENROL)
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert night.lms.roster == {}
    night.lms.enrol(*place)
    night.good_night()
    assert night.lms.roster == {place: Place(ACTIVE, CENTRE)}
    night.academy.change(key, "enrolled")
    night.good_night()
    assert made(night) == [False]
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert night.lms.roster == {place: Place(ACTIVE, CENTRE)}
    assert night.lms.trespasses == []


@BOTH
def test_an_enrolment_made_again_by_the_bridge_is_its_own(night: Nights) -> None:
    """The centre's own enrolment is gone; the one that the bridge makes in its place is not."""
    place, key = there_before(night)
    night.good_night()
    del night.lms.roster[place]
    night.good_night()
    assert night.lms.roster == {place: Place(ACTIVE, BRIDGE)}
    assert made(night) == [True]
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert night.lms.roster == {place: Place(SUSPENDED, BRIDGE)}


def test_a_learner_is_not_enrolled_before_payment(night: Nights) -> None:
    _, code = one(night)
    key = night.academy.register("SAMPLE", code, sample_person(1), "applied")
    for status in ("selected", "invoiced"):
        night.good_night()
        assert night.lms.roster == {}
        assert night.lms.people == {}
        night.academy.change(key, status)
    night.academy.change(key, "enrolled")
    night.good_night()
    assert len(night.lms.roster) == 1


def test_a_withdrawal_with_a_lost_answer_can_be_reverted(night: Nights) -> None:
    """Nothing differs from what was acknowledged, and still the roster is not as it should be."""
    place, key = enrolled(night)
    night.academy.change(key, "withdrawn")
    night.lms.steps.fail("enrolment.after", Unreachable("timed-out", "No answer.", applied=True))
    night.minutes()
    assert night.lms.roster[place].state == SUSPENDED
    night.academy.change(key, "enrolled")
    night.minutes()
    assert night.lms.roster[place].state == ACTIVE


def test_an_enrolment_with_a_lost_answer_stays_the_bridges_own(night: Nights) -> None:
    _, code = one(night)
    key = night.academy.register("SAMPLE", code, sample_person(1))
    night.lms.steps.fail("enrolment.after", Unreachable("timed-out", "No answer.", applied=True))
    night.night()
    (place,) = night.lms.roster
    assert night.lms.roster[place] == Place(ACTIVE, BRIDGE)
    for _ in range(2):  # and whose it is, is not forgotten
        night.academy.change(key, "withdrawn")
        night.good_night()
        assert night.lms.roster[place] == Place(SUSPENDED, BRIDGE)
        night.academy.change(key, "enrolled")
        night.good_night()
        assert night.lms.roster[place] == Place(ACTIVE, BRIDGE)
        assert made(night) == [True]


def test_doubt_outlives_a_failed_connection(night: Nights) -> None:
    """First the answer is lost, then there is no connection: what is found in the end is ours."""
    _, code = one(night)
    key = night.academy.register("SAMPLE", code, sample_person(1))
    night.lms.steps.fail("enrolment.after", Unreachable("timed-out", "No answer.", applied=True))
    night.night()
    ((_, account),) = night.lms.roster
    night.lms.refused[account] = Unreachable("no-connection", "No connection.")
    report = night.night()
    assert report.counts["enrolment.create.failed"] == 1
    night.lms.refused.clear()
    night.good_night()
    assert made(night) == [True]
    night.academy.change(key, "withdrawn")
    night.good_night()
    assert [place.state for place in night.lms.roster.values()] == [SUSPENDED]
