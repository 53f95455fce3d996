"""Waiting for what another thread does."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import text

from lms_bridge.store.database import Database


def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def waits(database: Database) -> bool:
    """Whether some transaction waits for another one. PostgreSQL's alone."""
    with database.reading() as tx:
        return bool(tx.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
