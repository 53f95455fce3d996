"""Queries on the tables of LTI: keys, one-time records and parties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Executable,
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from lms_bridge.store.lti_tables import key, once, party
from lms_bridge.store.types import Utc

# ---- keys ----------------------------------------------------------------------------


def keys(tx: Connection) -> Sequence[Row[Any]]:
    """All keys, the oldest first."""
    return tx.execute(select(key).order_by(key.c.id)).all()


def state_of_keys(tx: Connection) -> tuple[int, int]:
    """Changes whenever a key is added, retired or forgotten: (newest id, number in use)."""
    row = tx.execute(
        select(func.coalesce(func.max(key.c.id), 0), func.count())
        .select_from(key)
        .where(key.c.retired_at.is_(None))
    ).one()
    return int(row[0]), int(row[1])


def add_key(tx: Connection, kid: str, private: bytes, public: Any, now: datetime) -> None:
    tx.execute(insert(key).values(kid=kid, private=private, public=public, created_at=now))


def retire_keys(tx: Connection, except_kid: str, now: datetime) -> None:
    """All but one sign no more."""
    tx.execute(
        update(key)
        .where(key.c.retired_at.is_(None), key.c.kid != except_kid)
        .values(retired_at=now)
    )


def forget_keys(tx: Connection, retired_before: datetime) -> None:
    tx.execute(delete(key).where(key.c.retired_at < retired_before))


# ---- one-time records ----------------------------------------------------------------


# Statements that every launch needs are put together once, not once a launch.
_DIGEST: BindParameter[Any] = bindparam("digest_is")
_NOW: BindParameter[Any] = bindparam("now", type_=Utc)
_TAKE = delete(once).where(once.c.digest == _DIGEST).returning(once.c.data, once.c.expires_at)
_LOOK = select(once.c.data).where(once.c.digest == _DIGEST, once.c.expires_at > _NOW)


@cache
def _put(dialect: str) -> Executable:
    """Inserts, or takes the place of a record that has expired."""
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    statement = kind.insert(once)
    new = {name: statement.excluded[name] for name in ("purpose", "data", "expires_at")}
    put: Executable = statement.on_conflict_do_update(
        index_elements=["digest"], set_=new, where=once.c.expires_at <= _NOW
    ).returning(once.c.digest)
    return put


def put_once(
    tx: Connection,
    digest: bytes,
    purpose: str,
    data: Mapping[str, Any],
    now: datetime,
    expires_at: datetime,
) -> bool:
    """Inserts unless the record is there already and still valid. True when it was inserted."""
    row = {"digest": digest, "purpose": purpose, "data": dict(data), "expires_at": expires_at}
    return tx.execute(_put(tx.dialect.name), {**row, "now": now}).first() is not None


def take_once(tx: Connection, digest: bytes, now: datetime) -> dict[str, Any] | None:
    row = tx.execute(_TAKE, {"digest_is": digest}).first()
    return None if row is None or row.expires_at <= now else dict(row.data)


def look_once(tx: Connection, digest: bytes, now: datetime) -> dict[str, Any] | None:
    data = tx.scalar(_LOOK, {"digest_is": digest, "now": now})
    return None if data is None else dict(data)


def purge_once(tx: Connection, now: datetime) -> None:
    tx.execute(delete(once).where(once.c.expires_at <= now))


# ---- parties -------------------------------------------------------------------------


def add_party(tx: Connection, values: Mapping[str, Any]) -> int:
    return int(tx.execute(insert(party).values(**values).returning(party.c.id)).scalar_one())


def change_party(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(party).where(party.c.id == id_).values(**values))


def parties(tx: Connection, **equal: object) -> Sequence[Row[Any]]:
    """Those whose named columns have these values, in the order in which they were added."""
    conditions = [party.c[name] == value for name, value in equal.items()]
    return tx.execute(select(party).where(*conditions).order_by(party.c.id)).all()


_CLIENT = select(party).where(
    party.c.side == bindparam("side_is"), party.c.client_id == bindparam("client_is")
)


def parties_of_client(tx: Connection, side: str, client_id: str) -> Sequence[Row[Any]]:
    return tx.execute(_CLIENT, {"side_is": side, "client_is": client_id}).all()


def drop_party(tx: Connection, id_: int) -> None:
    tx.execute(delete(party).where(party.c.id == id_))
