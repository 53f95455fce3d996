"""One thread that keeps the leases of all runs of this process alive while they read, and lends
those of runs that wait long for another system."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import LeaseLost
from lms_bridge.store import leases
from lms_bridge.store.database import Database
from lms_bridge.sync.context import Lease

_log = structlog.get_logger(__name__)
LEND_SECONDS = 1.0
"""A wait that is shorter costs nothing: the lease is not lent."""
TAKE_BACK_SECONDS = 0.1
"""Between two looks whether a lease that was lent is free again."""


@dataclass(slots=True)
class _Kept:
    """A lease, and when (monotonic seconds) it is to be renewed next, and to be lent. Who has the
    ``turn`` changes ``is_lent``, and the lease with it."""

    lease: Lease
    renew_at: float = 0.0
    lend_at: float = math.inf
    run_id: int = 0
    is_lent: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.put_off()

    def put_off(self) -> None:
        self.renew_at = time.monotonic() + self.lease.seconds / 3

    @property
    def due(self) -> float:
        return self.renew_at if self.is_lent else min(self.renew_at, self.lend_at)


class LeaseRenewer:
    """Renews each lease at a third of its length. A lost lease needs no alarm here: the run that
    lost it cannot write another row, and stops when it tries."""

    def __init__(self, database: Database, *, lend_seconds: float = LEND_SECONDS) -> None:
        self._database = database
        self._lend_seconds = lend_seconds
        self._leases: dict[str, _Kept] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[None]:
        with self._changed:
            self._leases[lease.holder] = _Kept(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._leases.pop(lease.holder, None)

    @contextmanager
    def lending(self, lease: Lease, run_id: int) -> Iterator[None]:
        """Lends a lease that is kept, for the rest of the block, once that has taken a second. At
        its end the lease is held again: the block waits for whoever has it.

        Raises:
            LeaseLost: another run that reads began meanwhile.
        """
        with self._changed:
            kept = self._leases.get(lease.holder)
            if kept is not None:
                kept.run_id, kept.lend_at = run_id, time.monotonic() + self._lend_seconds
                if kept.lend_at < self._wakes_at:
                    self._changed.notify()
        try:
            yield
        finally:
            if kept is not None:
                self._take_back(kept)

    def _take_back(self, kept: _Kept) -> None:
        kept.lend_at = math.inf
        give_up = time.monotonic() + kept.lease.seconds
        while True:
            with kept.turn:
                try:
                    if not kept.is_lent or self._is_back(kept.lease):
                        kept.is_lent = False
                        return
                except SQLAlchemyError as error:  # the database may be back in a moment
                    if time.monotonic() > give_up:
                        raise
                    name, kind = kept.lease.name, type(error).__name__
                    _log.warning("lease not taken back", lease=name, error=kind)
            time.sleep(TAKE_BACK_SECONDS)

    def _is_back(self, lease: Lease) -> bool:
        with self._database.reading() as tx:
            if not leases.is_free(tx, lease.name, lease.holder, utc_now()):
                return False
        with self._database.writing() as tx:
            return leases.take_back(tx, lease.name, lease.holder, utc_now(), lease.seconds)

    def _beat(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = time.monotonic()
                due = [kept for kept in self._leases.values() if kept.due <= now]
                if not due:
                    # Each by its own time: leases that come and go meanwhile put off no other.
                    self._wakes_at = min((kept.due for kept in self._leases.values()), default=now)
                    wait = self._wakes_at - now
                    self._changed.wait(wait if self._leases else None)
                    continue
                for kept in due:
                    kept.put_off()
            for kept in due:
                if kept.turn.acquire(blocking=False):  # else it is just being taken back
                    try:
                        self._keep(kept)
                    finally:
                        kept.turn.release()

    def _keep(self, kept: _Kept) -> None:
        lease, now = kept.lease, utc_now()
        claim = lease.name, lease.holder, now, lease.seconds
        lends = not kept.is_lent and kept.lend_at <= time.monotonic()
        try:
            with self._database.writing() as tx:
                if lends:
                    # Before it is known to be: a commit may come through although it fails.
                    kept.is_lent = True
                    leases.lend(tx, *claim, kept.run_id)
                elif kept.is_lent:
                    leases.renew_claim(tx, *claim)
                else:
                    # One centre's long transaction must not keep the others' leases from being
                    # renewed.
                    leases.renew_unless_locked(tx, *claim)
        except LeaseLost:
            with self._changed:
                found = self._leases.pop(lease.holder, None)
            if found is not None:  # else it was given back meanwhile
                _log.warning("lease lost", lease=lease.name)
        except Exception as error:  # the database may be back at the next beat
            _log.warning("lease not renewed", lease=lease.name, error=type(error).__name__)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)
