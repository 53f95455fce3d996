"""SQLite has one writer. The next one asks often, and so finds the moments between two others."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from types import SimpleNamespace

import pytest
from sqlalchemy import bindparam, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import database as store
from lms_bridge.store.database import Database
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.run_tables import schedule_state
from lms_bridge.store.types import Utc

_ROW = {"job": "sample", "last_at": utc_now()}


def write(database: Database) -> None:
    with database.writing() as tx:
        tx.execute(insert(schedule_state).values(_ROW))


def write_at_once(database: Database) -> None:
    values = {"job": bindparam("its_job"), "last_at": bindparam("then", type_=Utc)}
    statement = Prepared(insert(schedule_state).values(values).returning(schedule_state.c.job))
    given = {"its_job": _ROW["job"], "then": _ROW["last_at"]}
    assert database.at_once(statement, given) == ("sample",)


WAYS = pytest.mark.parametrize("act", [write, write_at_once])


@pytest.fixture
def holder(sqlite_address: str) -> Iterator[sqlite3.Connection]:
    """Another writer, who has the file."""
    path = make_url(sqlite_address).database
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def test_a_new_connection_waits_until_nobody_has_the_whole_file(
    sqlite_address: str, open_database: Callable[[str], Database]
) -> None:
    """As while somebody closes the last connection, or recovers what a dead process left."""
    path = make_url(sqlite_address).database
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as owner:
        owner.execute("PRAGMA locking_mode=EXCLUSIVE")
        owner.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(write, open_database(sqlite_address))
            try:
                assert wait([written], timeout=1).not_done == {written}
            finally:
                owner.close()
            written.result()


@WAYS
def test_a_writer_asks_again_until_the_file_is_free(
    sqlite_database: Database,
    holder: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Database], None],
) -> None:
    asked = threading.Semaphore(0)

    def monotonic() -> float:
        asked.release()
        return time.monotonic()

    monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=monotonic))
    writer = threading.Thread(target=act, args=[sqlite_database])
    writer.start()
    for _ in range(4):
        asked.acquire()
    holder.rollback()
    writer.join()
    with sqlite_database.reading() as tx:
        assert tx.scalar(select(schedule_state.c.job)) == "sample"
        assert tx.exec_driver_sql("PRAGMA busy_timeout").scalar() == store.BUSY_MILLISECONDS


@WAYS
@pytest.mark.usefixtures("holder")
def test_a_writer_gives_up_in_the_end(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, act: Callable[[Database], None]
) -> None:
    with sqlite_database.reading():
        pass  # it is connected with the time-out that is usual
    monkeypatch.setattr(store, "BUSY_MILLISECONDS", 1)
    with pytest.raises(OperationalError, match="locked"):
        act(sqlite_database)
