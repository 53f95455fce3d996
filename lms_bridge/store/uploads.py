"""Files that people look at before they apply them: kept for a short time, and few of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from lms_bridge.store.account_tables import schedule_upload as table

MINUTES = 60
MOST_BYTES = 4 * 1024 * 1024
MOST = 50
"""Files at a time, so that they never take more than 200 MB; the oldest make room."""


@dataclass(frozen=True, slots=True)
class Upload:
    """``session`` is the number of the session in which it was sent."""

    session: int
    centre: str
    name: str
    format: str
    whole: bool
    octets: bytes
    number: int = 0


def keep(tx: Connection, new: Upload, now: datetime) -> None:
    """Keeps the file in place of an earlier one of the same session and centre."""
    tx.execute(delete(table).where(table.c.expires_at <= now))
    discard(tx, new.session, new.centre)
    oldest = select(table.c.id).order_by(table.c.id.desc()).offset(MOST - 1)
    tx.execute(delete(table).where(table.c.id.in_(list(tx.scalars(oldest)))))
    row = {
        "session_id": new.session,
        "centre": new.centre,
        "name": new.name[:200],
        "format": new.format,
        "whole": new.whole,
        "octets": new.octets,
        "expires_at": now + timedelta(minutes=MINUTES),
    }
    tx.execute(insert(table).values(row))


def find(tx: Connection, session: int, centre: str, now: datetime) -> Upload | None:
    names = ("session_id", "centre", "name", "format", "whole", "octets", "id")
    query = select(*(table.c[name] for name in names)).where(
        table.c.session_id == session, table.c.centre == centre, table.c.expires_at > now
    )
    row = tx.execute(query).first()
    return None if row is None else Upload(*row)


def take(tx: Connection, upload: Upload) -> bool:
    """Removes the file in the transaction that applies it. False: somebody did so before."""
    return tx.execute(delete(table).where(table.c.id == upload.number)).rowcount == 1


def discard(tx: Connection, session: int, centre: str) -> None:
    mine = (table.c.session_id == session, table.c.centre == centre)
    tx.execute(delete(table).where(*mine))
