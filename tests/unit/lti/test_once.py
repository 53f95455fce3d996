"""Records that may be used once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from lms_bridge.lti.once import Once
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import once as table


class Time:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def test_taken_once(database: Database) -> None:
    once = Once(database)
    once.put("login", "key", {"n": 1, "text": "é"}, 60)
    assert once.look("login", "key") == {"n": 1, "text": "é"}
    assert once.take("nonce", "key") is None
    assert once.take("login", "key") == {"n": 1, "text": "é"}
    assert once.take("login", "key") is None


def test_of_many_at_once_one_gets_it(database: Database) -> None:
    once = Once(database)
    once.put("login", "key", {}, 60)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: once.take("login", "key"), range(32)))
    assert found.count({}) == 1
    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(lambda _: once.seen("jti", "key", 60), range(32)))
    assert seen.count(False) == 1


def test_expiry(database: Database) -> None:
    time = Time()
    once = Once(database, time)
    once.put("login", "key", {}, 60)
    assert not once.seen("jti", "key", 60)
    time.at += timedelta(seconds=59)
    assert once.seen("jti", "key", 60)
    time.at += timedelta(seconds=1)
    assert once.look("login", "key") is None
    assert once.take("login", "key") is None
    assert not once.seen("jti", "key", 60)


def test_what_expired_is_purged(database: Database) -> None:
    time = Time()
    for number in range(10):
        Once(database, time).put("login", str(number), {}, 60)
    time.at += timedelta(seconds=61)
    Once(database, time).put("login", "new", {}, 60)
    with database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(table)) == 1


def test_the_table_does_not_tell_the_key(sqlite_database: Database) -> None:
    Once(sqlite_database).put("link", "the-secret-token", {"learner": "acad-1"}, 60)
    with sqlite_database.reading() as tx:
        row = tx.execute(select(table)).one()
    assert b"secret" not in row.digest
    assert "secret" not in str(row.data)


def test_purposes_and_keys_do_not_run_together(sqlite_database: Database) -> None:
    once = Once(sqlite_database)
    assert not once.seen("ab", "c", 60)
    assert not once.seen("a", "bc", 60)


def test_a_fault_of_the_database_is_told_without_its_values(database: Database) -> None:
    once = Once(database)
    once.put("login", "first", {}, 60)  # whatever is to be purged has been
    with database.writing() as tx:
        table.drop(tx)
    with pytest.raises(OperationalError) as caught:
        once.put("login", "key", {"name": "Ada Example"}, 60)
    assert "Ada Example" not in str(caught.value)
    with database.writing() as tx:
        table.create(tx)
    once.put("login", "key", {}, 60)
    assert once.take("login", "key") == {}


def test_a_database_that_is_away(tmp_path: Path) -> None:
    once = Once(Database(f"sqlite:///{tmp_path / 'nowhere' / 'bridge.db'}"))
    with pytest.raises(OperationalError):
        once.take("login", "key")
