"""Several centres at once: one that is slow or broken holds up nobody else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lms_bridge.domain.errors import AccessDenied, Unreachable
from lms_bridge.store.database import Database
from lms_bridge.sync.run import RunReport
from tests.databases import BOTH
from tests.fakes.academy import FakeAcademy, sample_person
from tests.fakes.centre import ACTIVE, FakeCentre
from tests.fakes.nights import Nights, sample_centre


@pytest.fixture
def centres(database: Database) -> list[Nights]:
    """Two centres with one Academy, a published course each, and one person registered at both."""
    academy = FakeAcademy()
    made = [Nights(database, sample_centre(code), FakeCentre(), academy) for code in ("ONE", "TWO")]
    for night in made:
        course = night.lms.add_course(f"Course of {night.centre.code}")
        night.good_night()
        academy.register(night.centre.code, night.codes()[course], sample_person(1))
    return made


def at_once(centres: list[Nights]) -> list[RunReport]:
    with ThreadPoolExecutor(len(centres)) as pool:
        return [
            future.result(timeout=120) for future in [pool.submit(night.night) for night in centres]
        ]


@BOTH
def test_two_centres_may_add_the_same_person_at_once(centres: list[Nights]) -> None:
    barrier = threading.Barrier(2)
    for night in centres:
        night.lms.steps.wait("answer", barrier)
    assert [report.status for report in at_once(centres)] == ["done", "done"]
    assert centres[0].count("learner") == 1
    assert centres[0].count("enrolment") == 2
    for night in centres:
        assert [place.state for place in night.lms.roster.values()] == [ACTIVE]


@BOTH
def test_a_broken_centre_stops_no_other(centres: list[Nights]) -> None:
    barrier = threading.Barrier(2)
    denied = AccessDenied("invalid-token", "The token is not known.")

    def deny() -> None:
        barrier.wait(timeout=120)
        raise denied

    one, two = centres
    one.lms.steps.at("read", deny)
    two.lms.steps.wait("read", barrier)
    first, second = at_once(centres)
    assert [(stage, error.code) for stage, error in first.errors] == [
        ("offerings read", "invalid-token")
    ]
    assert second.status == "done"
    assert len(two.lms.roster) == 1


@BOTH
def test_a_slow_centre_delays_nobody(centres: list[Nights]) -> None:
    """One centre hangs in the middle of a call until the other one is through."""
    one, two = centres
    reading, through = threading.Event(), threading.Event()

    def hang() -> None:
        reading.set()
        assert through.wait(timeout=120)

    one.lms.steps.at("enrolment.after", hang)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(one.night)
        assert reading.wait(timeout=120)
        report = pool.submit(two.night).result(timeout=120)
        assert not slow.done()
        through.set()
        assert slow.result(timeout=120).status == "done"
    assert report.status == "done"
    assert len(one.lms.roster) == len(two.lms.roster) == 1


@BOTH
def test_an_unreachable_centre_is_made_up_later(centres: list[Nights]) -> None:
    one = centres[0]
    for point in ("read", "find"):
        one.lms.steps.fail(point, Unreachable("no-connection", "No connection."))
    first, second = at_once(centres)
    assert (first.status, second.status) == ("partial", "done")
    assert one.lms.roster == {}
    at_once(centres)
    assert len(one.lms.roster) == 1


@BOTH
def test_two_runs_of_one_centre_take_turns(centres: list[Nights]) -> None:
    one, _ = centres
    other = Nights(one.database, one.centre, one.lms, one.academy, now=one.now)
    inside, outside = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert outside.wait(timeout=120)

    one.lms.steps.at("read", hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.night)
        assert inside.wait(timeout=120)
        assert other.night().status == "busy"
        outside.set()
        assert first.result(timeout=120).status == "done"
    assert other.night().status == "done"


@BOTH
def test_a_removal_at_one_centre_does_not_affect_another(centres: list[Nights]) -> None:
    at_once(centres)
    one, two = centres
    for key, each in list(one.academy.registrations.items()):
        if each.centre == "ONE":
            one.academy.forget(key)
    at_once(centres)
    assert [place.state for place in one.lms.roster.values()] == ["suspended"]
    assert [place.state for place in two.lms.roster.values()] == [ACTIVE]


@BOTH
def test_a_person_is_renamed_at_both(centres: list[Nights]) -> None:
    at_once(centres)
    centres[0].academy.change_person("SAMPLE-1", given_name="Renamed")
    at_once(centres)
    at_once(centres)
    for night in centres:
        assert [person.name for person in night.lms.people.values()] == ["Renamed Person"]
