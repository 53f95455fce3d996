"""Whether something can be stored now: a small write that waits for no other writer."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from lms_bridge.store.database import BUSY_MILLISECONDS, Database
from lms_bridge.store.failures import (
    BUSY,
    DISK_FULL,
    READ_ONLY,
    UNREACHABLE,
    StorageFailure,
    storage_failure,
)

KEPT_SECONDS = 2.0
"""So long a finding counts: whoever asks more often causes no more writes."""
LEAST_FREE = 8 * 1024 * 1024
"""Bytes. SQLite writes into free parts of its files first, so a full disk shows late."""

_log = structlog.get_logger(__name__)


class WriteCheck:
    """Looks at one database, for all who ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._until = 0.0
        self._found: StorageFailure | None = None

    def failure(self) -> StorageFailure | None:
        """Why nothing can be stored; None where something can. Another writer is no failure."""
        with self._lock:
            if time.monotonic() >= self._until:
                before, self._found = self._found, self._look()
                self._until = time.monotonic() + KEPT_SECONDS
                if self._found is not before:
                    _tell(self._found)
            return self._found

    def _look(self) -> StorageFailure | None:
        write = _write_sqlite if self._database.embedded else _write_postgresql
        driver = self._database.dialect.loaded_dbapi
        try:
            connection = self._database.engine.raw_connection()
            try:
                return write(connection.cursor())
            except driver.Error:
                connection.invalidate()
                raise
            finally:
                connection.close()
        except driver.Error as error:
            found = storage_failure(OperationalError("", None, error, hide_parameters=True))
        except SQLAlchemyError as error:
            found = storage_failure(error)
        except OSError as error:  # SQLite's file is gone, or its disk
            found = storage_failure(error) or UNREACHABLE
        return None if found is BUSY else found


def _tell(found: StorageFailure | None) -> None:
    if found is None:
        _log.info("database can be written again")
    else:
        _log.error("database cannot be written", code=found.code, reason=found.message)


def _write_sqlite(cursor: Any) -> StorageFailure | None:
    """Writes a number that SQLite keeps for applications, and that the bridge does not use."""
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        cursor.execute(f"PRAGMA user_version = {int(time.time()) & 0x7FFFFFFF}")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise  # a writer that has the file may fail yet, where the disk is full
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA database_list")
    file = cursor.fetchone()[2]
    if not file:
        return None
    disk = os.statvfs(file)
    return DISK_FULL if disk.f_bavail * disk.f_frsize < LEAST_FREE else None


def _write_postgresql(cursor: Any) -> StorageFailure | None:
    """Writes a message into the server's log of changes: no table has to be there."""
    cursor.execute("SET LOCAL statement_timeout = '2s'")
    cursor.execute("SELECT current_setting('transaction_read_only')")
    if cursor.fetchone()[0] == "on":
        return READ_ONLY
    cursor.execute("SELECT pg_logical_emit_message(true, 'lms_bridge', 'probe')")
    cursor.connection.commit()
    return None
