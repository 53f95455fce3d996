"""Why the database failed, in words for people, such as a full disk or a read-only database."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

RETRY_SECONDS = 60
"""What a client is asked to wait."""


@dataclass(frozen=True, slots=True)
class StorageFailure:
    """``message`` and ``remedy`` are for operators and clients alike, and quote no statement."""

    code: str
    message: str
    remedy: str


DISK_FULL = StorageFailure(
    "disk-full",
    "The disk of the bridge is full, so nothing can be stored.",
    "An operator frees space on the disk of the database.",
)
READ_ONLY = StorageFailure(
    "database-read-only",
    "The database is read-only, so nothing can be stored.",
    "An operator lets the bridge write to the database, or names the primary server.",
)
DISK_BROKEN = StorageFailure(
    "disk-error",
    "The disk of the database cannot be read or written.",
    "An operator looks at the system's log, and checks the disk and the limits of file sizes.",
)
BUSY = StorageFailure(
    "database-busy",
    "The database is busy with another change.",
    "Try again later.",
)
DATABASE_FAILED = StorageFailure(
    "out-of-order",
    "The database failed.",
    "Check that it runs, that its tables are up to date, and that its disk is not full.",
)
UNREACHABLE = StorageFailure(
    "out-of-order",
    "The database cannot be reached at the moment.",
    "Please try again in a few minutes.",
)
_SQLITE = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE: DISK_FULL,  # no room for the index of the write-ahead log
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_IOERR: DISK_BROKEN,
    sqlite3.SQLITE_CORRUPT: DISK_BROKEN,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_CANTOPEN: UNREACHABLE,
}
_POSTGRESQL = {
    "53100": DISK_FULL,
    "25006": READ_ONLY,
    "58030": DISK_BROKEN,
    "55P03": BUSY,
}
_SYSTEM = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EROFS: READ_ONLY,
    errno.EIO: DISK_BROKEN,
    errno.EFBIG: DISK_BROKEN,
}


def storage_failure(error: BaseException) -> StorageFailure | None:
    """What this error of the database or of the file system means; None for any other error."""
    found, cause = _meaning(error), error.__context__
    while found is DATABASE_FAILED and cause is not None:
        # SQLite ends the transaction itself, and the attempt to undo it is the error that is seen.
        found, cause = _meaning(cause) or found, cause.__context__
    return found


def failure_code(error: BaseException) -> str:
    """Its class and its code, for the log."""
    found = storage_failure(error)
    return type(error).__name__ + (f", {found.code}" if found else "")


def _meaning(error: BaseException) -> StorageFailure | None:
    if isinstance(error, DBAPIError):
        return _of_driver(error.orig)
    if isinstance(error, SQLAlchemyError):
        return DATABASE_FAILED
    return _SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None


_MAY_NOT = (errno.EACCES, errno.EPERM)


def _of_driver(error: BaseException | None) -> StorageFailure:
    if isinstance(error, OSError):  # beside the database's file, of which the driver knows nothing
        return READ_ONLY if error.errno in _MAY_NOT else _SYSTEM.get(error.errno or 0, DISK_BROKEN)
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        # The other bits are the place, which seldom says more.
        return _SQLITE.get(code) or _SQLITE.get(code & 0xFF, DATABASE_FAILED)
    state = getattr(error, "sqlstate", None)
    return _POSTGRESQL.get(state, DATABASE_FAILED) if state else UNREACHABLE
