"""One thread that keeps the leases of all runs of this process alive while they read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import LeaseLost
from lms_bridge.store import leases
from lms_bridge.store.database import Database
from lms_bridge.sync.context import Lease

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    """A lease, and when (monotonic seconds) it is to be renewed next."""

    lease: Lease
    due: float

    def put_off(self) -> None:
        self.due = time.monotonic() + self.lease.seconds / 3


class LeaseRenewer:
    """Renews each lease at a third of its length. A lost lease needs no alarm here: the run that
    lost it cannot write another row, and stops when it tries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases: dict[str, _Kept] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[None]:
        with self._changed:
            kept = _Kept(lease, 0.0)
            kept.put_off()
            self._leases[lease.holder] = kept
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._leases.pop(lease.holder, None)

    def _beat(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = time.monotonic()
                due = [kept for kept in self._leases.values() if kept.due <= now]
                if not due:
                    # Each by its own time: leases that come and go meanwhile put off no other.
                    waits = (kept.due - now for kept in self._leases.values())
                    self._changed.wait(min(waits, default=None))
                    continue
                for kept in due:
                    kept.put_off()
            for kept in due:
                self._renew(kept.lease)

    def _renew(self, lease: Lease) -> None:
        try:
            with self._database.writing() as tx:
                # One centre's long transaction must not keep the others' leases from being renewed.
                leases.renew_unless_locked(tx, lease.name, lease.holder, utc_now(), lease.seconds)
        except LeaseLost:
            with self._changed:
                kept = self._leases.pop(lease.holder, None)
            if kept is not None:  # else it was given back meanwhile
                _log.warning("lease lost", lease=lease.name)
        except Exception as error:  # the database may be back at the next beat
            _log.warning("lease not renewed", lease=lease.name, error=type(error).__name__)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)
