"""Which process ticks: one at a time, elected by a lease in the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.errors import LeaseLost
from lms_bridge.store import leases
from lms_bridge.store.database import Database

NAME = "clock"


class Election:
    """One candidate. ``seconds`` is the time within which another takes over from a dead one.

    The lease is held for two thirds of it, and everybody asks six times in it, so that the end of
    a lease is noticed in time.
    """

    def __init__(self, database: Database, seconds: float, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._holder = leases.new_holder()
        self._hold_seconds = seconds * 2 / 3
        self.ask_seconds = seconds / 6
        self.elected = False

    def stand(self) -> bool:
        """Renews or tries to win the lease."""
        with self._database.writing() as tx:
            self.elected = leases.take(tx, NAME, self._holder, self._now(), self._hold_seconds)
        return self.elected

    def fence(self, tx: Connection) -> None:
        """To be called first in every transaction that ticks.

        Raises:
            LeaseLost: another process ticks now; this one was asleep or cut off.
        """
        try:
            leases.renew(tx, NAME, self._holder, self._now(), self._hold_seconds)
        except LeaseLost:
            self.elected = False
            raise

    def resign(self) -> None:
        """Gives the lease back, so that another takes over at once."""
        if self.elected:
            self.elected = False
            with self._database.writing() as tx:
                leases.give_back(tx, NAME, self._holder)
