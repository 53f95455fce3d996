"""What failed is tried again: later by the clock, at once when a person asks or a right is back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lms_bridge.domain.errors import AccessDenied, BridgeError, Overloaded, RecordRefused
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.store import account_links
from tests.fakes.academy import sample_person
from tests.fakes.nights import Nights

REFUSED = RecordRefused("odd", "It is odd.")
DENIED = AccessDenied("nopermissions", "A right is missing.", "Give it.")


def taught(night: Nights, people: int = 1) -> str:
    """A course with people and their scores, all in order."""
    course = str(night.lms.add_course("Spectrum"))
    night.good_night()
    for number in range(people):
        night.academy.register("SAMPLE", night.codes()[course], sample_person(number))
    night.good_night()
    for _, account in night.lms.roster:
        night.lms.grades[course, account] = {"score": 50, "completed": True}
    night.good_night()
    return course


def refuse(night: Nights, flow: Flow, error: BridgeError, course: str) -> None:
    """From now on the flow's next change is refused."""
    if flow is Flow.OFFERINGS:
        night.lms.courses[course]["title"] = "Renamed"
        night.academy.refused["Renamed"] = error
    elif flow is Flow.ENROLMENTS:
        night.academy.register("SAMPLE", night.codes()[course], sample_person(7))
        night.lms.refused[course] = error
    else:
        for grades in night.lms.grades.values():
            grades["score"] = 90
        night.academy.refused["SAMPLE-0"] = error


def failing(night: Nights) -> list[str]:
    systems = [(ACADEMY, Kind.OFFERING), (night.centre.system, Kind.ENROLMENT)]
    systems += [(ACADEMY, Kind.RESULT)]
    return [str(link.kind) for where in systems for link in night.links(*where) if link.attempts]


@pytest.mark.parametrize("flow", list(Flow))
def test_only_runs_of_the_clock_wait_for_back_off(night: Nights, flow: Flow) -> None:
    course = taught(night)
    refuse(night, flow, REFUSED, course)
    night.minutes([flow])
    night.minutes([flow])
    assert len(failing(night)) == 1
    night.academy.refused.clear()
    night.lms.refused.clear()
    clock = night.run([flow], full=False, tries_all=False)
    assert (clock.status, len(failing(night))) == ("waiting", 1)
    person = night.run([flow], full=False, tries_all=True)
    assert (person.status, failing(night)) == ("done", [])


def test_a_wait_that_the_system_asked_for_counts_for_people_too(night: Nights) -> None:
    night.lms.add_course("Busy")
    night.academy.refused["Busy"] = Overloaded("asked-to-wait", "Come back later.", after=60.0)
    night.run([Flow.OFFERINGS])
    night.academy.refused.clear()
    assert night.run([Flow.OFFERINGS]).status == "waiting"
    assert night.academy.catalogue == {}
    night.now += timedelta(seconds=61)
    assert night.run([Flow.OFFERINGS]).status == "done"


def test_of_many_records_without_a_right_one_is_tried_and_all_follow(night: Nights) -> None:
    course = taught(night)
    night.lms.refused[course] = DENIED
    for number in range(10, 30):
        night.academy.register("SAMPLE", night.codes()[course], sample_person(number))
    night.minutes()
    for _ in range(5):
        night.minutes()
    before = len(night.lms.requests)
    assert night.minutes().status == "partial"
    assert len(night.lms.requests) == before + 1
    night.lms.refused.clear()
    assert night.minutes().status == "done"
    assert len(night.lms.roster) == 21


def test_records_that_are_bad_themselves_are_no_examples(night: Nights) -> None:
    course = taught(night)
    night.lms.refused[course] = REFUSED
    for number in range(10, 13):
        night.academy.register("SAMPLE", night.codes()[course], sample_person(number))
    night.minutes()
    night.minutes()
    before = len(night.lms.requests)
    night.now += timedelta(seconds=10)
    night.run([Flow.ENROLMENTS], full=False, tries_all=False)
    assert len(night.lms.requests) == before


def test_a_match_makes_the_enrolments_due(night: Nights) -> None:
    course = taught(night)
    account = night.lms.add_person(email="sample7@example.org")
    night.academy.register("SAMPLE", night.codes()[course], sample_person(7))
    night.minutes()
    assert night.waiting() == {"SAMPLE-7": "same-email"}
    night.match("SAMPLE-7", account)
    night.lms.refused[account] = REFUSED
    night.minutes()
    assert failing(night) == ["enrolment"]
    night.lms.refused.clear()
    learner = night.links(night.centre.system, Kind.LEARNER)[-1].record_id
    with night.database.writing() as tx:
        account_links.forget(tx, night.centre.system, learner)
    night.minutes()
    night.match("SAMPLE-7", account)
    night.run([Flow.ENROLMENTS], full=False, tries_all=False)
    assert (course, account) in night.lms.roster
