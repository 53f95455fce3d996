"""A running sync is killed with ``kill -9``; the next run makes it good, at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Answer
from lms_bridge.store import reports
from lms_bridge.store.database import Database
from lms_bridge.store.tables import lease
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, CENTRE, SUSPENDED, Place
from tests.fakes.nights import Nights
from tests.fakes.steps import Killed, KillSwitch

ROOT = Path(__file__).resolve().parents[3]
POINTS = [2, 5, 8, 13, 17, 21, 24, 28, 31, 34, 37, 40, 43, 46, 50, 54, 58, 62]


class Victim:
    """The child process, and the two outside systems' side of its calls."""

    def __init__(self, night: Nights, address: str) -> None:
        self.night = night
        self.switch = KillSwitch()
        self.steps: list[str] = []
        night.lms.steps.switch = night.academy.steps.switch = self.switch
        mine, theirs = socket.socketpair()
        self._child = Connection(mine.detach())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.crash.child", str(theirs.fileno()), address],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        theirs.close()

    def live(self, steps: int | None) -> str:
        """Answers the child's calls for so many steps, and then kills it instead; gives how the
        run ended if it did."""
        self.switch.arm(steps)
        try:
            while True:
                what = self._child.recv()
                if what[0] == "ended":
                    assert self.process.wait(timeout=60) == 0
                    return str(what[1])
                self._child.send(self._answer(*what))
        except Killed:
            self.process.send_signal(signal.SIGKILL)
            assert self.process.wait(timeout=60) == -signal.SIGKILL
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
            (each.scope, each.body, each.whole, each.cursor) if isinstance(each, Answer) else each
            for each in result
        ]

    def close(self) -> None:
        self._child.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)


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
        assert link.made == (names[link.external_id.rpartition("/")[2]] != "SAMPLE-0")
    assert [document["score"] for document in night.academy.results.values()] == ["0"]
    assert night.lms.trespasses == []


def killed(database: Database, address: str, step: int) -> None:
    night = Nights(database)
    prepared(night)
    victim = Victim(night, address)
    assert victim.live(step) == "killed"
    night.now = datetime.now(UTC)  # the child's clock: its lease has not expired
    report = night.run()
    assert report.status in ("done", "partial"), (report.status, victim.steps)
    night.good_night()
    check(night)
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before
    with database.reading() as tx:
        statuses = [row.status for row in reports.last_runs(tx, most=100)]
        assert tx.execute(select(lease)).all() == []
    assert statuses.count("cut off") == (0 if step < 2 else 1)
    assert "running" not in statuses


def test_nobody_kills(sqlite_address: str, open_database: Callable[[str], Database]) -> None:
    night = Nights(open_database(sqlite_address))
    prepared(night)
    victim = Victim(night, sqlite_address)
    assert victim.live(None) == "done"
    assert len(victim.steps) > max(POINTS)
    night.good_night()
    check(night)


@pytest.mark.parametrize("step", POINTS)
def test_killed_on_sqlite(
    sqlite_address: str, open_database: Callable[[str], Database], step: int
) -> None:
    killed(open_database(sqlite_address), sqlite_address, step)


@pytest.mark.parametrize("step", POINTS[3::5])
def test_killed_on_postgresql(
    postgres_address: str, open_database: Callable[[str], Database], step: int
) -> None:
    killed(open_database(postgres_address), postgres_address, step)


def test_killed_and_killed_again(
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
