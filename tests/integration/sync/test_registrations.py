"""Registrations: all of them at night, what changed in between, and one for each person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from lms_bridge.domain.errors import NotUnderstood
from lms_bridge.domain.model import Flow
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Pages
from tests.databases import BOTH
from tests.fakes.academy import FakeAcademy, sample_person
from tests.fakes.centre import ACTIVE, SUSPENDED
from tests.fakes.nights import Nights


def course_of(night: Nights) -> tuple[str, str]:
    """A published course and its code."""
    course = night.lms.add_course("Spectrum")
    night.good_night()
    return course, night.codes()[course]


def states(night: Nights) -> list[str]:
    return sorted(place.state for place in night.lms.roster.values())


def status_of(night: Nights) -> list[str]:
    return sorted(str(row[3]) for row in night.contents()["enrolment"])


def test_changes_are_followed_from_the_cursor(night: Nights) -> None:
    _, code = course_of(night)
    key = night.academy.register("SAMPLE", code, sample_person(1))
    assert night.minutes().status == "done"
    assert states(night) == [ACTIVE]
    night.academy.parsed.clear()
    night.academy.change(key, "withdrawn")
    second = night.academy.register("SAMPLE", code, sample_person(2))
    night.minutes()
    assert night.academy.parsed == [key, second]
    assert states(night) == [ACTIVE, SUSPENDED]
    night.good_night()
    assert states(night) == [ACTIVE, SUSPENDED]


def test_a_registration_missing_from_a_partial_page_is_kept(night: Nights) -> None:
    _, code = course_of(night)
    keys = [night.academy.register("SAMPLE", code, sample_person(n)) for n in range(3)]
    night.good_night()
    night.academy.forget(keys[0])
    night.minutes()
    assert states(night) == [ACTIVE] * 3
    night.good_night()  # the whole snapshot tells
    assert states(night) == [ACTIVE, ACTIVE, SUSPENDED]


def test_a_failed_reading_moves_no_cursor(night: Nights) -> None:
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1))
    night.minutes()
    night.academy.register("SAMPLE", code, sample_person(2))
    night.academy.steps.fail("answer", NotUnderstood("page", "A page."))
    assert night.minutes().status == "failed"
    night.minutes()
    assert states(night) == [ACTIVE] * 2


def test_a_withdrawal_and_return_between_two_nights_is_carried_out(night: Nights) -> None:
    """Withdrawn in a partial answer, registered again before the next one: at night the page is,
    to the byte, what it was."""
    _, code = course_of(night)
    key = night.academy.register("SAMPLE", code, sample_person(1))
    night.good_night()
    night.academy.change(key, "withdrawn")
    night.minutes()
    assert states(night) == [SUSPENDED]
    night.academy.change(key, "enrolled")
    night.good_night()
    assert states(night) == [ACTIVE]
    assert status_of(night) == ["enrolled"]
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before


def test_a_person_renamed_between_two_nights_is_renamed_at_the_centre(night: Nights) -> None:
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1))
    night.good_night()
    night.academy.change_person("SAMPLE-1", given_name="Renamed")
    night.minutes()
    assert [person.name for person in night.lms.people.values()] == ["Renamed Person"]


@pytest.mark.parametrize("first", ["enrolled", "applied", "completed"])
def test_a_second_live_registration_is_an_error_of_the_source(night: Nights, first: str) -> None:
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1), first, key="r1")
    night.good_night()
    night.academy.register("SAMPLE", code, sample_person(1), key="r2")
    assert night.night().status == "partial"
    assert night.quarantined() == {"r2": "double-registration"}
    assert status_of(night) == [first]
    night.academy.change("r1", "withdrawn")  # cured by the other record
    night.good_night()
    assert night.quarantined() == {}
    assert status_of(night) == ["enrolled"]
    assert states(night) == [ACTIVE]


def test_a_second_live_registration_in_one_page_is_quarantined(night: Nights) -> None:
    _, code = course_of(night)
    for key in ("r1", "r2"):
        night.academy.register("SAMPLE", code, sample_person(1), key=key)
    night.night()
    assert list(night.quarantined().values()) == ["double-registration"]
    assert len(night.lms.roster) == 1
    night.academy.forget(next(iter(night.quarantined())))
    night.good_night()
    assert night.quarantined() == {}
    assert states(night) == [ACTIVE]


@pytest.mark.parametrize("partial", [True, False])
def test_a_new_registration_replaces_one_withdrawn_in_the_same_page(
    night: Nights, partial: bool
) -> None:
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1), key="r1")
    night.good_night()
    night.academy.change("r1", "withdrawn")
    night.academy.register("SAMPLE", code, sample_person(1), key="r2")
    report = night.minutes() if partial else night.night()
    assert report.status == "done"
    assert status_of(night) == ["enrolled"]
    assert states(night) == [ACTIVE]
    for _ in range(3):
        night.good_night()
        assert states(night) == [ACTIVE]


def test_a_new_registration_replaces_one_withdrawn_earlier(night: Nights) -> None:
    """The old registration only moves back to its page; the place is the new one's."""
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1), key="r1")
    night.good_night()
    night.academy.change("r1", "withdrawn")
    night.minutes()
    night.academy.register("SAMPLE", code, sample_person(1), key="r2")
    for number in range(2, 5):  # each time the page is read anew
        night.good_night()
        assert night.quarantined() == {}
        assert states(night).count(ACTIVE) == number - 1
        night.academy.register("SAMPLE", code, sample_person(number))


def test_a_registration_under_a_new_id_takes_the_old_ones_place(night: Nights) -> None:
    """The old one is no more: that is no withdrawal."""
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1), key="r1")
    night.good_night()
    night.academy.forget("r1")
    night.academy.register("SAMPLE", code, sample_person(1), "started", key="r2")
    night.good_night()
    assert status_of(night) == ["started"]
    assert states(night) == [ACTIVE]
    night.good_night()
    night.academy.change("r2", "withdrawn")
    night.good_night()
    assert states(night) == [SUSPENDED]


def test_after_a_refused_removal_a_new_registration_is_no_double(night: Nights) -> None:
    from lms_bridge.domain.policy import Policy

    _, code = course_of(night)
    for number in range(3):
        night.academy.register("SAMPLE", code, sample_person(number), key=f"r{number}")
    night.good_night()
    night.policy = Policy()
    for number in range(3):
        night.academy.forget(f"r{number}")
    assert night.night().status == "held"
    night.decide(approve=False)
    night.good_night()
    night.academy.register("SAMPLE", code, sample_person(0), key="again")
    night.good_night()
    assert night.quarantined() == {}
    assert states(night) == [ACTIVE] * 3


def test_an_ended_registration_beside_a_live_one_changes_nothing(night: Nights) -> None:
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1), "cancelled", key="r1")
    night.academy.register("SAMPLE", code, sample_person(1), key="r2")
    night.good_night()
    assert status_of(night) == ["enrolled"]
    night.academy.change("r1", "rejected")
    night.good_night()
    assert states(night) == [ACTIVE]


def test_offerings_are_named_by_code_or_by_the_academys_id(night: Nights) -> None:
    course, code = course_of(night)
    (external_id,) = night.academy.offerings
    night.academy.register("SAMPLE", code, sample_person(1))
    night.academy.register("SAMPLE", external_id, sample_person(2))
    night.good_night()
    assert {place[0] for place in night.lms.roster} == {course}
    assert len(night.lms.roster) == 2


@BOTH
def test_dates_of_an_offering_follow_into_its_enrolments(night: Nights) -> None:
    course, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1))
    night.good_night()
    night.lms.courses[course]["starts_at"] = "2027-01-01"
    night.lms.requests.clear()
    night.good_night()
    (request,) = [request for request in night.lms.requests if "group" in request.desired]
    assert request.changed == ("starts_at",)
    assert request.desired["starts_at"] == "2027-01-01T00:00:00Z"


def test_new_offerings_are_read_before_their_registrations(night: Nights) -> None:
    """One night is enough for an offering that the Academy has known by its code before."""
    from lms_bridge.sync.offerings import offering_code

    course = night.lms.add_course("Spectrum")
    night.academy.register("SAMPLE", offering_code("SAMPLE", course), sample_person(1))
    night.good_night()
    assert states(night) == [ACTIVE]


def test_registrations_can_be_synced_alone(night: Nights) -> None:
    _, code = course_of(night)
    night.academy.register("SAMPLE", code, sample_person(1))
    night.lms.read_scopes.clear()
    night.good_night([Flow.ENROLMENTS])
    assert not [scope for scope in night.lms.read_scopes if scope.startswith("offerings")]
    assert states(night) == [ACTIVE]


@pytest.mark.parametrize("partial", [True, False])
def test_a_registration_may_move_to_another_offering(night: Nights, partial: bool) -> None:
    first, second = night.lms.add_course("Spectrum"), night.lms.add_course("Spectrum again")
    night.good_night()
    night.academy.register("SAMPLE", night.codes()[first], sample_person(1), key="r1")
    night.good_night()
    assert {course for course, _ in night.lms.roster} == {first}
    night.academy.register("SAMPLE", night.codes()[second], sample_person(1), key="r1")
    report = night.minutes() if partial else night.night()
    assert report.status == "done"
    places = {course: place.state for (course, _), place in night.lms.roster.items()}
    assert places == {first: SUSPENDED, second: ACTIVE}
    night.good_night()
    night.academy.register("SAMPLE", night.codes()[first], sample_person(1), key="r1")  # and back
    night.good_night()
    places = {course: place.state for (course, _), place in night.lms.roster.items()}
    assert places == {first: ACTIVE, second: SUSPENDED}
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before


def test_registrations_may_swap_offerings(night: Nights) -> None:
    courses = [night.lms.add_course(f"Course {n}") for n in range(2)]
    night.good_night()
    codes = [night.codes()[course] for course in courses]
    for key, code in zip(("r1", "r2"), codes, strict=True):
        night.academy.register("SAMPLE", code, sample_person(1), key=key)
    night.good_night()
    for key, code in zip(("r2", "r1"), codes, strict=True):
        night.academy.register("SAMPLE", code, sample_person(1), key=key)
    night.good_night()
    assert states(night) == [ACTIVE, ACTIVE]
    night.academy.change("r1", "withdrawn")
    night.good_night()
    places = {course: place.state for (course, _), place in night.lms.roster.items()}
    assert places == {courses[0]: ACTIVE, courses[1]: SUSPENDED}


def test_many_moved_registrations_wait_for_approval(night: Nights) -> None:
    """The places that they leave count as removals."""
    first, second = night.lms.add_course("Spectrum"), night.lms.add_course("Spectrum again")
    night.good_night()
    for number in range(6):
        code = night.codes()[first]
        night.academy.register("SAMPLE", code, sample_person(number), key=f"r{number}")
    night.good_night()
    night.policy = Policy()
    for number in range(6):
        code = night.codes()[second]
        night.academy.register("SAMPLE", code, sample_person(number), key=f"r{number}")
    assert night.night().status == "held"
    assert states(night) == [ACTIVE] * 6
    night.decide(approve=True)
    night.good_night()
    assert states(night) == [ACTIVE] * 6 + [SUSPENDED] * 6


def test_names_of_pages_may_be_long(night: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a platform puts its whole state into a cursor."""
    _, code = course_of(night)
    read = FakeAcademy.read_registrations

    def at_length(academy: FakeAcademy, centre: str, there: Mapping[str, str]) -> Pages:
        for each in read(academy, centre, there):
            yield replace(each, scope=each.scope + "x" * 900)

    monkeypatch.setattr(FakeAcademy, "read_registrations", at_length)
    keys = [night.academy.register("SAMPLE", code, sample_person(n)) for n in range(8)]
    night.good_night()
    assert states(night) == [ACTIVE] * 8
    night.academy.parsed.clear()
    night.good_night()
    assert night.academy.parsed == []
    night.academy.forget(keys[0])
    night.good_night()
    assert states(night) == [ACTIVE] * 7 + [SUSPENDED]
