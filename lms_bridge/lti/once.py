"""Records that may be used once: logins, nonces, launch links, invitations, ids of assertions.

They are kept in the database, so that all processes share them, under a hash of their key: whoever
reads the table cannot use what is in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from lms_bridge.store import once
from lms_bridge.store.database import Database
from lms_bridge.sync.work import utc_now

PURGE_SECONDS = 60.0


class Once:
    """``purpose`` keeps the kinds of records apart: the same key may serve two purposes."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._now = database, now
        self._alone = once.Alone(database)
        self._purged = 0.0

    def put(
        self,
        purpose: str,
        key: str,
        data: Mapping[str, Any],
        seconds: float,
        tx: Connection | None = None,
    ) -> None:
        """Keeps a record that can be taken once, within so many seconds. With ``tx``, as a part of
        that transaction."""
        now = self._now()
        digest, until = _digest(purpose, key), _after(now, seconds)
        if tx is not None:
            once.put(tx, digest, purpose, data, now, until)
            return
        self._purge()
        self._alone.put(digest, purpose, data, now, until)

    def take(self, purpose: str, key: str, tx: Connection | None = None) -> dict[str, Any] | None:
        """The record, which is gone from then on; None when it is unknown, taken or expired. With
        ``tx``, as a part of that transaction."""
        digest, now = _digest(purpose, key), self._now()
        return self._alone.take(digest, now) if tx is None else once.take(tx, digest, now)

    def look(self, purpose: str, key: str, tx: Connection | None = None) -> dict[str, Any] | None:
        """The record without taking it."""
        digest, now = _digest(purpose, key), self._now()
        return self._alone.look(digest, now) if tx is None else once.look(tx, digest, now)

    def seen(self, purpose: str, key: str, seconds: float, tx: Connection | None = None) -> bool:
        """Whether that key was seen before; it is remembered for so many seconds."""
        if tx is None:
            self._purge()
        now = self._now()
        digest, until = _digest(purpose, key), _after(now, seconds)
        if tx is None:
            return not self._alone.put(digest, purpose, {}, now, until)
        return not once.put(tx, digest, purpose, {}, now, until)

    def purge(self) -> None:
        """Forgets what has expired."""
        self._purged = time.monotonic()
        with self._database.writing() as tx:
            once.purge(tx, self._now())

    def _purge(self) -> None:
        if time.monotonic() - self._purged >= PURGE_SECONDS:
            self.purge()


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def _digest(purpose: str, key: str) -> bytes:
    # With the lengths apart: ("a", "bc") and ("ab", "c") are two records.
    return hashlib.sha256(f"{len(purpose)}:{purpose}{key}".encode(errors="replace")).digest()
