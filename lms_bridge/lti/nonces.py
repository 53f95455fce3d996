"""Values that work only once: nonces, logins, launch links, invitations, ids of assertions.

All processes share them through the database. It holds only a hash of each value, so that whoever
reads the table cannot use what is in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from lms_bridge.domain.clock import utc_now
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import nonce
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.types import Utc

PURGE_SECONDS = 60.0
_DIGEST: BindParameter[Any] = bindparam("digest_is")
_NOW: BindParameter[Any] = bindparam("now", type_=Utc)
_TAKE = Prepared(
    delete(nonce).where(nonce.c.digest == _DIGEST).returning(nonce.c.data, nonce.c.expires_at)
)
_LOOK = Prepared(select(nonce.c.data).where(nonce.c.digest == _DIGEST, nonce.c.expires_at > _NOW))


@cache
def _put(dialect: str) -> Prepared:
    """Inserts a row. An expired row is replaced; a valid one stays, and no row comes back."""
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    statement = kind.insert(nonce)
    new = {name: statement.excluded[name] for name in ("purpose", "data", "expires_at")}
    put = statement.on_conflict_do_update(
        index_elements=["digest"], set_=new, where=nonce.c.expires_at <= _NOW
    )
    return Prepared(put.returning(nonce.c.digest))


class Nonces:
    """``purpose`` keeps the kinds apart: the same key may serve two purposes. With ``tx`` a call is
    a part of that transaction, else it is one by itself. Safe for threads and processes: each call
    is one statement, so of several at the same time one succeeds."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._now = database, now
        self._purged = 0.0

    def put(
        self,
        purpose: str,
        key: str,
        data: Mapping[str, Any],
        seconds: float,
        tx: Connection | None = None,
    ) -> None:
        """Stores data that can be taken once, within so many seconds."""
        self._insert(purpose, key, data, seconds, tx)

    def take(self, purpose: str, key: str, tx: Connection | None = None) -> dict[str, Any] | None:
        """Removes the data and returns them. None when they are unknown, taken or expired."""
        found = self._first(_TAKE, {"digest_is": _digest(purpose, key)}, tx)
        if found is None:
            return None
        data, expires_at = found
        return None if expires_at <= self._now() else dict(data)

    def look(self, purpose: str, key: str, tx: Connection | None = None) -> dict[str, Any] | None:
        """Returns the data and leaves them there."""
        values = {"digest_is": _digest(purpose, key), "now": self._now()}
        found = self._first(_LOOK, values, tx, writing=False)
        return None if found is None else dict(found[0])

    def use(self, purpose: str, key: str, seconds: float, tx: Connection | None = None) -> bool:
        """Marks a value as used, for so many seconds. False when it was used before."""
        return self._insert(purpose, key, {}, seconds, tx)

    def was_used(self, purpose: str, key: str) -> bool:
        return self.look(purpose, key) is not None

    def purge(self) -> None:
        """Deletes what has expired."""
        self._purged = time.monotonic()
        with self._database.writing() as tx:
            tx.execute(delete(nonce).where(nonce.c.expires_at <= self._now()))

    def _insert(
        self,
        purpose: str,
        key: str,
        data: Mapping[str, Any],
        seconds: float,
        tx: Connection | None,
    ) -> bool:
        # The table stays small even where no process does the hourly upkeep.
        if tx is None and time.monotonic() - self._purged >= PURGE_SECONDS:
            self.purge()
        now = self._now()
        row = {
            "digest": _digest(purpose, key),
            "purpose": purpose,
            "data": dict(data),
            "expires_at": now + timedelta(seconds=seconds),
            "now": now,
        }
        return self._first(_put(self._database.dialect.name), row, tx) is not None

    def _first(
        self,
        statement: Prepared,
        values: Mapping[str, Any],
        tx: Connection | None,
        *,
        writing: bool = True,
    ) -> tuple[Any, ...] | None:
        if tx is None:
            return self._database.at_once(statement, values, writing=writing)
        return statement.first(tx, values)


def end(tx: Connection, purposes: Collection[str], name: str, value: str) -> int:
    """Removes what has these purposes and this value in its data; returns how much that was."""
    mine = nonce.c.purpose.in_(purposes), nonce.c.data[name].as_string() == value
    return tx.execute(delete(nonce).where(*mine)).rowcount


def _digest(purpose: str, key: str) -> bytes:
    # With the length in front: ("a", "bc") and ("ab", "c") are two values.
    return hashlib.sha256(f"{len(purpose)}:{purpose}{key}".encode(errors="replace")).digest()
