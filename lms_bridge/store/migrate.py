"""Bringing the database's tables up to date, with Alembic.

To add a migration, change the tables, then call ``command.revision(_config(tx), "what it does",
autogenerate=True)`` on a database that is at the newest revision. A test compares the results.
Until the first release there is one migration, which changes with the tables. Its revision is then
another one, so that a database of an earlier state is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.store.database import Database
from lms_bridge.store.failures import DISK_BROKEN, DISK_FULL, READ_ONLY, storage_failure

_FOLDER = Path(__file__).resolve().parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision that this version of the bridge works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("the package holds no migrations")
    return head


def current(database: Database) -> str | None:
    """The revision that the database is at; None while it is empty."""
    with database.reading() as tx:
        return MigrationContext.configure(tx).get_current_revision()


def upgrade(database: Database) -> str | None:
    """Brings the tables up to date; does nothing when they are. Gives the revision they were at.

    Raises:
        SettingsInvalid: the database cannot be opened, or no migration leads to this version.
    """
    before = _reachable(database)
    try:
        with database.writing() as tx:
            command.upgrade(_config(tx), "head")
    except CommandError:
        raise SettingsInvalid(
            [
                _of_another_version(
                    before, "nothing leads there: use that version, or a new database"
                )
            ]
        ) from None
    return before


def check_up_to_date(database: Database) -> None:
    """Makes no file, and none larger: who only reads may have named a wrong one.

    Raises:
        SettingsInvalid: with the remedy, when the tables are not those of this version.
    """
    size = _size(database)
    if size is None:
        remedy = "correct the path, or run `lms-bridge db upgrade`, which makes a new database"
        raise SettingsInvalid([f"store.address: there is no file {database.file}; {remedy}"])
    revision = _reachable(database) if size else None
    if revision is None:
        raise SettingsInvalid(["store.address: the database is empty; run `lms-bridge db upgrade`"])
    if revision != newest():
        raise SettingsInvalid([_of_another_version(revision, "run `lms-bridge db upgrade`")])


def _of_another_version(revision: str | None, remedy: str) -> str:
    return f"store.address: the tables are of version {revision}, not {newest()}; {remedy}"


def _size(database: Database) -> int | None:
    """Bytes of SQLite's file; None for one that is not there. Others have no file to look at."""
    if database.file is None:
        return 1
    try:
        return database.file.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # opening it tells the reason
        return 1


def _reachable(database: Database) -> str | None:
    try:
        return current(database)
    except OperationalError as error:
        reason = _forbidden(database) or _failed(error) or "is it running, and is the path right?"
        raise SettingsInvalid([f"store.address: the database cannot be opened; {reason}"]) from None


def _failed(error: OperationalError) -> str:
    """What a disk refused, as part of a sentence."""
    found = storage_failure(error)
    if found not in {DISK_FULL, DISK_BROKEN, READ_ONLY}:
        return ""
    return found.message[:1].lower() + found.message[1:-1]


def _forbidden(database: Database) -> str:
    """What this user may not do with the file of SQLite, which opens others beside it."""
    file = database.file
    if file is None or not os.path.lexists(file.parent):
        return ""
    if os.path.exists(file) and not os.access(file, os.R_OK):
        return "this user may not read the file"
    if not os.access(file.parent, os.W_OK | os.X_OK):
        return "this user may not write to the file's folder, as SQLite needs"
    return ""
