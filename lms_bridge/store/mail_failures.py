"""Whether the mail server fails: since when, and how many requests for a link met that. Only a
failure and its end are written. Neither an address nor a link is kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Integer, bindparam, case, delete, func, select, update

from lms_bridge.store.account_tables import mail_failure as table
from lms_bridge.store.bulk import insert_missing

_ONLY = 1
_SUM = table.c.requests + bindparam("more", type_=Integer)
_ADD = update(table).values(requests=case((_SUM < 1, 1), else_=_SUM))


def note_failure(tx: Connection, requests: int, at: datetime) -> None:
    """``requests``: how many more could not be served by it."""
    # First the row, then its number: of two processes that begin at once, one has to wait here.
    insert_missing(tx, table, [{"id": _ONLY, "since": at, "requests": 0}], ["id"])
    tx.execute(_ADD, {"more": requests})


def forget(tx: Connection) -> None:
    """The server works, or is in the settings no more."""
    tx.execute(delete(table))


def is_failing(tx: Connection) -> bool:
    return bool(tx.scalar(select(func.count()).select_from(table)))
