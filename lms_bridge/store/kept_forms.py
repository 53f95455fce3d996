"""Forms that were sent after the session had ended: kept for their writer, for a short time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from lms_bridge.store.account_tables import kept_form as table

MINUTES = 60
MOST_BYTES = 400 * 1024
MOST, MOST_OF_PERSON = 300, 5
"""Forms at a time, of all people and of one; the oldest make room."""
LONGEST_PAGE = 1000


def keep(tx: Connection, person: str, page: str, fields: Mapping[str, str], now: datetime) -> None:
    """Keeps the form in place of an earlier one of the same page. ``page`` is its path with the
    query, at most ``LONGEST_PAGE`` characters."""
    tx.execute(delete(table).where(table.c.expires_at <= now))
    drop(tx, person, page)
    newest = select(table.c.id).order_by(table.c.id.desc())
    mine = newest.where(table.c.person == person)
    for oldest in (newest.offset(MOST - 1), mine.offset(MOST_OF_PERSON - 1)):
        tx.execute(delete(table).where(table.c.id.in_(list(tx.scalars(oldest)))))
    row = {
        "person": person,
        "page": page,
        "fields": {name: text.replace("\x00", "") for name, text in fields.items()},
        "expires_at": now + timedelta(minutes=MINUTES),
    }
    tx.execute(insert(table).values(row))


def find(tx: Connection, person: str, page: str, now: datetime) -> dict[str, str] | None:
    mine = (table.c.person == person, table.c.page == page, table.c.expires_at > now)
    fields: dict[str, str] | None = tx.scalar(select(table.c.fields).where(*mine))
    return fields


def drop(tx: Connection, person: str, page: str) -> None:
    tx.execute(delete(table).where(table.c.person == person, table.c.page == page))
