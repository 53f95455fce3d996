"""A run is done only if nothing waits; the worst of all facts is its state."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from lms_bridge.domain.errors import AccessDenied, BridgeError, RecordRefused, StopRun, Unreachable
from lms_bridge.domain.model import Flow
from lms_bridge.store import flow_states, runs
from lms_bridge.store.run_tables import flow_state
from lms_bridge.store.waits import Wait, wait_of
from lms_bridge.sync.run_state import state_in_words, state_of
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.nights import NEVER_HOLD, Nights

STOPPED = [("offerings read", StopRun("x", "Stop."))]
CONFLICT = Wait("held", "enrolment", 1, None, "conflict held", "lms-bridge hold list --centre A")
BACK_OFF = Wait("failed", "enrolment", 9, None, "Refused.", "lms-bridge resend --centre A --list")


@pytest.mark.parametrize(
    ("counts", "errors", "held", "waits", "state"),
    [
        ({}, [], [], [], "done"),
        ({"learner.create.waits": 0}, [], [], [], "done"),
        ({"learner.create.waits": 1}, [], [], [], "waiting"),
        ({}, [], [], [BACK_OFF], "waiting"),
        ({}, [], [], [BACK_OFF, CONFLICT], "held"),
        ({"learner.create.waits": 1}, [], [0], [], "held"),
        ({"enrolment.remove.would be held": 1}, [], [], [], "held"),
        ({"pages.read": 1, "offering.update.failed": 1}, [], [4], [BACK_OFF], "partial"),
        ({"offering.update.failed": 1}, [], [4], [BACK_OFF], "failed"),
        ({"pages.read": 1}, STOPPED, [4], [], "partial"),
        ({}, STOPPED, [4], [CONFLICT], "failed"),
        ({"pages.read": 1}, [("connect", StopRun("x", "Stop."))], [4], [], "failed"),
    ],
)
def test_the_worst_fact_is_the_state(
    counts: dict[str, int],
    errors: list[tuple[str, BridgeError]],
    held: list[int],
    waits: list[Wait],
    state: str,
) -> None:
    assert state_of(counts, errors, held, waits) == state


def registered(night: Nights, *numbers: int) -> str:
    course: str = night.lms.add_course("Spectrum")
    night.good_night()
    for number in numbers:
        night.academy.register("SAMPLE", night.codes()[course], sample_person(number))
    return course


@BOTH
def test_records_that_wait_after_a_failure_are_no_green_run(night: Nights) -> None:
    course = registered(night)
    night.academy.refused["Bad"] = RecordRefused("bad-title", "The title is bad.")
    night.lms.courses[course]["title"] = "Bad"
    assert night.night().status == "partial"
    began = night.now
    report = night.run(tries_all=False)
    assert report.status == "waiting"
    (wait,) = report.waits
    assert (wait.what, wait.kind, wait.number, wait.since) == ("failed", "offering", 1, began)
    assert "The title is bad." in wait.why
    assert wait.command == "lms-bridge resend --centre SAMPLE --list"
    assert night.run(dry=True).status == "waiting"
    assert night.night().status == "partial"
    assert night.run().waits[0].since == began, "a second failure is no new beginning"
    night.academy.refused.clear()
    night.good_night()


@BOTH
def test_people_without_an_account_are_no_green_run(night: Nights) -> None:
    registered(night, 1, 2)
    night.policy = replace(NEVER_HOLD, create_accounts=False)
    assert night.night().status == "waiting"
    report = night.night()
    assert {(each.what, each.kind, each.number) for each in report.waits} == {
        ("unmatched", "learner", 2),
        ("unsent", "enrolment", 2),
    }
    with night.database.reading() as tx:
        row = runs.run_row(tx, report.run_id)
    assert row is not None
    assert row.status == "waiting"
    assert tuple(wait_of(each) for each in row.waits) == report.waits
    assert night.night([Flow.OFFERINGS]).status == "done", "nothing of this flow waits"


@BOTH
def test_a_failure_is_shown_while_a_hold_is_open(night: Nights) -> None:
    course = registered(night, *range(10))
    night.good_night()
    night.good_night()
    night.policy = replace(NEVER_HOLD, hold_percent=10.0, hold_records=20, hold_floor=1)
    for key in list(night.academy.registrations)[:5]:
        del night.academy.registrations[key]
    assert night.night().status == "held"
    night.academy.refused["Bad"] = RecordRefused("bad-title", "The title is bad.")
    night.lms.courses[course]["title"] = "Bad"
    report = night.night()
    assert report.status == "partial"
    assert [each.what for each in report.waits] == ["failed", "held"]
    assert night.minutes().status == "held"


def test_the_last_green_run_hides_no_flow_that_fails(night: Nights) -> None:
    course = registered(night, 1)
    night.good_night()
    night.lms.steps.fail("read", Unreachable("no-connection", "No connection."))
    night.run([Flow.ENROLMENTS])
    night.run([Flow.RESULTS])
    with night.database.reading() as tx:
        states = flow_states.statuses(tx)["SAMPLE"]
    assert states == {"offerings": "done", "enrolments": "partial", "results": "done"}, course
    assert state_in_words(states) == "partial (enrolments)"
    assert (state_in_words({"results": "done"}), state_in_words({})) == ("done", "")


def test_a_silent_centre_is_noted_until_it_answers(night: Nights) -> None:
    registered(night, 1)
    night.good_night()

    def silent() -> bool:
        query = select(flow_state.c.failing_since).where(flow_state.c.flow == "connection")
        with night.database.reading() as tx:
            return tx.scalar(query) is not None

    night.lms.steps.fail("read", Unreachable("no-connection", "No connection."))
    night.run([Flow.OFFERINGS])
    assert silent()
    night.lms.steps.fail("read", AccessDenied("no-token", "No token."))
    night.run([Flow.OFFERINGS])
    assert not silent(), "whoever refuses answers"
