"""Leases: one holder at a time, renewed, expiring, and a fence around every write."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select, update

from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import LeaseLost, SettingsInvalid
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.domain.ports import Connector, SystemAccess
from lms_bridge.settings import Settings
from lms_bridge.store import leases
from lms_bridge.store import runs as store_runs
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import lease
from lms_bridge.store.tables import offering
from lms_bridge.sync.context import Lease, RunContext
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.lease_renewer import LeaseRenewer
from lms_bridge.sync.run import Runner, RunRequest
from tests.fakes.nights import NEVER_HOLD, START, Nights, sample_centre

LATER = START + timedelta(seconds=60)
SECONDS = 90.0


def take(database: Database, holder: str, now: datetime = START, name: str = "run:SAMPLE") -> bool:
    with database.writing() as tx:
        return leases.take(tx, name, holder, now, SECONDS)


def holder_of(database: Database) -> tuple[str, datetime] | None:
    with database.reading() as tx:
        row = tx.execute(select(lease)).first()
        return None if row is None else (row.holder, row.expires_at)


def dead_holder() -> str:
    """The name of a holder that was a process of this machine, and is no more."""
    code = "from lms_bridge.store.leases import new_holder; print(new_holder())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_holder_has_a_name_of_its_own() -> None:
    names = {leases.new_holder() for _ in range(100)}
    assert len(names) == 100
    assert all(str(os.getpid()) in name for name in names)


def test_a_free_lease_is_taken_once(database: Database) -> None:
    mine, theirs = leases.new_holder(), leases.new_holder()
    assert take(database, mine)
    assert not take(database, theirs, LATER)
    assert take(database, mine, LATER)  # again, by the same
    assert take(database, theirs, name="run:OTHER")
    assert holder_of(database) == (mine, LATER + timedelta(seconds=SECONDS))


def test_a_released_lease_is_free(database: Database) -> None:
    mine, theirs = leases.new_holder(), leases.new_holder()
    take(database, mine)
    with database.writing() as tx:
        leases.give_back(tx, "run:SAMPLE", theirs)  # not theirs to give
    assert not take(database, theirs)
    with database.writing() as tx:
        leases.give_back(tx, "run:SAMPLE", mine)
    assert holder_of(database) is None
    assert take(database, theirs)


def test_a_lease_expires_exactly_when_it_says(database: Database) -> None:
    mine, theirs = leases.new_holder(), leases.new_holder()
    take(database, mine)
    end = START + timedelta(seconds=SECONDS)
    assert not take(database, theirs, end - timedelta(microseconds=1))
    assert take(database, theirs, end)


def test_renewing_keeps_a_lease(database: Database) -> None:
    mine, theirs = leases.new_holder(), leases.new_holder()
    take(database, mine)
    with database.writing() as tx:
        leases.renew(tx, "run:SAMPLE", mine, LATER, SECONDS)
    assert not take(database, theirs, START + timedelta(seconds=SECONDS))
    with database.writing() as tx:  # late, but nobody took it meanwhile
        leases.renew(tx, "run:SAMPLE", mine, START + timedelta(days=1), SECONDS)


@pytest.mark.parametrize("taken_over", [True, False])
def test_a_lost_lease_cannot_be_renewed(database: Database, taken_over: bool) -> None:
    mine = leases.new_holder()
    if taken_over:
        take(database, mine)
        take(database, leases.new_holder(), START + timedelta(days=1))
    with pytest.raises(LeaseLost), database.writing() as tx:
        leases.renew(tx, "run:SAMPLE", mine, LATER, SECONDS)


def test_a_dead_process_of_this_machine_holds_nothing(database: Database) -> None:
    take(database, dead_holder())
    assert take(database, leases.new_holder(), START)


def test_a_holder_on_another_machine_keeps_its_lease_until_it_expires(database: Database) -> None:
    machine, rest = dead_holder().split("|", 1)
    strangers = (f"another-{machine}|{rest}", f"{machine}|no-number|x", "odd")
    for number, stranger in enumerate(strangers):
        assert take(database, stranger, name=f"run:{number}")
        assert not take(database, leases.new_holder(), name=f"run:{number}")


def test_only_one_of_many_takes_a_lease(database: Database) -> None:
    barrier = threading.Barrier(8)
    taken = []

    def run() -> None:
        barrier.wait(timeout=120)
        if take(database, leases.new_holder()):
            taken.append(1)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert taken == [1]


def usurped(night: Nights) -> Callable[[], None]:
    """Makes another process take the lease over, as after a long sleep of this one."""

    def usurp() -> None:
        with night.database.writing() as tx:
            tx.execute(update(lease).values(holder="somebody else|1|x"))

    return usurp


def test_a_run_that_lost_its_lease_writes_nothing_more(database: Database) -> None:
    night = Nights(database, never=("defect", "database"))
    night.lms.add_course("Spectrum")
    night.lms.steps.at("answer", usurped(night))
    report = night.night([Flow.OFFERINGS])
    assert (report.status, [stage for stage, _ in report.errors]) == ("failed", ["lease"])
    with database.reading() as tx:
        assert tx.execute(select(offering)).all() == []
    assert holder_of(database) is not None  # and it is not given back by the loser
    assert night.academy.requests == []


def test_a_run_that_lost_its_lease_while_sending_keeps_no_outcome(database: Database) -> None:
    night = Nights(database, never=("defect", "database"))
    night.lms.add_course("Spectrum")
    night.academy.steps.at("offering.after", usurped(night))
    report = night.night([Flow.OFFERINGS])
    assert [stage for stage, _ in report.errors] == ["lease"]
    assert [row.acknowledged for row in night.links(ACADEMY, Kind.OFFERING)] == [b""]
    with database.writing() as tx:
        tx.execute(update(lease).values(expires_at=START))
    night.good_night([Flow.OFFERINGS])
    assert len(night.academy.offerings) == 1


def test_a_second_run_finds_the_centre_busy(database: Database) -> None:
    night = Nights(database)
    night.lms.add_course("Spectrum")
    inner = []
    night.lms.steps.at("answer", lambda: inner.append(night.run()))
    assert night.night([Flow.OFFERINGS]).status == "done"
    assert [(report.status, report.run_id) for report in inner] == [("busy", 0)]
    assert night.count("run") == 1


def test_a_dry_run_needs_no_lease(database: Database) -> None:
    night = Nights(database)
    night.lms.add_course("Spectrum")
    inner = []
    night.lms.steps.at("read", lambda: inner.append(night.run([Flow.OFFERINGS], dry=True)))
    assert night.night([Flow.OFFERINGS]).status == "done"
    assert inner[0].status == "done"
    assert len(inner[0].changes) == 2


@pytest.mark.parametrize("lent", [False, True], ids=["held", "lent"])
def test_who_looks_at_runs_sees_which_are_lost(database: Database, lent: bool) -> None:
    """Of a process of this machine at once, of another one when its lease ends."""
    holders = {
        "DEAD": dead_holder(),
        "ELSEWHERE": "another machine|1|x",
        "HERE": leases.new_holder(),
    }
    for centre, holder in holders.items():
        assert take(database, holder, name=f"run:{centre}", now=START)
        with database.writing() as tx:
            number = store_runs.start_run(tx, centre, "offerings", "command", START)
            if lent:
                leases.lend(tx, f"run:{centre}", holder, START, 90, number)

    def running(at: datetime) -> set[str]:
        store_runs.end_lost_runs(database, at)
        with database.reading() as tx:
            return {row.centre for row in store_runs.last_runs(tx) if row.status == "running"}

    assert running(START) == {"ELSEWHERE", "HERE"}
    with database.writing() as tx:  # it renews its lease, and the other does not
        leases.renew_claim(tx, "run:HERE", holders["HERE"], START + timedelta(seconds=80), 90)
    assert running(START + timedelta(seconds=89)) == {"ELSEWHERE", "HERE"}
    assert running(START + timedelta(seconds=91)) == {"HERE"}


def test_runs_of_dead_processes_are_marked(database: Database) -> None:
    night = Nights(database)
    take(database, dead_holder())
    with database.writing() as tx:
        number = store_runs.start_run(tx, "SAMPLE", "offerings", "command", START)
        store_runs.start_run(tx, "OTHER", "offerings", "command", START)
        item = {"run_id": number, "system": "academy", "kind": "offering", "action": "create"}
        rest = {"record_id": None, "external_id": "", "fields": None, "code": "", "message": ""}
        store_runs.add_items(tx, [item | rest | {"state": "acknowledged", "at": START}] * 3)
    night.good_night([Flow.OFFERINGS])
    with database.reading() as tx:
        runs = {(row.centre, row.id): row.status for row in store_runs.last_runs(tx)}
        dead = store_runs.run_row(tx, number)
    assert dead is not None
    assert dead.counts == {"offering.create.acknowledged": 3}
    assert "cut off" in dead.error
    assert runs == {("SAMPLE", 1): "cut off", ("OTHER", 2): "running", ("SAMPLE", 3): "done"}


def test_a_connector_that_cannot_be_opened_releases_the_lease(database: Database) -> None:
    night = Nights(database)

    def closed(centre: object) -> Peers:
        raise SettingsInvalid(["there is no address"])

    runner = Runner(database, closed, lambda lease: nullcontext(), 90)
    report = runner.run(RunRequest(night.centre, NEVER_HOLD, (Flow.OFFERINGS,)))
    assert (report.status, [stage for stage, _ in report.errors]) == ("failed", ["connect"])
    assert holder_of(database) is None


def test_short_leases_do_not_delay_the_renewal_of_another(
    sqlite_database: Database,
) -> None:
    """Every change through the interface takes a lease for a moment, while a long read goes on."""
    long_read = Lease("run:SAMPLE", "long read", 1.5)
    with sqlite_database.writing() as tx:
        leases.take(tx, long_read.name, long_read.holder, utc_now(), long_read.seconds)
    before = holder_of(sqlite_database)
    beating = LeaseRenewer(sqlite_database)
    give_up = time.monotonic() + 120
    pause = threading.Event()
    try:
        with beating.keeping(long_read):
            while holder_of(sqlite_database) == before and time.monotonic() < give_up:
                with beating.keeping(Lease("run:OTHER", leases.new_holder(), 60)):
                    pause.wait(0.02)
    finally:
        beating.close()
    after = holder_of(sqlite_database)
    assert before is not None
    assert after is not None
    assert after[1] > before[1]


def test_a_long_transaction_does_not_outlast_its_lease(database: Database) -> None:
    now = [START]
    kept = Lease("run:SAMPLE", "long work", SECONDS)
    context = RunContext(database, sample_centre(), NEVER_HOLD, kept, now=lambda: now[0])
    take(database, kept.holder)
    with context.writing():
        now[0] = START + timedelta(seconds=200)
    assert not take(database, "another", START + timedelta(seconds=201))
    assert take(database, "another", START + timedelta(seconds=200 + SECONDS))


def test_a_long_transaction_does_not_delay_the_renewal_of_another_lease(
    postgres_address: str, open_database: Callable[[str], Database]
) -> None:
    database = open_database(postgres_address)
    busy, other = Lease("run:BUSY", "busy", 1.5), Lease("run:OTHER", "other", 1.5)
    for each in (busy, other):
        with database.writing() as tx:
            leases.take(tx, each.name, each.holder, utc_now(), each.seconds)

    def until() -> datetime:
        with database.reading() as tx:
            query = select(lease.c.expires_at).where(lease.c.name == other.name)
            found: datetime = tx.execute(query).scalar_one()
            return found

    before, give_up, pause = until(), time.monotonic() + 120, threading.Event()
    beating = LeaseRenewer(database)
    try:
        with beating.keeping(busy), beating.keeping(other), database.writing() as tx:
            leases.renew(tx, busy.name, busy.holder, utc_now(), busy.seconds)
            while until() == before and time.monotonic() < give_up:
                pause.wait(0.02)
            assert until() > before
    finally:
        beating.close()


def test_processes_whose_runs_go_on_share_the_calls_to_the_academy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    take(database, leases.new_holder(), now, "run:ONE")
    take(database, leases.new_holder(), now, "run:TWO")
    take(database, dead_holder(), now, "run:DEAD")
    take(database, "elsewhere|7|x", now, "run:THREE")
    take(database, "elsewhere|8|x", now - timedelta(seconds=SECONDS), "run:EXPIRED")
    take(database, "elsewhere|9|x", now, "scheduler")
    with database.reading() as tx:
        assert leases.processes(tx, "run:", now) == 2
    opened: list[SystemAccess] = []
    kind = Connector("sample", "Sample", frozenset({"academy"}), opened.append)
    monkeypatch.setattr("lms_bridge.bridge.connector", lambda *_: kind)
    bridge = Bridge(Settings(), database, cast("Any", None), cast("Any", None), cast("Any", None))
    bridge.open_academy()
    assert opened[0].limits.calls_at_once == Settings().limits.calls_at_once // 2


# ---- lent leases --------------------------------------------------------------------------------


def wait_until(true: Callable[[], bool]) -> None:
    give_up, pause = time.monotonic() + 120, threading.Event()
    while not true():
        assert time.monotonic() < give_up, "it never happened"
        pause.wait(0.02)


def names(database: Database) -> dict[str, str]:
    """{name of a lease or claim: holder}"""
    with database.reading() as tx:
        return {row.name: row.holder for row in tx.execute(select(lease))}


def taken(database: Database, holder: str) -> Lease:
    mine = Lease("run:SAMPLE", holder, SECONDS)
    assert take(database, holder, utc_now())
    return mine


def is_lent(database: Database) -> bool:
    return "run:SAMPLE:lent" in names(database)


@pytest.fixture
def renewer(database: Database) -> Iterator[LeaseRenewer]:
    """One that lends at once."""
    made = LeaseRenewer(database, lend_seconds=0)
    yield made
    made.close()


def test_a_short_wait_lends_nothing(database: Database) -> None:
    mine, patient = taken(database, "mine"), LeaseRenewer(database, lend_seconds=3600)
    before = holder_of(database)
    with patient.keeping(mine):
        for _ in range(100):
            with patient.lending(mine, 1):
                assert holder_of(database) == before
    patient.close()
    assert holder_of(database) == before


def test_who_borrowed_a_lease_keeps_it_until_it_is_given_back(
    database: Database, renewer: LeaseRenewer
) -> None:
    mine, answered, ended = taken(database, "mine"), threading.Event(), threading.Event()

    def read() -> None:
        with renewer.keeping(mine):
            with renewer.lending(mine, 7):
                assert answered.wait(120)
            ended.set()

    reading = threading.Thread(target=read)
    reading.start()
    wait_until(lambda: is_lent(database))
    assert take(database, "borrower", utc_now())
    answered.set()
    with database.writing() as tx:
        leases.renew(tx, "run:SAMPLE", "borrower", utc_now(), SECONDS)
        assert not ended.is_set()
    assert names(database) == {"run:SAMPLE": "borrower", "run:SAMPLE:lent": "mine"}
    with database.writing() as tx:
        leases.give_back(tx, "run:SAMPLE", "borrower")
    reading.join(120)
    assert ended.is_set()
    assert names(database) == {"run:SAMPLE": "mine"}


def test_the_claim_to_a_lent_lease_is_renewed(database: Database, renewer: LeaseRenewer) -> None:
    mine = Lease("run:SAMPLE", "mine", 1.5)
    assert take(database, "mine", utc_now())

    def until() -> datetime:
        with database.reading() as tx:
            found: datetime = tx.execute(select(lease.c.expires_at)).scalar_one()
            return found

    with renewer.keeping(mine), renewer.lending(mine, 7):
        wait_until(lambda: is_lent(database))
        before = until()
        wait_until(lambda: until() > before)
    assert names(database) == {"run:SAMPLE": "mine"}


def test_a_lender_that_lost_its_claim_has_lost_the_lease(
    database: Database, renewer: LeaseRenewer
) -> None:
    mine = taken(database, "mine")

    def lend() -> None:
        with renewer.lending(mine, 7):
            wait_until(lambda: is_lent(database))
            with database.writing() as tx:
                leases.give_back(tx, "run:SAMPLE", "mine")  # as a process that has to stop does

    with renewer.keeping(mine), pytest.raises(LeaseLost):
        lend()
    assert names(database) == {}


@pytest.mark.parametrize("lent", [True, False], ids=["came through", "did not"])
def test_a_lending_of_which_nobody_knows_whether_it_came_through_is_no_harm(
    database: Database, lent: bool
) -> None:
    assert take(database, "mine")
    if lent:
        with database.writing() as tx:
            leases.lend(tx, "run:SAMPLE", "mine", START, SECONDS, 7)
    with database.writing() as tx:
        leases.renew_claim(tx, "run:SAMPLE", "mine", LATER, SECONDS)
        assert leases.take_back(tx, "run:SAMPLE", "mine", LATER, SECONDS)
    assert names(database) == {"run:SAMPLE": "mine"}


def test_a_claim_of_a_dead_process_or_of_long_ago_keeps_nobody_away(database: Database) -> None:
    gone = dead_holder()
    for holder, now in ((gone, START), ("elsewhere|1|x", START + timedelta(seconds=SECONDS))):
        assert take(database, holder)
        with database.writing() as tx:
            leases.lend(tx, "run:SAMPLE", holder, START, SECONDS, 7)
            assert not leases.is_lent(tx, "run:SAMPLE", now)
        assert names(database) == {}


def test_a_lease_that_nobody_has_cannot_be_lent(database: Database) -> None:
    assert take(database, "mine")
    with pytest.raises(LeaseLost), database.writing() as tx:
        leases.lend(tx, "run:SAMPLE", "another", START, SECONDS, 7)


def test_of_many_runs_that_read_one_goes_on_while_it_lends(database: Database) -> None:
    """Each takes the lease, looks whether it is lent, and lends it."""
    barrier, going = threading.Barrier(6), []

    def run(holder: str) -> None:
        barrier.wait(timeout=120)
        for _ in range(20):
            with database.writing() as tx:
                if not leases.take(tx, "run:SAMPLE", holder, utc_now(), SECONDS):
                    continue
                if leases.is_lent(tx, "run:SAMPLE", utc_now()):
                    leases.give_back(tx, "run:SAMPLE", holder)
                    continue
            going.append(holder)
            with database.writing() as tx:
                leases.lend(tx, "run:SAMPLE", holder, utc_now(), SECONDS, 7)
            return

    threads = [threading.Thread(target=run, args=(f"m|1|{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(going) == 1
    assert names(database) == {"run:SAMPLE:lent": going[0]}
