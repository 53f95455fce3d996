"""The engine of Procrastinate, on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import select
from sqlalchemy.engine import make_url

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Flow
from lms_bridge.jobs import queue
from lms_bridge.jobs.queue import ProcrastinateEngine, conninfo, run_worker, upgrade_queue
from lms_bridge.jobs.workers import Execution
from lms_bridge.server.serve import engine_for
from lms_bridge.settings import EngineKind
from lms_bridge.store import leases
from lms_bridge.store.run_tables import lease, run
from tests.integration.jobs.playing import PATIENCE, FakeBridge, add_centre

ALL = tuple(Flow)


@pytest.fixture
def new_queued(
    new_bridge: Callable[..., FakeBridge], postgres_address: str
) -> Callable[[float], FakeBridge]:
    """Makes a bridge with a queue, whose worker gives its runs so many seconds at the end."""

    def make(stop_seconds: float) -> FakeBridge:
        assert upgrade_queue(postgres_address)
        return new_bridge(
            postgres_address,
            engine={"kind": EngineKind.PROCRASTINATE},
            clock={"jitter_seconds": 0, "stop_seconds": stop_seconds},
            sync={"centres_at_once": 3},
        )

    return make


@pytest.fixture
def queued(new_queued: Callable[[float], FakeBridge]) -> FakeBridge:
    return new_queued(PATIENCE)


def jobs(bridge: FakeBridge) -> list[tuple[str, str]]:
    with psycopg.connect(conninfo(bridge.settings.store.address)) as connection:
        return connection.execute(
            "SELECT args->>'centre', status::text FROM procrastinate_jobs ORDER BY id"
        ).fetchall()


def statuses(bridge: FakeBridge) -> list[tuple[str, str, str]]:
    with bridge.database.reading() as tx:
        rows = tx.execute(select(run.c.centre, run.c.trigger, run.c.status).order_by(run.c.id))
        return [(row[0], row[1], row[2]) for row in rows]


def work_in_a_thread(bridge: FakeBridge) -> threading.Thread:
    thread = threading.Thread(
        target=run_worker, args=[bridge], kwargs={"until_empty": True, "signals": False}
    )
    thread.start()
    return thread


def test_its_tables_are_made_once(postgres_address: str) -> None:
    assert upgrade_queue(postgres_address)
    assert not upgrade_queue(postgres_address)


def test_its_tables_are_brought_up_from_an_older_version(
    new_bridge: Callable[..., FakeBridge], postgres_address: str
) -> None:
    scripts = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    older = [path for path in scripts if path.stem < "03.03"]
    assert 0 < len(older) < len(scripts)
    with psycopg.connect(conninfo(postgres_address), autocommit=True) as connection:
        for path in older:
            connection.execute(path.read_bytes())
        connection.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{older[-1].stem}'".encode())
    assert upgrade_queue(postgres_address)
    assert not upgrade_queue(postgres_address)
    bridge = new_bridge(postgres_address)
    add_centre(bridge.database, "KE")
    engine = ProcrastinateEngine(postgres_address)
    engine.submit("KE", ALL, True, "clock")
    engine.close(0)
    run_worker(bridge, until_empty=True)
    assert statuses(bridge) == [("KE", "clock", "done")]


def test_runs_go_through_the_queue(queued: FakeBridge) -> None:
    for code in ("KE", "PL"):
        add_centre(queued.database, code)
    engine = engine_for(queued)
    assert isinstance(engine, ProcrastinateEngine)
    assert engine.submit("KE", ALL, True, "clock")
    assert engine.submit("PL", (Flow.OFFERINGS,), False, "now")
    assert not engine.submit("KE", ALL, True, "now")  # collapses with the first
    assert jobs(queued) == [("KE", "todo"), ("PL", "todo")]
    engine.close(0)
    run_worker(queued, until_empty=True)
    assert sorted(statuses(queued)) == [("KE", "clock", "done"), ("PL", "now", "done")]
    assert jobs(queued) == []


def test_workers_go_side_by_side_and_one_centre_once_at_a_time(queued: FakeBridge) -> None:
    codes = [f"C{number}" for number in range(6)]
    for code in codes:
        add_centre(queued.database, code)
    engine = engine_for(queued)
    queued.lms.gate.clear()
    for code in codes:
        engine.submit(code, ALL, True, "clock")
    workers = [work_in_a_thread(queued), work_in_a_thread(queued)]
    for _ in codes:
        assert queued.lms.reading.acquire(timeout=PATIENCE)
    assert queued.lms.at_once == 6  # three each
    # A request while its run goes on waits, and finds the centre free or busy: never twice in it.
    assert engine.submit("C0", (Flow.OFFERINGS,), False, "clock")
    queued.lms.gate.set()
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive()
    run_worker(queued, until_empty=True)
    assert queued.lms.most_at_once == 6
    assert {status for _, _, status in statuses(queued)} == {"done"}
    engine.close(0)


@contextmanager
def away(address: str, server: str) -> Iterator[None]:
    """A database that ends all connections and takes none."""
    name = make_url(address).database
    with psycopg.connect(conninfo(server), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        yield
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


def test_a_worker_goes_on_when_its_database_was_away(
    queued: FakeBridge, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = threading.Event()
    log = SimpleNamespace(error=lambda *_, **__: noticed.set(), info=lambda *_, **__: None)
    monkeypatch.setattr(queue, "_log", log)
    monkeypatch.setattr(queue, "AWAY_SECONDS", 0.5)
    monkeypatch.setattr(queue, "AGAIN_SECONDS", 0.05)
    for code in ("KE", "PL"):
        add_centre(queued.database, code)
    engine = engine_for(queued)
    queued.lms.gate.clear()
    engine.submit("KE", ALL, True, "clock")
    worker = work_in_a_thread(queued)
    assert queued.lms.reading.acquire(timeout=PATIENCE)
    engine.close(0)
    with away(queued.settings.store.address, postgres_server):
        queued.lms.gate.set()
        assert noticed.wait(PATIENCE)
    engine = engine_for(queued)
    engine.submit("PL", ALL, True, "clock")
    worker.join(PATIENCE)
    assert not worker.is_alive()
    engine.close(0)
    run_worker(queued, until_empty=True)  # what came after the worker had looked
    assert ("PL", "clock", "done") in statuses(queued)


def test_a_slow_server_leaves_places_of_the_worker_to_others(queued: FakeBridge) -> None:
    """Of three places its centres have two, and what waits for it takes none."""
    engine = engine_for(queued)
    for number in range(6):
        add_centre(queued.database, f"S{number}", address="https://slow.example.org/lms")
        engine.submit(f"S{number}", ALL, True, "clock")
    add_centre(queued.database, "KE")
    engine.submit("KE", ALL, True, "clock")
    queued.lms.gate.clear()
    worker = work_in_a_thread(queued)
    for _ in range(3):
        assert queued.lms.reading.acquire(timeout=PATIENCE)
    with queued.database.reading() as tx:
        begun = set(tx.scalars(select(run.c.centre)))
    queued.lms.gate.set()
    worker.join(PATIENCE)
    assert "KE" in begun
    assert sorted(statuses(queued)) == [
        ("KE", "clock", "done"),
        *((f"S{number}", "clock", "done") for number in range(6)),
    ]
    assert jobs(queued) == []
    engine.close(0)


def test_what_only_sends_has_a_queue_of_its_own(queued: FakeBridge) -> None:
    engine = engine_for(queued)
    for code, trigger in (("KE", "clock"), ("PL", "change")):
        add_centre(queued.database, code)
        engine.submit(code, (Flow.OFFERINGS,), False, trigger)
    with psycopg.connect(conninfo(queued.settings.store.address)) as connection:
        names = connection.execute("SELECT queue_name FROM procrastinate_jobs ORDER BY id")
        assert names.fetchall() == [("runs",), ("sending",)]
    run_worker(queued, until_empty=True)
    assert sorted(statuses(queued)) == [("KE", "clock", "done"), ("PL", "change", "done")]
    engine.close(0)


def test_a_slow_run_leaves_its_place_in_the_worker(
    new_bridge: Callable[..., FakeBridge], postgres_address: str
) -> None:
    upgrade_queue(postgres_address)
    limits = {"centres_at_once": 1, "slow_minutes": 1 / 600}
    engine = {"kind": EngineKind.PROCRASTINATE}
    queued = new_bridge(postgres_address, sync=limits, engine=engine)
    jobs_given = ProcrastinateEngine(postgres_address)
    queued.lms.gate.clear()
    for code in ("KE", "PL"):
        add_centre(queued.database, code)
        jobs_given.submit(code, ALL, True, "clock")
    worker = work_in_a_thread(queued)
    for _ in range(2):
        assert queued.lms.reading.acquire(timeout=PATIENCE)
    queued.lms.gate.set()
    worker.join(PATIENCE)
    assert sorted(statuses(queued)) == [("KE", "clock", "done"), ("PL", "clock", "done")]
    assert jobs(queued) == []
    jobs_given.close(0)


def test_a_full_run_of_a_busy_centre_is_tried_again(
    queued: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_centre(queued.database, "KE")
    engine = engine_for(queued)
    with queued.database.writing() as tx:
        leases.take(tx, "run:KE", "somebody", utc_now(), 3600)
    engine.submit("KE", ALL, True, "clock")
    engine.submit("KE", (Flow.OFFERINGS,), False, "clock")
    monkeypatch.setattr(queue, "BUSY_SECONDS", 0)
    monkeypatch.setattr(queue, "BUSY_ATTEMPTS", 2)
    for _ in range(3):
        run_worker(queued, until_empty=True)
    assert statuses(queued) == []
    assert jobs(queued) == []  # it was tried three times and then given up
    monkeypatch.setattr(queue, "BUSY_SECONDS", 3600)
    engine.submit("KE", ALL, True, "clock")
    run_worker(queued, until_empty=True)
    assert jobs(queued) == [("KE", "todo")]  # it waits for later
    engine.close(0)


def test_a_worker_that_ends_cuts_its_runs_off(new_queued: Callable[[float], FakeBridge]) -> None:
    queued = new_queued(0.2)
    add_centre(queued.database, "KE")
    engine = engine_for(queued)
    engine.submit("KE", ALL, True, "clock")
    queued.lms.gate.clear()
    worker = work_in_a_thread(queued)  # asked to end as soon as the queue is empty
    assert queued.lms.reading.acquire(timeout=PATIENCE)
    worker.join(PATIENCE)
    assert not worker.is_alive()
    assert statuses(queued) == [("KE", "clock", "running")]
    with queued.database.reading() as tx:
        assert tx.scalar(select(lease.c.name)) is None
    assert jobs(queued) == []
    queued.lms.gate.set()
    engine.close(0)


def test_a_defect_in_a_run_takes_no_place_of_the_worker(
    queued: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> str:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Execution, "run", broken)
    engine = engine_for(queued)
    for number in range(4):  # more than run at once
        engine.submit(f"C{number}", ALL, True, "clock")
    engine.close(0)
    worker = work_in_a_thread(queued)
    worker.join(PATIENCE)
    assert not worker.is_alive()
    assert jobs(queued) == []
