"""The engine of threads: side by side, one at a time for each centre, and a clean end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Flow
from lms_bridge.jobs import workers as engine_module
from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.jobs.workers import ThreadEngine
from lms_bridge.server.serve import engine_for
from lms_bridge.store import leases, run_requests
from lms_bridge.store.run_tables import lease, run
from lms_bridge.worker_pool import MOST, WorkerPool
from tests.integration.jobs.playing import PATIENCE, FakeBridge, Recorder, add_centre, wait_for

ALL = tuple(Flow)
NewBridge = Callable[..., FakeBridge]


def began(bridge: FakeBridge, number: int = 1) -> None:
    for _ in range(number):
        assert bridge.lms.reading.acquire(timeout=PATIENCE)


def statuses(bridge: FakeBridge) -> list[tuple[str, str, str]]:
    with bridge.database.reading() as tx:
        rows = tx.execute(select(run.c.centre, run.c.trigger, run.c.status).order_by(run.c.id))
        return [(row[0], row[1], row[2]) for row in rows]


def test_runs_go_side_by_side_within_bounds(new_bridge: NewBridge, database_address: str) -> None:
    bridge = new_bridge(database_address, sync={"centres_at_once": 3})
    for number in range(7):
        add_centre(bridge.database, f"C{number}")
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()
    for number in range(7):
        assert engine.submit(f"C{number}", ALL, True, "clock")
    began(bridge, 3)
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    assert sorted(bridge.lms.reads) == [f"C{number}" for number in range(7)]
    assert bridge.lms.most_at_once == 3
    assert {status for _, _, status in statuses(bridge)} == {"done"}
    engine.close(PATIENCE)


def test_slow_centres_make_room_for_others(new_bridge: NewBridge, database_address: str) -> None:
    limits = {"centres_at_once": 2, "slow_minutes": 1 / 600}
    bridge = new_bridge(database_address, sync=limits)
    codes = [f"C{number}" for number in range(9)]
    for code in codes:
        add_centre(bridge.database, code)
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()  # all of them are slow
    for code in codes:
        assert engine.submit(code, ALL, True, "clock")
    began(bridge, 2 * MOST)  # as many as there are at most, though only two may be quick
    assert not bridge.lms.reading.acquire(timeout=0.3)
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    assert sorted(bridge.lms.reads) == codes
    assert {status for _, _, status in statuses(bridge)} == {"done"}
    engine.close(PATIENCE)


def test_centres_of_one_server_have_half_of_the_workers(
    new_bridge: NewBridge, database_address: str
) -> None:
    bridge = new_bridge(database_address, sync={"centres_at_once": 4})
    shared = [f"C{number}" for number in range(4)]
    for code in shared:
        address = f"https://lms.example/{code}"
        add_centre(bridge.database, code, address=address)
    add_centre(bridge.database, "OTHER", address="https://other.example")
    add_centre(bridge.database, "FILES")
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()
    for code in [*shared, "OTHER", "FILES"]:
        assert engine.submit(code, ALL, True, "clock")
    began(bridge, 4)
    assert {"OTHER", "FILES"} < set(bridge.lms.reads)
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    assert len(statuses(bridge)) == 6
    engine.close(PATIENCE)


def test_what_only_sends_does_not_wait_until_others_are_read(
    new_bridge: NewBridge, database_address: str
) -> None:
    bridge = new_bridge(database_address, sync={"centres_at_once": 1})
    for code in ("SLOW", "KE"):
        add_centre(bridge.database, code)
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()
    assert engine.submit("SLOW", ALL, True, "clock")
    began(bridge)
    assert engine.submit("KE", (Flow.OFFERINGS,), False, "change")
    wait_for(lambda: ("KE", "change", "done") in statuses(bridge))
    assert bridge.lms.at_once == 1
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    engine.close(PATIENCE)


def test_a_paused_centre_is_never_run(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "KE", active=False)
    with bridge.database.writing() as tx:
        run_requests.request_run(tx, ["KE"], ALL, utc_now(), "the Academy")
    engine = ThreadEngine(bridge)
    for trigger in ("event", "clock"):
        assert engine.submit("KE", ALL, False, trigger)
        assert engine.wait_idle(PATIENCE)
    assert statuses(bridge) == []
    with bridge.database.reading() as tx:
        assert run_requests.waiting(tx, utc_now()) == []  # nor is it asked for again and again
    engine.close(PATIENCE)


def test_equal_requests_collapse_and_one_centre_runs_one_at_a_time(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "KE")
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()
    assert engine.submit("KE", ALL, True, "clock")
    began(bridge)
    assert not engine.submit("KE", ALL, True, "clock")  # it is still going
    assert engine.submit("KE", (Flow.OFFERINGS,), False, "clock")  # another kind waits its turn
    assert not engine.submit("KE", (Flow.OFFERINGS,), False, "clock")
    bridge.lms.gate.set()
    assert engine.wait_idle(PATIENCE)
    assert bridge.lms.most_at_once == 1
    assert statuses(bridge) == [("KE", "clock", "done")] * 2


def test_a_busy_centre_is_skipped_but_a_full_run_tries_again(
    bridge: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_centre(bridge.database, "KE")
    engine = ThreadEngine(bridge)
    with bridge.database.writing() as tx:  # another process runs it
        leases.take(tx, "run:KE", "somebody", utc_now(), 3600)
    assert engine.submit("KE", (Flow.OFFERINGS,), False, "clock")
    assert engine.wait_idle(PATIENCE)
    assert statuses(bridge) == []
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(engine_module, "BUSY_ATTEMPTS", 10**6)
    assert engine.submit("KE", ALL, True, "clock")
    assert not engine.wait_idle(0.1)
    with bridge.database.writing() as tx:
        leases.give_back(tx, "run:KE", "somebody")
    assert engine.wait_idle(PATIENCE)
    assert statuses(bridge) == [("KE", "clock", "done")]


def test_an_interrupted_run_writes_nothing_more_and_is_made_up(
    bridge: FakeBridge,
) -> None:
    add_centre(bridge.database, "KE")
    engine = ThreadEngine(bridge)
    bridge.lms.gate.clear()
    engine.submit("KE", ALL, True, "clock")
    began(bridge)
    engine.close(0.05)
    with bridge.database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(lease)) == 0
    bridge.lms.gate.set()  # the answer comes after all
    assert engine.wait_idle(PATIENCE)
    assert statuses(bridge) == [("KE", "clock", "running")]
    assert not engine.submit("KE", ALL, True, "clock")  # it is closed
    recorder = Recorder()
    clock = Scheduler(bridge, recorder)
    clock.beat()
    assert recorder.requested == [("KE", "offerings,enrolments,results", True, "resume")]
    assert statuses(bridge) == [("KE", "clock", "cut off")]
    clock.stop()


def test_a_run_that_cannot_begin_is_shown_among_the_runs(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "KE", policy={"removal": "explode"})
    engine = ThreadEngine(bridge)
    engine.submit("KE", ALL, True, "clock")
    engine.submit("GONE", ALL, True, "clock")
    assert engine.wait_idle(PATIENCE)
    with bridge.database.reading() as tx:
        rows = tx.execute(select(run)).all()
    assert [(row.centre, row.status, row.error_code) for row in rows] == [
        ("KE", "failed", "settings-invalid")
    ]
    assert "removal" in rows[0].error


def test_a_defect_does_not_take_the_pool_along() -> None:
    pool = WorkerPool(1)

    def defect() -> None:
        raise ZeroDivisionError

    done = threading.Event()
    pool.add("a", "a", defect)
    pool.add("b", "b", done.set)
    assert done.wait(PATIENCE)
    assert pool.close(PATIENCE)
    assert not pool.add("c", "c", defect)


def test_the_settings_choose_the_engine(bridge: FakeBridge) -> None:
    engine = engine_for(bridge)
    assert isinstance(engine, ThreadEngine)
    engine.close(0)


def test_procrastinate_needs_postgresql() -> None:
    from lms_bridge.settings import load

    with pytest.raises(SettingsInvalid, match=r"engine\.kind"):
        load({"LMS_BRIDGE_ENGINE__KIND": "procrastinate"})


def test_what_waits_for_its_turn_counts_for_its_owner() -> None:
    """No thread has to take it first: whoever asks meanwhile would be told that there is room."""
    pool, gate, begun = WorkerPool(1), threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        gate.wait(PATIENCE)

    pool.add("first", "KE", act, ("quick.example.org",))
    assert begun.wait(PATIENCE)
    assert not pool.holds_up("S1", ("slow.example.org",))
    pool.add("second", "S0", act, ("slow.example.org",))
    assert pool.holds_up("S1", ("slow.example.org",))
    assert pool.holds_up("S0", ("another.example.org",))
    assert not pool.holds_up("S2", ("another.example.org",))
    gate.set()
    assert pool.close(PATIENCE)
