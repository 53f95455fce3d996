"""Queries on the table of used logins."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import used_login
from lms_bridge.store.prepared import Prepared

_table = used_login.c
_IS_THERE = Prepared(
    select(_table.nonce).where(
        _table.expires == bindparam("expires_is"), _table.nonce == bindparam("nonce_is")
    )
)


@cache
def _add(dialect: str) -> Prepared:
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    return Prepared(kind.insert(used_login).on_conflict_do_nothing().returning(_table.nonce))


def add(database: Database, expires: int, nonce: str) -> bool:
    """A transaction of its own; False where it was there already."""
    row = {"expires": expires, "nonce": nonce}
    return database.at_once(_add(database.dialect.name), row) is not None


def is_there(database: Database, expires: int, nonce: str) -> bool:
    asked = {"expires_is": expires, "nonce_is": nonce}
    return database.at_once(_IS_THERE, asked, writing=False) is not None


def purge(tx: Connection, now: float) -> None:
    tx.execute(delete(used_login).where(_table.expires < int(now)))
