"""Whether the mail server fails: since when, and how many requests for a link met that. Only a
failure and its end are written. Neither an address nor a link is kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from lms_bridge.store.account_tables import mail_failure as table


def note_failure(tx: Connection, requests: int, at: datetime) -> None:
    """``requests``: how many more could not be served by it."""
    changed = tx.execute(update(table).values(requests=table.c.requests + requests))
    if not changed.rowcount:
        tx.execute(insert(table).values(since=at, requests=max(requests, 1)))


def forget(tx: Connection) -> None:
    """The server works, or is in the settings no more."""
    tx.execute(delete(table))


def is_failing(tx: Connection) -> bool:
    return bool(tx.scalar(select(func.count()).select_from(table)))
