"""What the elected process does every hour: keys change with age, expired records go."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from lms_bridge.audit import Subject
from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.lti.context import LtiContext, open_lti
from lms_bridge.lti.feature import lti_of
from lms_bridge.store import runs
from lms_bridge.store.lti_tables import nonce
from lms_bridge.store.run_tables import run
from tests.integration.audited import Act, acts
from tests.integration.jobs.playing import FakeBridge, Recorder, Time

NewClock = Callable[[FakeBridge, Recorder], Scheduler]
NewBridge = Callable[..., FakeBridge]


@pytest.fixture
def bridges(database_address: str, new_bridge: NewBridge, time: Time) -> list[FakeBridge]:
    """Two processes of one bridge, whose LTI lives by the test's time, too."""
    first, second = new_bridge(database_address), new_bridge(database_address)
    for bridge in (first, second):
        lti = open_lti(bridge.settings, bridge.database, first.vault, now=time)
        lti_of(bridge).context = lti
    return [first, second]


def kids(lti: LtiContext) -> list[str]:
    return [each.kid for each in lti.keyring.facts()]


def records(bridge: FakeBridge) -> int:
    with bridge.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(nonce)) or 0


def test_the_clock_rotates_the_keys(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    clocks = [new_clock(bridge, Recorder()) for bridge in bridges]

    def live(**span: float) -> None:
        time.go(**span)
        for clock in clocks:
            clock.beat()

    live(minutes=1)
    (first,) = kids(lti_of(bridges[0]).context)
    assert [clock.elected for clock in clocks] == [True, False]
    days = bridges[0].settings.lti.key_days
    for _ in range(3):
        live(days=days / 3 - 0.5)
    assert kids(lti_of(bridges[1]).context) == [first]  # not before its time
    live(days=2)
    assert len(kids(lti_of(bridges[1]).context)) == 2
    live(minutes=61)
    live(minutes=61)
    assert len(kids(lti_of(bridges[0]).context)) == 2  # once, whoever asks
    new = kids(lti_of(bridges[0]).context)[-1]
    changed = Act("rotate", ("clock", ""), {"kid": [first, new]})
    assert acts(bridges[0].database, Subject.KEY) == [changed]
    signed = lti_of(bridges[1]).context.keyring.sign({"a": 1})
    published = {key["kid"] for key in lti_of(bridges[0]).context.keyring.public_set()["keys"]}
    assert published == set(kids(lti_of(bridges[0]).context))
    assert signed.count(".") == 2


def test_expired_records_are_deleted_every_hour(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    bridge = bridges[0]
    clock = new_clock(bridge, Recorder())
    time.go(minutes=1)
    clock.beat()
    lti_of(bridge).context.nonces.put("test", "short", {}, 60)
    lti_of(bridge).context.nonces.put("test", "long", {}, 86_400)
    time.go(minutes=30)
    clock.beat()
    assert records(bridge) == 2  # an hour has not passed
    time.go(minutes=31)
    clock.beat()
    assert records(bridge) == 1
    assert lti_of(bridge).context.nonces.look("test", "long") == {}


def test_a_clock_that_does_not_lead_does_no_upkeep(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    first, second = (new_clock(bridge, Recorder()) for bridge in bridges)
    time.go(minutes=1)
    first.beat()
    lti_of(bridges[1]).context.nonces.put("test", "short", {}, 60)
    time.go(seconds=80)
    first.beat()  # renews its lease
    second.beat()
    assert records(bridges[1]) == 1


def test_runs_without_changes_are_deleted(
    bridges: list[FakeBridge], new_clock: NewClock, time: Time
) -> None:
    bridge, clock = bridges[0], new_clock(bridges[0], Recorder())

    def ran(status: str, *, reported: bool = False) -> None:
        with bridge.database.writing() as tx:
            run_id = runs.start_run(tx, "KE", "enrolments", "clock", time())
            if reported:
                line = {"run_id": run_id, "kind": "offering", "action": "update", "at": time()}
                runs.add_items(tx, [line])
            runs.finish_run(tx, run_id, status, {}, time())

    def kept() -> list[int]:
        with bridge.database.reading() as tx:
            return sorted(row.id for row in runs.last_runs(tx))

    ran("done")
    ran("done", reported=True)
    ran("failed")
    ran("done")
    time.go(days=29)
    clock.beat()
    assert kept() == [1, 2, 3, 4]
    ran("done")
    time.go(days=2)
    clock.beat()
    assert kept() == [2, 3, 5]


def test_current_runs_are_found_by_an_index(bridge: FakeBridge) -> None:
    """The clock asks every minute, and there may be millions of runs."""
    with bridge.database.reading() as tx:
        requested = select(run.c.id).where(runs.RUNNING)
        for query in (requested, requested.where(run.c.centre == "KE")):
            text = query.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True})
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            assert re.search(r"INDEX ix_run_(centre_)?status", plan[0][-1])
