"""Requested runs are carried out by either engine, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Flow
from lms_bridge.jobs.queue import ProcrastinateEngine, run_worker, upgrade_queue
from lms_bridge.jobs.scheduler import STALE, hand_over_requests
from lms_bridge.jobs.workers import ThreadEngine
from lms_bridge.store import leases, run_requests
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import run
from tests.integration.jobs.playing import PATIENCE, FakeBridge, add_centre

FLOWS = (Flow.OFFERINGS,)


def ask(bridge: FakeBridge, code: str = "SAMPLE", *, by_person: bool = False) -> None:
    with bridge.database.writing() as tx:
        run_requests.request_run(tx, [code], FLOWS, utc_now(), "test", by_person=by_person)


def hand(bridge: FakeBridge, engine: ThreadEngine | ProcrastinateEngine) -> None:
    hand_over_requests(bridge.database, engine, lambda tx: None, utc_now())


def waiting(bridge: FakeBridge) -> int:
    with bridge.database.reading() as tx:
        return len(tx.execute(select(run_request)).all())


def runs(bridge: FakeBridge) -> list[str]:
    with bridge.database.reading() as tx:
        return [row.trigger for row in tx.execute(select(run).order_by(run.c.id))]


def test_a_requested_run_is_carried_out_once(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "SAMPLE")
    engine = ThreadEngine(bridge)
    ask(bridge)
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert runs(bridge) == ["event"]
    assert waiting(bridge) == 0
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert runs(bridge) == ["event"]
    engine.close(PATIENCE)


def test_a_run_that_a_person_wants_too_is_by_request(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "SAMPLE")
    engine = ThreadEngine(bridge)
    ask(bridge, by_person=True)
    ask(bridge)
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert (runs(bridge), waiting(bridge)) == (["request"], 0)
    engine.close(PATIENCE)


def test_a_request_during_a_run_leads_to_another_run(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "SAMPLE")
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()
    ask(bridge)
    hand(bridge, engine)
    assert bridge.lms.reading.acquire(timeout=PATIENCE)
    ask(bridge)
    hand(bridge, engine)  # refused: the same run is at work
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    assert waiting(bridge) == 1
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert runs(bridge) == ["event", "event"]
    assert waiting(bridge) == 0
    engine.close(PATIENCE)


def test_a_request_for_a_busy_centre_is_tried_again(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "SAMPLE")
    engine, holder = ThreadEngine(bridge), leases.new_holder()
    with bridge.database.writing() as tx:
        assert leases.take(tx, "run:SAMPLE", holder, datetime.now(UTC), 600)
    ask(bridge)
    for _ in range(3):
        hand(bridge, engine)
        assert engine.wait_idle(PATIENCE)
    assert runs(bridge) == []
    assert waiting(bridge) == 1
    with bridge.database.writing() as tx:
        leases.give_back(tx, "run:SAMPLE", holder)
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert (runs(bridge), waiting(bridge)) == (["event"], 0)
    engine.close(PATIENCE)


def test_a_request_lost_with_its_engine_is_carried_out(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "SAMPLE")
    dead, engine = ThreadEngine(bridge), ThreadEngine(bridge)
    ask(bridge)
    with bridge.database.reading() as tx:
        (request,) = run_requests.waiting(tx, utc_now())
    with bridge.database.writing() as tx:
        run_requests.submitted(tx, request, utc_now())
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert runs(bridge) == []  # another may be at it
    hand_over_requests(bridge.database, engine, lambda tx: None, utc_now() + 2 * STALE)
    assert engine.wait_idle(PATIENCE)
    assert (runs(bridge), waiting(bridge)) == (["event"], 0)
    dead.close(0)
    engine.close(PATIENCE)


def test_a_request_for_an_unknown_centre_is_dropped(bridge: FakeBridge) -> None:
    engine = ThreadEngine(bridge)
    ask(bridge, "NOWHERE")
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert waiting(bridge) == 0
    engine.close(PATIENCE)


def test_a_requested_run_goes_through_the_queue(
    new_bridge: Callable[..., FakeBridge], postgres_address: str
) -> None:
    bridge = new_bridge(postgres_address)
    upgrade_queue(postgres_address)
    add_centre(bridge.database, "SAMPLE")
    engine = ProcrastinateEngine(postgres_address)
    try:
        ask(bridge)
        hand(bridge, engine)
        assert waiting(bridge) == 1
        run_worker(bridge, until_empty=True, signals=False)
    finally:
        engine.close(0)
    assert (runs(bridge), waiting(bridge)) == (["event"], 0)


def slow_to_commit(
    other: Database, finish: threading.Event
) -> tuple[threading.Thread, threading.Event]:
    """Another connection that asks for a run, of this moment, and commits when it is told to."""
    asked = threading.Event()

    def ask_slowly() -> None:
        with other.writing() as tx:
            run_requests.request_run(tx, ["SAMPLE"], FLOWS, utc_now(), "slow")
            asked.set()
            assert finish.wait(PATIENCE)

    thread = threading.Thread(target=ask_slowly)
    thread.start()
    return thread, asked


@pytest.mark.parametrize("another_waits", [False, True], ids=["alone", "beside another"])
def test_a_request_that_commits_while_a_run_is_at_work_leads_to_another_run(
    new_bridge: Callable[..., FakeBridge],
    open_database: Callable[[str], Database],
    postgres_address: str,
    another_waits: bool,
) -> None:
    """It is of a time before the run began, which did not see what it is about."""
    bridge, finish = new_bridge(postgres_address), threading.Event()
    add_centre(bridge.database, "SAMPLE")
    if another_waits:
        ask(bridge)
    thread, asked = slow_to_commit(open_database(postgres_address), finish)
    assert asked.wait(PATIENCE)
    bridge.lms.gate.clear()
    engine = ThreadEngine(bridge)
    assert engine.submit("SAMPLE", FLOWS, False, "event")
    assert bridge.lms.reading.acquire(timeout=PATIENCE)
    finish.set()
    thread.join(PATIENCE)
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    assert (runs(bridge), waiting(bridge)) == (["event"], 1)
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert (runs(bridge), waiting(bridge)) == (["event", "event"], 0)
    engine.close(PATIENCE)


def test_a_request_that_commits_after_another_was_submitted_is_submitted_at_once(
    new_bridge: Callable[..., FakeBridge],
    open_database: Callable[[str], Database],
    postgres_address: str,
) -> None:
    bridge, finish = new_bridge(postgres_address), threading.Event()
    ask(bridge)
    with bridge.database.reading() as tx:
        (first,) = run_requests.waiting(tx, utc_now() - STALE)
    thread, asked = slow_to_commit(open_database(postgres_address), finish)
    assert asked.wait(PATIENCE)
    later = utc_now()
    submitting = threading.Thread(target=submit, args=(bridge, first, later))
    submitting.start()  # it may have to wait for the other's row
    finish.set()
    for each in (thread, submitting):
        each.join(PATIENCE)
    with bridge.database.reading() as tx:
        (second,) = run_requests.waiting(tx, utc_now() - STALE)
    assert second.mark != first.mark


def submit(bridge: FakeBridge, request: run_requests.StoredRunRequest, at: datetime) -> None:
    with bridge.database.writing() as tx:
        run_requests.submitted(tx, request, at)
