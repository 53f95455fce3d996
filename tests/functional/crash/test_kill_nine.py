"""A running sync is killed with ``kill -9``; the next run makes it good, at once."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Page
from lms_bridge.store import runs
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import lease
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, CENTRE, SUSPENDED, Place
from tests.fakes.nights import Nights
from tests.fakes.steps import Killed, KillSwitch
from tests.functional.crash import child

PROCESSES = multiprocessing.get_context("forkserver")
"""Each process begins as a copy of one that has imported all: this saves a second each."""
PROCESSES.set_forkserver_preload(["__main__", child.__name__])
POINTS = [2, 5, 8, 13, 17, 21, 24, 28, 31, 34, 37, 40, 43, 46, 50, 54, 58, 62]


class Victim:
    """The child process, and the two outside systems' side of its calls."""

    def __init__(self, night: Nights, address: str) -> None:
        self.night = night
        self.switch = KillSwitch()
        self.steps: list[str] = []
        night.lms.steps.switch = night.academy.steps.switch = self.switch
        self._child, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=child.main, args=(theirs, address))
        self.process.start()
        theirs.close()

    def live(self, steps: int | None) -> str:
        """Answers the child's calls for so many steps, and then kills it instead; gives how the
        run ended if it did."""
        self.switch.arm(steps)
        try:
            while True:
                what = self._child.recv()
                if what[0] == "ended":
                    assert self._exit_code() == 0
                    return str(what[1])
                self._child.send(self._answer(*what))
        except Killed:
            self.process.kill()
            assert self._exit_code() == -signal.SIGKILL
            return "killed"
        finally:
            self.steps = list(self.switch.steps)
            self.switch.arm(None)
            self.close()

    def _answer(self, side: str, method: str, *arguments: Any) -> Any:
        if side == "step":
            self.switch.step(method)
            return None
        result = getattr(getattr(self.night, side), method)(*arguments)
        if isinstance(result, dict):
            return result
        return [
            (each.scope, each.body, each.whole, each.cursor) if isinstance(each, Page) else each
            for each in result
        ]

    def _exit_code(self) -> int | None:
        self.process.join(timeout=300)
        return self.process.exitcode

    def close(self) -> None:
        self._child.close()
        self.process.kill()  # nothing happens where it has ended
        self.process.join(timeout=300)
        self.process.close()


def prepared(night: Nights) -> None:
    """A course that is edited, a new one, one that is taken off the list; one person to be taken
    out, one whom the centre enrolled by itself, three to be enrolled; one grade."""
    first, hidden = night.lms.add_course("Spectrum"), night.lms.add_course("Old")
    night.good_night()
    code = night.codes()[first]
    night.academy.register("SAMPLE", code, sample_person(4), key="out")
    night.good_night()
    night.lms.grades[next(iter(night.lms.roster))] = {"score": "0"}
    night.lms.courses[first]["title"] = "Spectrum, renamed"
    night.lms.hidden.add(hidden)
    night.lms.add_course("New")
    night.lms.enrol(first, night.lms.add_person("SAMPLE-0", "sample0@example.org"))
    for number in range(4):
        night.academy.register("SAMPLE", code, sample_person(number))
    night.academy.change("out", "withdrawn")


def check(night: Nights) -> None:
    assert sorted(night.academy.catalogue.values()) == ["New", "Spectrum, renamed"]
    names = {account: person.stable_id for account, person in night.lms.people.items()}
    assert sorted(names.values()) == [f"SAMPLE-{number}" for number in range(5)]
    assert {names[account]: place for (_, account), place in night.lms.roster.items()} == {
        "SAMPLE-0": Place(ACTIVE, CENTRE),
        **{f"SAMPLE-{number}": Place(ACTIVE, BRIDGE) for number in (1, 2, 3)},
        "SAMPLE-4": Place(SUSPENDED, BRIDGE),
    }
    for link in night.links(night.centre.system, Kind.ENROLMENT):
        assert link.created_by_us == (names[link.external_id.rpartition("/")[2]] != "SAMPLE-0")
    assert [document["score"] for document in night.academy.results.values()] == ["0"]
    assert night.lms.trespasses == []


def killed(database: Database, address: str, step: int) -> None:
    night = Nights(database)
    prepared(night)
    victim = Victim(night, address)
    assert victim.live(step) == "killed"
    night.now = datetime.now(UTC)  # the child's clock: its lease has not expired
    report = night.run()
    assert report.status in ("done", "partial", "waiting"), (report.status, victim.steps)
    night.good_night()
    check(night)
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before
    with database.reading() as tx:
        statuses = [row.status for row in runs.last_runs(tx, most=100)]
        assert tx.execute(select(lease)).all() == []
    assert statuses.count("cut off") == (0 if step < 2 else 1)
    assert "running" not in statuses


def test_a_night_that_nobody_kills_is_complete(
    sqlite_address: str, open_database: Callable[[str], Database]
) -> None:
    night = Nights(open_database(sqlite_address))
    prepared(night)
    victim = Victim(night, sqlite_address)
    assert victim.live(None) == "done"
    assert len(victim.steps) > max(POINTS)
    night.good_night()
    check(night)


@pytest.mark.parametrize("step", POINTS)
def test_a_kill_on_sqlite_is_made_good(
    sqlite_address: str, open_database: Callable[[str], Database], step: int
) -> None:
    killed(open_database(sqlite_address), sqlite_address, step)


@pytest.mark.parametrize("step", POINTS[3::5])
def test_a_kill_on_postgresql_is_made_good(
    postgres_address: str, open_database: Callable[[str], Database], step: int
) -> None:
    killed(open_database(postgres_address), postgres_address, step)


def test_repeated_kills_are_made_good(
    sqlite_address: str, open_database: Callable[[str], Database]
) -> None:
    night = Nights(open_database(sqlite_address))
    prepared(night)
    for step in (20, 30, 40):
        assert Victim(night, sqlite_address).live(step) in ("killed", "done")
    night.now = datetime.now(UTC)
    night.run()
    night.good_night()
    check(night)
