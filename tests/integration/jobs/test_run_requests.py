"""Requested runs are carried out by either engine, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import select

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Flow
from lms_bridge.jobs.queue import ProcrastinateEngine, run_worker, upgrade_queue
from lms_bridge.jobs.scheduler import STALE, hand_over_requests
from lms_bridge.jobs.workers import ThreadEngine
from lms_bridge.store import leases, run_requests
from lms_bridge.store.api_tables import run_request
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
