"""Addresses of learners' calendars: only the hash of each is kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select

from lms_bridge.store.account_tables import learner_calendar as table
from lms_bridge.store.bulk import upsert


def keep(tx: Connection, learner_id: int, digest: bytes, at: datetime) -> None:
    """Sets the address of a learner's calendar. An earlier address no longer works."""
    row = {"learner_id": learner_id, "digest": digest, "created_at": at}
    upsert(tx, table, [row], ["learner_id"], ["digest", "created_at"])


def end(tx: Connection, learner_id: int) -> None:
    tx.execute(delete(table).where(table.c.learner_id == learner_id))


def since(tx: Connection, learner_id: int) -> datetime | None:
    """When the address was made; None where there is none."""
    return tx.scalar(select(table.c.created_at).where(table.c.learner_id == learner_id))


def learner_of(tx: Connection, digest: bytes) -> int | None:
    return tx.scalar(select(table.c.learner_id).where(table.c.digest == digest))
