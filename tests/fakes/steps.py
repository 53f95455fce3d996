"""Points in a peer's work at which a test makes something happen: an error, a wait, a death."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from lms_bridge.store.database import Database

CHANGE_NOTHING = ("begin", "read", "answer", "find", "sent", ".after")
"""Ends of steps after which the database and the peers hold what they held before."""


class Killed(BaseException):
    """The process is gone. Not an ``Exception``: nothing may handle it."""


class Steps:
    """Counts the points that a peer passes, and acts where it was told to."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._acts: dict[tuple[str, int], Callable[[], object]] = {}
        self._lock = threading.Lock()
        self.switch: KillSwitch | None = None

    def at(self, point: str, act: Callable[[], object], *, nth: int = 1) -> None:
        """Acts once, when the point is passed for the nth time from now on."""
        self._acts[point, self.passed[point] + nth] = act

    def fail(self, point: str, error: BaseException, *, nth: int = 1) -> None:
        """Raises the error once, when the point is passed for the nth time from now on."""

        def act() -> None:
            raise error

        self.at(point, act, nth=nth)

    def wait(self, point: str, barrier: threading.Barrier, *, nth: int = 1) -> None:
        """Is slow: waits there until the others are there, too."""
        self.at(point, lambda: barrier.wait(timeout=120), nth=nth)

    def clear(self) -> None:
        """Nothing is to happen any more."""
        self._acts.clear()

    def __call__(self, point: str) -> None:
        """The peer passes a point."""
        if self.switch is not None:
            self.switch.step(point)
        with self._lock:
            self.passed[point] += 1
            act = self._acts.pop((point, self.passed[point]), None)
        if act is not None:
            act()


class KillSwitch:
    """Kills a run between any two steps: of its peers, and of its database.

    Once dead, nothing more can be done: every further step, even one of a ``finally``, dies, too.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.left: int | None = None
        self.dead = False

    def arm(self, steps: int | None) -> None:
        """Dies at the step after so many; never when None."""
        self.steps, self.left, self.dead = [], steps, False

    def step(self, point: str) -> None:
        if self.dead:
            raise Killed
        self.steps.append(point)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.dead = True
                raise Killed

    def watch(self, database: Database) -> None:
        """Makes the beginning and the commit of each transaction that writes a step."""

        @event.listens_for(database.engine, "begin")
        def _begin(connection: Any) -> None:
            if self.dead or connection.get_execution_options().get("writing"):
                self.step("begin")

        @event.listens_for(database.engine, "commit")
        def _commit(connection: Any) -> None:
            self.step("commit")


def kills(steps: list[str]) -> list[int]:
    """The steps before which to kill. Steps between which nothing changes leave the same behind, so
    one of them stands for all."""
    ends = zip(["commit", *steps], range(len(steps)), strict=False)
    return [number for before, number in ends if not before.endswith(CHANGE_NOTHING)]
