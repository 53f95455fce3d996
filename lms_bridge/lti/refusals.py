"""What was refused lately: launches and service calls, for each connection.

A refusal is one row: time, place, code, detail and reference, and nothing about a person. A flood
fills neither memory nor disk: each connection keeps a few rows of each code, and the bridge has a
fixed number of codes. It does not hold the writer either: a thread stores what came, once a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import refusal as table

NOBODY = 0
"""In place of a connection's number: the message named none that exists."""
SECONDS = 1.0
MOST_WAITING = 500
LONGEST_DETAIL = 100
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """``connection`` is the number of the one that the message named, proven or not. ``times``
    counts this one and those before it that were not stored."""

    connection: int
    place: str
    code: str
    reference: str
    at: datetime
    detail: str = ""
    times: int = 1


class RefusalLog:
    """Safe for threads. Whoever adds a refusal never waits for the database."""

    def __init__(
        self, database: Database, *, days: int, kept: int, now: Callable[[], datetime]
    ) -> None:
        self._database, self._days, self._kept, self._now = database, days, kept, now
        self._waiting: dict[tuple[int, str], list[Refusal]] = {}
        self._number = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, refusal: Refusal) -> None:
        refusal = replace(refusal, detail=refusal.detail[:LONGEST_DETAIL])
        with self._lock:
            same = self._waiting.setdefault((refusal.connection, refusal.code), [])
            if same and (len(same) >= self._kept or self._number >= MOST_WAITING):
                refusal = replace(refusal, times=1 + same.pop(0).times)
                self._number -= 1
            elif self._number >= MOST_WAITING:
                return  # the log has it
            same.append(refusal)
            self._number += 1
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._work, name="refusals", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while not self._ended.wait(SECONDS):
            self.flush()
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return

    def flush(self) -> None:
        """Stores what waits. If the database fails, that is lost, and the log still has it."""
        with self._lock:
            waiting, self._waiting, self._number = self._waiting, {}, 0
        if not waiting:
            return
        try:
            with self._database.writing() as tx:
                _store(tx, [each for same in waiting.values() for each in same])
                for connection, code in waiting:
                    _trim(tx, connection, code, self._kept)
                tx.execute(delete(table).where(table.c.at < self._oldest()))
        except SQLAlchemyError as error:
            _log.warning("refusals not stored", error=type(error).__name__)

    def _oldest(self) -> datetime:
        return self._now() - timedelta(days=self._days)

    def of(self, tx: Connection, connection: int, most: int = 200) -> Sequence[Row[Any]]:
        """The refusals of a connection, the latest first."""
        query = select(table).where(
            table.c.registration_id == connection, table.c.at >= self._oldest()
        )
        return tx.execute(query.order_by(table.c.at.desc(), table.c.id.desc()).limit(most)).all()

    def by_connection(self, tx: Connection) -> Sequence[Row[Any]]:
        """(number of a connection, how many refusals, the latest), the most first; without those
        that named none."""
        query: Select[Any] = (
            select(table.c.registration_id, func.sum(table.c.times), func.max(table.c.at))
            .where(table.c.registration_id != NOBODY, table.c.at >= self._oldest())
            .group_by(table.c.registration_id)
            .order_by(func.sum(table.c.times).desc(), table.c.registration_id)
        )
        return tx.execute(query).all()

    def close(self) -> None:
        with self._lock:
            self._ended.set()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=10)
        self.flush()


def _store(tx: Connection, refusals: Sequence[Refusal]) -> None:
    rows = [
        {
            "registration_id": each.connection,
            "place": each.place,
            "code": each.code,
            "detail": each.detail,
            "reference": each.reference,
            "times": each.times,
            "at": each.at,
        }
        for each in refusals
    ]
    tx.execute(insert(table), rows)


def _trim(tx: Connection, connection: int, code: str, kept: int) -> None:
    mine = table.c.registration_id == connection, table.c.code == code
    newest = select(table.c.id).where(*mine).order_by(table.c.id.desc())
    last_too_many = newest.offset(kept).limit(1).scalar_subquery()
    tx.execute(delete(table).where(*mine, table.c.id <= last_too_many))


def forget(tx: Connection, connection: int) -> None:
    tx.execute(delete(table).where(table.c.registration_id == connection))
