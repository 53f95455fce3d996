"""What the elected process does every hour: keys change with age, expired records go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from lms_bridge.jobs.clock import Clock
from lms_bridge.lti.room import Room, open_room
from lms_bridge.store import reports
from lms_bridge.store.lti_tables import once
from lms_bridge.store.tables import run
from lms_bridge.sync.auditing import Subject
from tests.integration.audited import Act, acts
from tests.integration.jobs.playing import FakeBridge, Recorder, Time

NewClock = Callable[[FakeBridge, Recorder], Clock]
NewBridge = Callable[..., FakeBridge]


@pytest.fixture
def bridges(database_address: str, new_bridge: NewBridge, time: Time) -> list[FakeBridge]:
    """Two processes of one bridge, whose LTI lives by the test's time, too."""
    first, second = new_bridge(database_address), new_bridge(database_address)
    for bridge in (first, second):
        room = open_room(bridge.settings, bridge.database, first.vault, now=time)
        object.__setattr__(bridge, "room", room)
    return [first, second]


def kids(room: Room) -> list[str]:
    return [each.kid for each in room.keyring.facts()]


def records(bridge: FakeBridge) -> int:
    with bridge.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(once)) or 0


def test_keys_change_by_the_clock(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    clocks = [new_clock(bridge, Recorder()) for bridge in bridges]

    def live(**span: float) -> None:
        time.go(**span)
        for clock in clocks:
            clock.beat()

    live(minutes=1)
    (first,) = kids(bridges[0].room)
    assert [clock.elected for clock in clocks] == [True, False]
    days = bridges[0].settings.lti.key_days
    for _ in range(3):
        live(days=days / 3 - 0.5)
    assert kids(bridges[1].room) == [first]  # not before its time
    live(days=2)
    assert len(kids(bridges[1].room)) == 2
    live(minutes=61)
    live(minutes=61)
    assert len(kids(bridges[0].room)) == 2  # once, whoever asks
    new = kids(bridges[0].room)[-1]
    changed = Act("rotate", ("clock", ""), {"kid": [first, new]})
    assert acts(bridges[0].database, Subject.KEY) == [changed]
    signed = bridges[1].room.keyring.sign({"a": 1})
    published = {key["kid"] for key in bridges[0].room.keyring.public_set()["keys"]}
    assert published == set(kids(bridges[0].room))
    assert signed.count(".") == 2


def test_expired_records_go_every_hour(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    bridge = bridges[0]
    clock = new_clock(bridge, Recorder())
    time.go(minutes=1)
    clock.beat()
    bridge.room.once.put("test", "short", {}, 60)
    bridge.room.once.put("test", "long", {}, 86_400)
    time.go(minutes=30)
    clock.beat()
    assert records(bridge) == 2  # an hour has not passed
    time.go(minutes=31)
    clock.beat()
    assert records(bridge) == 1
    assert bridge.room.once.look("test", "long") == {}


def test_who_stands_by_keeps_nothing_up(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    first, second = (new_clock(bridge, Recorder()) for bridge in bridges)
    time.go(minutes=1)
    first.beat()
    bridges[1].room.once.put("test", "short", {}, 60)
    time.go(seconds=80)
    first.beat()  # renews its lease
    second.beat()
    assert records(bridges[1]) == 1


def test_runs_that_did_nothing_are_forgotten(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    bridge, clock = bridges[0], new_clock(bridges[0], Recorder())

    def ran(status: str, *, told: bool = False) -> None:
        with bridge.database.writing() as tx:
            run_id = reports.start_run(tx, "KE", "enrolments", "clock", time())
            if told:
                line = {"run_id": run_id, "kind": "offering", "action": "update", "at": time()}
                reports.add_items(tx, [line])
            reports.finish_run(tx, run_id, status, {}, time())

    def kept() -> list[int]:
        with bridge.database.reading() as tx:
            return sorted(row.id for row in reports.last_runs(tx))

    ran("done")
    ran("done", told=True)
    ran("failed")
    ran("done")
    time.go(days=29)
    clock.beat()
    assert kept() == [1, 2, 3, 4]
    ran("done")
    time.go(days=2)
    clock.beat()
    assert kept() == [2, 3, 5]


def test_runs_that_go_on_are_found_by_an_index(bridge: FakeBridge) -> None:
    """The clock asks every minute, and there may be millions of runs."""
    with bridge.database.reading() as tx:
        asked = select(run.c.id).where(reports.RUNNING)
        for query in (asked, asked.where(run.c.centre == "KE")):
            text = query.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True})
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            assert "ix_run_running" in plan[0][-1]
