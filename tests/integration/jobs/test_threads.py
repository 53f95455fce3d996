"""The engine of threads: side by side, one at a time for each centre, and a clean end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Flow
from lms_bridge.jobs import engine as engine_module
from lms_bridge.jobs.choosing import engine_for
from lms_bridge.jobs.clock import Clock
from lms_bridge.jobs.engine import ThreadEngine
from lms_bridge.jobs.pool import Pool
from lms_bridge.store import asked_runs, leases
from lms_bridge.store.tables import lease, run
from lms_bridge.sync.work import utc_now
from tests.integration.jobs.playing import PATIENCE, FakeBridge, Recorder, add_centre

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


def test_a_disabled_centre_is_left_alone_whoever_asks(bridge: FakeBridge) -> None:
    add_centre(bridge.database, "KE", active=False)
    with bridge.database.writing() as tx:
        asked_runs.ask(tx, ["KE"], ALL, utc_now(), "the Academy")
    engine = ThreadEngine(bridge)
    for trigger in ("event", "clock"):
        assert engine.submit("KE", ALL, False, trigger)
        assert engine.wait_idle(PATIENCE)
    assert statuses(bridge) == []
    with bridge.database.reading() as tx:
        assert asked_runs.waiting(tx, utc_now()) == []  # nor is it asked for again and again
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


def test_what_is_cut_off_at_the_end_writes_nothing_more_and_is_made_up(
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
    clock = Clock(bridge, recorder)
    clock.beat()
    assert recorder.asked == [("KE", "offerings,enrolments,results", True, "resume")]
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
    pool = Pool(1)

    def defect() -> None:
        raise ZeroDivisionError

    done = threading.Event()
    pool.add("a", "a", defect)
    pool.add("b", "b", done.set)
    assert done.wait(PATIENCE)
    assert pool.close(PATIENCE)
    assert not pool.add("c", "c", defect)


def test_the_settings_name_the_engine(bridge: FakeBridge) -> None:
    engine = engine_for(bridge)
    assert isinstance(engine, ThreadEngine)
    engine.close(0)


def test_procrastinate_needs_postgresql() -> None:
    from lms_bridge.settings import load

    with pytest.raises(SettingsInvalid, match=r"engine\.kind"):
        load({"LMS_BRIDGE_ENGINE__KIND": "procrastinate"})
