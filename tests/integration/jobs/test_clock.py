"""The clock: one process ticks, each due time is served once, what was missed is made up once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from lms_bridge.cron import Every
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Flow
from lms_bridge.jobs import scheduler as clock_module
from lms_bridge.jobs.schedule import Job
from lms_bridge.jobs.scheduler import Scheduler, _Every, _WallClock
from lms_bridge.store import leases, runs
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import lease, run
from lms_bridge.webhooks.dispatcher import Dispatcher
from tests.integration.jobs.playing import (
    PATIENCE,
    START,
    FakeBridge,
    Recorder,
    Time,
    add_centre,
    change_centre,
)

NewClock = Callable[[FakeBridge, Recorder], Scheduler]
NewBridge = Callable[..., FakeBridge]
ALL = "offerings,enrolments,results"


def live_through(clocks: list[Scheduler], time: Time, step: float = 30, **span: float) -> None:
    """Every clock does, each ``step`` seconds, what its APScheduler would: it beats and fires all
    of its jobs. (More often than APScheduler: what is not due must not be asked for.)"""
    end = time.at + timedelta(**span)
    while time.at < end:
        time.go(seconds=step)
        for clock in clocks:
            clock.beat()
            for job_id in clock.jobs:
                clock.fire(job_id)


def test_two_clocks_run_each_tick_once(
    database_address: str, new_bridge: NewBridge, new_clock: NewClock, time: Time
) -> None:
    bridges = [new_bridge(database_address), new_bridge(database_address)]
    engines = [Recorder(), Recorder()]
    clocks = [new_clock(*pair) for pair in zip(bridges, engines, strict=True)]
    add_centre(bridges[0].database, "KE", time_zone="Africa/Nairobi")
    add_centre(bridges[0].database, "AE", time_zone="Asia/Dubai")
    time.at = START.replace(hour=21, minute=30)  # both nights begin within two hours
    live_through(clocks, time, step=60, minutes=1)
    for engine in engines:
        engine.take()
    live_through(clocks, time, step=60, hours=2)
    assert [clock.elected for clock in clocks] == [True, False]
    assert clocks[1].jobs == {}
    assert engines[1].requested == []
    assert Counter(engines[0].requested) == {
        (code, flows, full, "clock"): number
        for code in ("KE", "AE")
        for flows, full, number in (
            (ALL, True, 1),
            ("enrolments", False, 2 * 12),
            ("results", False, 2),
        )
    }


def test_a_database_that_is_away_is_said_once_and_not_each_second(
    sqlite_address: str,
    new_bridge: NewBridge,
    new_clock: NewClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bridge = new_bridge(sqlite_address)
    clock = new_clock(bridge, Recorder())
    dispatcher = Dispatcher(bridge)
    clock.beat()
    reading = Database.reading

    def away(*_: object) -> None:
        raise OperationalError("", None, Exception("away"))

    with capture_logs() as lines:
        for step in (away, reading):
            monkeypatch.setattr(Database, "reading", step)
            for _ in range(100):
                clock.look()
                clock.beat()
                dispatcher.turn()
    told = Counter(each["event"] for each in lines)
    assert told == {
        "clock without database": 1,
        "clock has the database again": 1,
        "webhooks without database": 1,
        "webhooks have the database again": 1,
    }


def test_a_clock_that_slept_through_its_lease_runs_nothing(
    database_address: str, new_bridge: NewBridge, new_clock: NewClock, time: Time
) -> None:
    first, second = Recorder(), Recorder()
    sleeper = new_clock(new_bridge(database_address), first)
    other = new_clock(new_bridge(database_address), second)
    add_centre(new_bridge(database_address).database, "KE")
    sleeper.beat()
    jobs = list(sleeper.jobs)
    time.go(hours=1, minutes=10)
    other.beat()
    assert other.elected
    assert sorted(requested[1] for requested in second.take()) == ["enrolments", "results"]
    time.go(minutes=5)  # due again: whoever comes first serves it
    for job_id in jobs:
        sleeper.fire(job_id)
    assert first.requested == []
    assert not sleeper.elected
    assert sleeper.jobs == {}
    other.fire("enrolments:KE")
    assert len(second.requested) == 1


def test_two_clocks_that_both_lead_run_a_due_job_once(
    database_address: str, new_bridge: NewBridge, time: Time
) -> None:
    """Even without the election's fence, a claim succeeds once."""
    from lms_bridge.jobs import schedule

    job = Job("KE", "enrolments", (Flow.ENROLMENTS,), False, Every(300))
    databases = [new_bridge(database_address).database for _ in range(2)]
    with databases[0].writing() as tx:
        assert schedule.overdue_times(tx, [job], time.at) == []
    now = time.go(minutes=17)
    claims = []
    started = threading.Barrier(8)

    def claim(number: int) -> None:
        started.wait(PATIENCE)
        with databases[number % 2].writing() as tx:
            claims.append(schedule.claim_due_time(tx, job, now))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(claims) == [False] * 7 + [True]


def test_another_clock_takes_over_within_the_lease_after_a_kill(
    database_address: str, new_bridge: NewBridge, new_clock: NewClock, time: Time
) -> None:
    killed = new_clock(new_bridge(database_address), Recorder())
    bridge, engine = new_bridge(database_address), Recorder()
    add_centre(bridge.database, "KE")
    heir = new_clock(bridge, engine)
    killed.beat()
    heir.beat()
    assert (killed.elected, heir.elected) == (True, False)
    # The first process is gone without a word. The other one asks six times in a lease time.
    seconds = bridge.settings.sync.lease_seconds
    for _ in range(6):
        time.go(seconds=seconds / 6)
        heir.beat()
    assert heir.elected
    live_through([heir], time, step=60, minutes=60)
    assert Counter(requested[1] for requested in engine.requested) == {
        "enrolments": 12,
        "results": 1,
    }


def test_a_stopped_clock_hands_over_at_once(
    bridge: FakeBridge, new_clock: NewClock, time: Time
) -> None:
    engine = Recorder()
    leaving, heir = new_clock(bridge, engine), new_clock(bridge, Recorder())
    leaving.beat()
    leaving.stop()
    heir.beat()
    assert heir.elected
    assert engine.closed


def test_a_missed_job_is_made_up_once(bridge: FakeBridge, new_clock: NewClock, time: Time) -> None:
    add_centre(bridge.database, "KE")
    before = new_clock(bridge, Recorder())
    before.beat()
    before.stop()
    time.go(days=3)
    engine = Recorder()
    after = new_clock(bridge, engine)
    after.beat()
    assert sorted(engine.take()) == [
        ("KE", "enrolments", False, "clock"),
        ("KE", ALL, True, "clock"),
        ("KE", "results", False, "clock"),
    ]
    after.beat()
    for job_id in after.jobs:
        after.fire(job_id)
    assert engine.requested == []


def test_a_sleeping_machine_makes_up_once(
    bridge: FakeBridge, new_clock: NewClock, time: Time
) -> None:
    add_centre(bridge.database, "KE")
    engine = Recorder()
    clock = new_clock(bridge, engine)
    clock.beat()
    time.go(days=2)
    live_through([clock], time, minutes=1)
    assert Counter(requested[1] for requested in engine.requested) == {
        ALL: 1,
        "enrolments": 1,
        "results": 1,
    }


@pytest.mark.parametrize(
    ("noon", "served"),
    [
        ("2027-03-27T12:00+01:00", "2027-03-28T03:30+02:00"),  # 02:30 does not exist
        ("2027-10-30T12:00+02:00", "2027-10-31T02:30+02:00"),  # 02:30 comes twice
    ],
)
def test_a_nightly_job_runs_once_on_days_when_clocks_change(
    noon: str, served: str, new_bridge: NewBridge, new_clock: NewClock, sqlite_address: str
) -> None:
    bridge = new_bridge(sqlite_address, clock={"jitter_seconds": 0, "enrolments_minutes": 10_000})
    add_centre(bridge.database, "PL", time_zone="Europe/Warsaw", policy={"catalogue": "30 2 * * *"})
    time = Time(datetime.fromisoformat(noon).astimezone(UTC))
    at: list[datetime] = []

    class Watch(Recorder):
        def submit(self, *requested: object) -> bool:
            if requested[2]:
                at.append(time.at)
            return True

    clock = Scheduler(bridge, Watch(), now=time, scheduler=BackgroundScheduler(timezone=UTC))
    clock.beat()
    live_through([clock], time, step=900, hours=24)
    assert at == [datetime.fromisoformat(served).astimezone(UTC)]


def test_a_new_centre_is_scheduled_without_a_restart(
    bridge: FakeBridge, new_clock: NewClock, time: Time
) -> None:
    engine = Recorder()
    clock = new_clock(bridge, engine)
    clock.beat()
    assert clock.jobs == {}
    added = add_centre(bridge.database, "KE")
    time.go(minutes=1)
    clock.beat()
    assert sorted(clock.jobs) == ["catalogue:KE", "enrolments:KE", "results:KE"]
    assert engine.requested == []  # a new centre owes nothing
    changed = change_centre(bridge.database, added, policy={"catalogue": "5 14 * * *"})
    time.go(minutes=1)
    clock.beat()
    assert clock.jobs["catalogue:KE"].after(time.at) == START.replace(hour=14, minute=5)
    change_centre(bridge.database, changed, active=False)
    time.go(minutes=1)
    clock.beat()
    assert clock.jobs == {}


@pytest.mark.parametrize("lent", [False, True], ids=["held", "lent"])
def test_a_run_that_is_still_going_is_skipped_and_not_queued_up(
    bridge: FakeBridge, new_clock: NewClock, time: Time, lent: bool
) -> None:
    add_centre(bridge.database, "KE")
    engine = Recorder()
    clock = new_clock(bridge, engine)
    clock.beat()
    with bridge.database.writing() as tx:
        leases.take(tx, "run:KE", "somebody", time.at, 3600)
        runs.start_run(tx, "KE", "enrolments", "clock", time.at)
        if lent:
            leases.lend(tx, "run:KE", "somebody", time.at, 3600, 1)
    live_through([clock], time, minutes=10)
    assert engine.requested == []
    with bridge.database.writing() as tx:
        leases.give_back(tx, "run:KE", "somebody")
        runs.finish_run(tx, 1, "done", {}, time.at)
    clock.beat()
    assert engine.requested == []  # those two ticks are gone
    live_through([clock], time, minutes=5)
    assert len(engine.requested) == 1


def test_a_run_that_was_cut_off_is_made_up_once(
    bridge: FakeBridge, new_clock: NewClock, time: Time
) -> None:
    add_centre(bridge.database, "KE")
    engine = Recorder()
    with bridge.database.writing() as tx:
        runs.start_run(tx, "KE", ALL, "clock", time.at)  # its process was killed
    clock = new_clock(bridge, engine)
    clock.beat()
    assert engine.take() == [("KE", ALL, True, "resume")]
    with bridge.database.writing() as tx:
        assert tx.scalar(select(run.c.status)) == "cut off"
        runs.start_run(tx, "KE", ALL, "resume", time.at)  # and this one, too
    time.go(minutes=1)
    clock.beat()
    assert engine.requested == []


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650)])
def test_a_tick_from_the_future_does_not_stop_a_job(
    bridge: FakeBridge, new_clock: NewClock, time: Time, ahead: timedelta
) -> None:
    add_centre(bridge.database, "KE")
    time.at = START + ahead
    wrong = new_clock(bridge, Recorder())
    wrong.beat()
    wrong.stop()
    time.at = START
    engine = Recorder()
    live_through([new_clock(bridge, engine)], time, minutes=10)
    assert Counter(requested[1] for requested in engine.requested)["enrolments"] in (1, 2)


def test_what_is_due_does_not_rest_when_the_machines_clock_is_set_back() -> None:
    clock, looked = _WallClock(timezone=UTC), threading.Event()
    clock.start()
    try:
        before = utc_now() + timedelta(hours=1)
        clock.add_job(looked.set, _Every(0.01), next_run_time=before)
        clock._looked = before
        clock.wakeup()
        assert looked.wait(PATIENCE)
    finally:
        clock.shutdown()


def test_a_clock_that_was_set_back_reviews_the_centres(
    bridge: FakeBridge, new_clock: NewClock, time: Time
) -> None:
    clock = new_clock(bridge, Recorder())
    time.at = START + timedelta(hours=1)
    clock.beat()
    time.at = START
    add_centre(bridge.database, "KE")
    clock.beat()
    assert {job.centre for job in clock.jobs.values()} == {"KE"}


def test_an_unavailable_engine_does_not_stop_the_clock(
    bridge: FakeBridge, new_clock: NewClock, time: Time
) -> None:
    class Away(Recorder):
        def submit(self, *requested: object) -> bool:
            raise ConnectionError("no queue")

    add_centre(bridge.database, "KE")
    clock = new_clock(bridge, Away())
    live_through([clock], time, minutes=10)
    assert clock.elected


def test_two_real_schedulers_run_each_due_job_once(
    bridge: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two whole clocks, each with its APScheduler thread, on a job that is due every second."""
    add_centre(bridge.database, "KE")
    each_second = Job("KE", "enrolments", (Flow.ENROLMENTS,), False, Every(1))
    monkeypatch.setattr(clock_module, "jobs_of", lambda *_: [each_second])
    ticked = threading.Semaphore(0)
    served: list[int] = []

    class Watch(Recorder):
        def submit(self, *requested: object) -> bool:
            served.append(int(datetime.now(UTC).timestamp()))
            ticked.release()
            return True

    clocks = [Scheduler(bridge, Watch()), Scheduler(bridge, Watch())]
    for clock in clocks:
        clock.start()
    for _ in range(3):
        assert ticked.acquire(timeout=PATIENCE)
    assert sum(clock.elected for clock in clocks) == 1
    for clock in clocks:
        clock.stop()
    assert len(set(served)) == len(served)  # no second was served twice
    with bridge.database.reading() as tx:
        assert tx.scalar(select(lease.c.name)) is None
