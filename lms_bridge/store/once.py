"""Queries on the table of one-time records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import once
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.types import Utc

# Put together once, not with every launch into a tool.
_DIGEST: BindParameter[Any] = bindparam("digest_is")
_NOW: BindParameter[Any] = bindparam("now", type_=Utc)
_TAKEN = (once.c.data, once.c.expires_at)
_TAKE = Prepared(delete(once).where(once.c.digest == _DIGEST).returning(*_TAKEN))
_LOOK = Prepared(select(once.c.data).where(once.c.digest == _DIGEST, once.c.expires_at > _NOW))


@cache
def _put(dialect: str) -> Prepared:
    """Inserts, or takes the place of a record that has expired."""
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    statement = kind.insert(once)
    new = {name: statement.excluded[name] for name in ("purpose", "data", "expires_at")}
    put = statement.on_conflict_do_update(
        index_elements=["digest"], set_=new, where=once.c.expires_at <= _NOW
    )
    return Prepared(put.returning(once.c.digest))


def _row(
    digest: bytes, purpose: str, data: Mapping[str, Any], now: datetime, expires_at: datetime
) -> dict[str, Any]:
    record = {"digest": digest, "purpose": purpose, "data": dict(data), "expires_at": expires_at}
    return {**record, "now": now}


def _valid(found: tuple[Any, ...] | None, now: datetime) -> dict[str, Any] | None:
    if found is None:
        return None
    data, expires_at = found
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
    return _put(tx.dialect.name).first(tx, row) is not None


def take(tx: Connection, digest: bytes, now: datetime) -> dict[str, Any] | None:
    return _valid(_TAKE.first(tx, {"digest_is": digest}), now)


def look(tx: Connection, digest: bytes, now: datetime) -> dict[str, Any] | None:
    found = _LOOK.first(tx, {"digest_is": digest, "now": now})
    return None if found is None else dict(found[0])


def purge(tx: Connection, now: datetime) -> None:
    tx.execute(delete(once).where(once.c.expires_at <= now))


class Alone:
    """Puts, takes and looks that are a transaction of their own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        digest: bytes,
        purpose: str,
        data: Mapping[str, Any],
        now: datetime,
        expires_at: datetime,
    ) -> bool:
        row = _row(digest, purpose, data, now, expires_at)
        return self._database.at_once(_put(self._database.dialect.name), row) is not None

    def take(self, digest: bytes, now: datetime) -> dict[str, Any] | None:
        return _valid(self._database.at_once(_TAKE, {"digest_is": digest}), now)

    def look(self, digest: bytes, now: datetime) -> dict[str, Any] | None:
        asked = {"digest_is": digest, "now": now}
        found = self._database.at_once(_LOOK, asked, writing=False)
        return None if found is None else dict(found[0])
