"""Values that work only once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from lms_bridge.lti import nonces as module
from lms_bridge.lti.nonces import Nonces
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import nonce as table


class Time:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def _rows(database: Database) -> int:
    with database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(table)) or 0


def test_a_value_is_taken_once(database: Database) -> None:
    nonces = Nonces(database)
    nonces.put("login", "key", {"n": 1, "text": "é"}, 60)
    assert nonces.look("login", "key") == {"n": 1, "text": "é"}
    assert nonces.take("nonce", "key") is None
    assert nonces.take("login", "key") == {"n": 1, "text": "é"}
    assert nonces.take("login", "key") is None


def test_one_of_many_simultaneous_takers_gets_a_value(database: Database) -> None:
    nonces = Nonces(database)
    nonces.put("login", "key", {}, 60)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: nonces.take("login", "key"), range(32)))
    assert found.count({}) == 1
    with ThreadPoolExecutor(16) as pool:
        used = list(pool.map(lambda _: nonces.use("jti", "key", 60), range(32)))
    assert used.count(True) == 1


def test_a_value_expires(database: Database) -> None:
    time = Time()
    nonces = Nonces(database, time)
    nonces.put("login", "key", {}, 60)
    assert nonces.use("jti", "key", 60)
    time.at += timedelta(seconds=59)
    assert not nonces.use("jti", "key", 60)
    time.at += timedelta(seconds=1)
    assert nonces.look("login", "key") is None
    assert nonces.take("login", "key") is None
    assert nonces.use("jti", "key", 60)


def test_expired_values_are_purged(database: Database) -> None:
    time = Time()
    for number in range(10):
        Nonces(database, time).put("login", str(number), {}, 60)
    time.at += timedelta(seconds=61)
    Nonces(database, time).put("login", "new", {}, 60)
    assert _rows(database) == 1


def test_another_process_sees_that_a_value_was_used(database: Database) -> None:
    nonces, other = Nonces(database), Nonces(database)
    assert not nonces.was_used("login", "first")
    assert nonces.use("login", "first", 60)
    assert other.was_used("login", "first")
    assert not other.use("login", "first", 60)
    assert not other.was_used("login", "second")
    assert other.use("login", "second", 60)


def test_marks_are_purged_once_a_minute_by_themselves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()
    logins = Nonces(database, time)
    assert logins.use("login", "short", 10)
    assert logins.use("login", "long", 600)
    time.at += timedelta(seconds=9)
    logins.purge()
    assert _rows(database) == 2
    time.at += timedelta(seconds=2)
    logins.purge()
    assert _rows(database) == 1
    time.at += timedelta(hours=1)
    assert logins.use("login", "newer", 7200)
    assert _rows(database) == 2  # the minute is not over
    monkeypatch.setattr(module, "PURGE_SECONDS", 0.0)
    assert logins.use("login", "newest", 7200)
    assert _rows(database) == 2


def test_the_table_does_not_reveal_the_key(sqlite_database: Database) -> None:
    Nonces(sqlite_database).put("link", "the-secret-token", {"learner": "acad-1"}, 60)
    with sqlite_database.reading() as tx:
        row = tx.execute(select(table)).one()
    assert b"secret" not in row.digest
    assert "secret" not in str(row.data)


def test_purposes_and_keys_are_kept_apart(sqlite_database: Database) -> None:
    nonces = Nonces(sqlite_database)
    assert nonces.use("ab", "c", 60)
    assert nonces.use("a", "bc", 60)


def test_a_database_error_is_reported_without_its_values(database: Database) -> None:
    nonces = Nonces(database)
    nonces.put("login", "first", {}, 60)  # whatever is to be purged has been
    with database.writing() as tx:
        table.drop(tx)
    with pytest.raises(OperationalError) as caught:
        nonces.put("login", "key", {"name": "Ada Example"}, 60)
    assert "Ada Example" not in str(caught.value)
    with database.writing() as tx:
        table.create(tx)
    nonces.put("login", "key", {}, 60)
    assert nonces.take("login", "key") == {}


def test_an_unreachable_database_is_reported(tmp_path: Path) -> None:
    nonces = Nonces(Database(f"sqlite:///{tmp_path / 'nowhere' / 'bridge.db'}"))
    with pytest.raises(OperationalError):
        nonces.take("login", "key")
