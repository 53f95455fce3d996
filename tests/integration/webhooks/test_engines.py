"""Runs that events asked for, in both engines: until they are carried out, whatever comes between;
and webhooks beside a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from lms_bridge.domain.model import Flow
from lms_bridge.jobs.asked import STALE, hand_over
from lms_bridge.jobs.courier import Courier
from lms_bridge.jobs.engine import ThreadEngine
from lms_bridge.jobs.queue import ProcrastinateEngine, run_worker, upgrade_queue
from lms_bridge.store import asked_runs, leases
from lms_bridge.store.api_tables import asked_run
from lms_bridge.store.tables import run
from lms_bridge.sync.work import utc_now
from lms_bridge.webhooks.keeping import ping_webhook
from tests.integration.jobs.playing import PATIENCE, FakeBridge, add_centre
from tests.integration.lti_platform.waiting import until
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.world import open_post

FLOWS = (Flow.OFFERINGS,)


def ask(bridge: FakeBridge, code: str = "SAMPLE") -> None:
    with bridge.database.writing() as tx:
        asked_runs.ask(tx, [code], FLOWS, utc_now(), "test")


def hand(bridge: FakeBridge, engine: ThreadEngine | ProcrastinateEngine) -> None:
    hand_over(bridge.database, engine, lambda tx: None, utc_now())


def waiting(bridge: FakeBridge) -> int:
    with bridge.database.reading() as tx:
        return len(tx.execute(select(asked_run)).all())


def runs(bridge: FakeBridge) -> list[str]:
    with bridge.database.reading() as tx:
        return [row.trigger for row in tx.execute(select(run).order_by(run.c.id))]


def test_carried_out_and_forgotten(bridge: FakeBridge) -> None:
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


def test_what_comes_while_the_run_is_at_work_leads_to_another(bridge: FakeBridge) -> None:
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


def test_a_busy_centre_is_tried_again(bridge: FakeBridge) -> None:
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


def test_an_engine_that_died_with_it(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "SAMPLE")
    dead, engine = ThreadEngine(bridge), ThreadEngine(bridge)
    ask(bridge)
    with bridge.database.reading() as tx:
        (request,) = asked_runs.waiting(tx, utc_now())
    with bridge.database.writing() as tx:
        asked_runs.submitted(tx, request, utc_now())
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert runs(bridge) == []  # another may be at it
    hand_over(bridge.database, engine, lambda tx: None, utc_now() + 2 * STALE)
    assert engine.wait_idle(PATIENCE)
    assert (runs(bridge), waiting(bridge)) == (["event"], 0)
    dead.close(0)
    engine.close(PATIENCE)


def test_a_centre_that_is_no_more(bridge: FakeBridge) -> None:
    engine = ThreadEngine(bridge)
    ask(bridge, "NOWHERE")
    hand(bridge, engine)
    assert engine.wait_idle(PATIENCE)
    assert waiting(bridge) == 0
    engine.close(PATIENCE)


def test_through_the_queue(new_bridge: Callable[..., FakeBridge], postgres_address: str) -> None:
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


def test_beside_a_worker(sqlite_address: str, receiver: Receiver) -> None:
    post = open_post(sqlite_address, receiver)
    try:
        hook = post.add()
        with Courier(post.world.bridge).beside():
            ping_webhook(post.world.bridge.database, hook.id, utc_now())
            receiver.wait_for(1)
            until(lambda: post.rows()[0].delivered_at is not None)
        assert "courier" not in {thread.name for thread in threading.enumerate()}
    finally:
        post.close()


def test_an_error_in_one_turn_ends_no_other(
    sqlite_address: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = open_post(sqlite_address, receiver)
    failed = threading.Event()

    def tell_badly(*_: object) -> int:
        failed.set()
        raise ValueError("a defect")

    try:
        hook = post.add()
        post.change_offering("ONE-open", title="changed")
        with capture_logs() as logged, Courier(post.world.bridge).beside():
            with monkeypatch.context() as patched:
                patched.setattr("lms_bridge.jobs.courier.tell", tell_badly)
                assert failed.wait(PATIENCE)
            receiver.wait_for(1)
        assert "webhooks not told" in {line["event"] for line in logged}
        assert post.rows()[0].webhook_id == hook.id
    finally:
        post.close()
