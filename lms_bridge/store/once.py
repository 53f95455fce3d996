"""Queries on the table of one-time records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Insert, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import once
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.types import Utc

# Statements that every launch needs are put together once, not once a launch.
_DIGEST: BindParameter[Any] = bindparam("digest_is")
_NOW: BindParameter[Any] = bindparam("now", type_=Utc)
_TAKEN = (once.c.data, once.c.expires_at)
_TAKE = delete(once).where(once.c.digest == _DIGEST).returning(*_TAKEN)
_LOOK = select(once.c.data).where(once.c.digest == _DIGEST, once.c.expires_at > _NOW)


@cache
def _put(dialect: str) -> Insert:
    """Inserts, or takes the place of a record that has expired."""
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    statement = kind.insert(once)
    new = {name: statement.excluded[name] for name in ("purpose", "data", "expires_at")}
    put: Insert = statement.on_conflict_do_update(
        index_elements=["digest"], set_=new, where=once.c.expires_at <= _NOW
    ).returning(once.c.digest)
    return put


def _row(
    digest: bytes, purpose: str, data: Mapping[str, Any], now: datetime, expires_at: datetime
) -> dict[str, Any]:
    record = {"digest": digest, "purpose": purpose, "data": dict(data), "expires_at": expires_at}
    return {**record, "now": now}


def _valid(data: Any, expires_at: datetime, now: datetime) -> dict[str, Any] | None:
    return None if expires_at <= now else dict(data)


def put(
    tx: Connection,
    digest: bytes,
    purpose: str,
    data: Mapping[str, Any],
    now: datetime,
    expires_at: datetime,
) -> bool:
    """Inserts unless the record is there already and still valid. True when it was inserted."""
    row = _row(digest, purpose, data, now, expires_at)
    return tx.execute(_put(tx.dialect.name), row).first() is not None


def take(tx: Connection, digest: bytes, now: datetime) -> dict[str, Any] | None:
    row = tx.execute(_TAKE, {"digest_is": digest}).first()
    return None if row is None else _valid(row.data, row.expires_at, now)


def look(tx: Connection, digest: bytes, now: datetime) -> dict[str, Any] | None:
    data = tx.scalar(_LOOK, {"digest_is": digest, "now": now})
    return None if data is None else dict(data)


def purge(tx: Connection, now: datetime) -> None:
    tx.execute(delete(once).where(once.c.expires_at <= now))


class Alone:
    """Puts and takes that are a transaction of their own: two for every launch."""

    def __init__(self, database: Database) -> None:
        dialect = database.dialect
        self._database = database
        self._put = Prepared(_put(dialect.name), (once.c.digest,), dialect)
        self._take = Prepared(_TAKE, _TAKEN, dialect)

    def put(
        self,
        digest: bytes,
        purpose: str,
        data: Mapping[str, Any],
        now: datetime,
        expires_at: datetime,
    ) -> bool:
        row = _row(digest, purpose, data, now, expires_at)
        return self._database.at_once(self._put, row) is not None

    def take(self, digest: bytes, now: datetime) -> dict[str, Any] | None:
        found = self._database.at_once(self._take, {"digest_is": digest})
        if found is None:
            return None
        data, expires_at = found
        return _valid(data, expires_at, now)
