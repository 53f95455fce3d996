"""Queries on the tables of LTI: keys and parties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from lms_bridge.store.database import Database, first_row
from lms_bridge.store.lti_tables import key, party
from lms_bridge.store.prepared import Prepared

_NAMES = [column.name for column in party.columns]

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


# ---- parties -------------------------------------------------------------------------


def add_party(tx: Connection, values: Mapping[str, Any]) -> int:
    return int(tx.execute(insert(party).values(**values).returning(party.c.id)).scalar_one())


def change_party(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(party).where(party.c.id == id_).values(**values))


def parties(tx: Connection, **equal: object) -> Sequence[Row[Any]]:
    """Those whose named columns have these values, in the order in which they were added."""
    conditions = [party.c[name] == value for name, value in equal.items()]
    return tx.execute(select(party).where(*conditions).order_by(party.c.id)).all()


def of_centre_or_named(
    tx: Connection, side: str, status: str, centre: str, ids: Iterable[int]
) -> Sequence[Row[Any]]:
    """Those of one side and status that are a centre's, or have one of these ids."""
    either = or_(party.c.centre == centre, party.c.id.in_(list(ids)))
    given = select(party).where(party.c.side == side, party.c.status == status, either)
    return tx.execute(given.order_by(party.c.id)).all()


_CLIENT = Prepared(
    select(party).where(
        party.c.side == bindparam("side_is"), party.c.client_id == bindparam("client_is")
    )
)


def party_of_client(
    source: Connection | Database, side: str, client_id: str
) -> dict[str, Any] | None:
    """By the names of its columns."""
    row = first_row(source, _CLIENT, {"side_is": side, "client_is": client_id})
    return None if row is None else dict(zip(_NAMES, row, strict=True))


def lock_party(tx: Connection, id_: int) -> None:
    """Until the transaction ends nobody else changes it."""
    one = select(party.c.id).where(party.c.id == id_)
    tx.execute(one.with_for_update(key_share=True))  # others may refer to it all the same


def drop_party(tx: Connection, id_: int) -> None:
    tx.execute(delete(party).where(party.c.id == id_))
