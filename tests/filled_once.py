"""Sample records that are added once, and copied into the databases of later tests.

Adding them takes up to 300 milliseconds, since each goes through the product's own statements. A
copy takes 10.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from typing import Any

from lms_bridge.store.database import Database
from lms_bridge.store.tables import metadata

Fill = Callable[[Database], None]
_TABLES = [table.name for table in metadata.sorted_tables]
_EMPTY = "SELECT " + " + ".join(f'CAST(EXISTS (SELECT 1 FROM "{n}") AS integer)' for n in _TABLES)
_HEADER = 21
"""Bytes of PostgreSQL's binary form before the first row, and its end without any."""


def filled_once(fill: Fill) -> Fill:
    """``fill`` adds the same records to an empty database each time."""
    files: list[bytes] = []
    tables: list[_Tables] = []

    @wraps(fill)
    def filled(database: Database) -> None:
        if not (files if database.embedded else tables):
            fill(database)
            if database.embedded:
                files.append(_file_of(database))
            else:
                tables.append(_Tables(database))
            return
        with database.reading() as tx:
            assert tx.exec_driver_sql(_EMPTY).scalar() == 0, "its own rows would be lost"
        if database.embedded:
            _copy_file(files[0], database)
        else:
            tables[0].copy_to(database)

    return filled


def _file_of(database: Database) -> bytes:
    with _opened(database) as file, closing(sqlite3.connect(":memory:")) as memory:
        file.backup(memory)
        copy = memory.serialize()
    # The bytes 18 and 19 say how a file is written. There is no log beside one in memory.
    return copy[:18] + b"\1\1" + copy[20:]


def _copy_file(copy: bytes, database: Database) -> None:
    with _opened(database) as file, closing(sqlite3.connect(":memory:")) as memory:
        memory.deserialize(copy)
        memory.backup(file)


def _opened(database: Database) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(str(database.engine.url.database)))


class _Tables:
    """The rows of a PostgreSQL database, and the last numbers that its sequences gave."""

    def __init__(self, database: Database) -> None:
        with database.reading() as tx:
            driver: Any = tx.connection.driver_connection
            rows = {name: _rows(driver, name) for name in (*_TABLES, "offering_text")}
            self._rows = {name: data for name, data in rows.items() if len(data) > _HEADER}
            self._last = driver.execute(
                "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
            ).fetchall()

    def copy_to(self, database: Database) -> None:
        with database.writing() as tx:
            driver: Any = tx.connection.driver_connection
            for name, data in self._rows.items():
                with driver.cursor().copy(f'COPY "{name}" FROM STDIN (FORMAT binary)') as copy:
                    copy.write(data)
            for name, last in self._last:
                driver.execute("SELECT setval(%s::regclass, %s)", (name, last))


def _rows(driver: Any, name: str) -> bytes:
    with driver.cursor().copy(f'COPY "{name}" TO STDOUT (FORMAT binary)') as copy:
        return b"".join(copy)
