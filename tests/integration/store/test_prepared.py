"""Statements that go straight to the driver give, keep and fail as SQLAlchemy's do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import OperationalError

from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.lti.nonces import Nonces
from lms_bridge.store import offerings
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import nonce
from lms_bridge.store.prepared import Prepared

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SAMPLE = Offering(
    "SAMPLE-1",
    "SAMPLE",
    "C1",
    "Sample",
    status=OfferingStatus.PUBLISHED,
    starts_at=NOW,
    price=Decimal("120.50"),
    languages=("en", "fr"),
)


def test_a_record_comes_back_as_it_was(database: Database) -> None:
    with database.writing() as tx:
        (id_,) = offerings.add_offerings(tx, [SAMPLE])
        assert offerings.offering_by_code(tx, "SAMPLE-1") == (id_, SAMPLE)
    with database.reading() as tx:
        assert offerings.offering_by_code(tx, "SAMPLE-1") == (id_, SAMPLE)
        assert offerings.offering_by_code(tx, "SAMPLE-2") is None
    assert offerings.offering_by_code(database, "SAMPLE-1") == (id_, SAMPLE)
    assert offerings.offering_by_code(database, "SAMPLE-2") is None


def test_constants_of_a_statement_are_its_own(database: Database) -> None:
    statement = select(func.coalesce(func.max(nonce.c.purpose), "none")).where(
        nonce.c.digest == bindparam("digest_is")
    )
    with database.reading() as tx:
        assert Prepared(statement).first(tx, {"digest_is": b"1"}) == ("none",)


def test_a_one_time_value_is_part_of_its_transaction(database: Database) -> None:
    nonces = Nonces(database)
    with database.trying() as tx:
        nonces.put("test", "1", {"a": 1}, 60, tx)
        assert nonces.look("test", "1", tx) == {"a": 1}
    assert nonces.look("test", "1") is None
    nonces.put("test", "1", {"a": 1}, 60)
    with database.trying() as tx:
        assert nonces.take("test", "1", tx) == {"a": 1}
        assert nonces.take("test", "1", tx) is None
    assert nonces.take("test", "1") == {"a": 1}


def test_a_reading_transaction_sees_one_state(sqlite_database: Database) -> None:
    nonces = Nonces(sqlite_database)
    with sqlite_database.reading() as tx:
        assert nonces.look("test", "1", tx) is None
        nonces.put("test", "1", {}, 60)
        assert nonces.look("test", "1", tx) is None
    assert nonces.look("test", "1") == {}


def test_one_of_many_threads_takes_a_value(database: Database) -> None:
    nonces = Nonces(database)
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(20):
            nonces.put("test", str(round_), {"round": round_}, 60)
            take = partial(nonces.take, "test", str(round_))
            taken = list(pool.map(lambda _, take=take: take(), range(8)))
            assert sorted(taken, key=str).count(None) == 7
            assert {"round": round_} in taken


def test_errors_are_those_of_sqlalchemy(database: Database) -> None:
    broken = Prepared(select(nonce.c.digest).where(func.no_such_function() == 1))
    with pytest.raises(OperationalError):
        database.at_once(broken, {}, writing=False)
    with pytest.raises(OperationalError), database.reading() as tx:
        broken.first(tx, {})
    assert Nonces(database).look("test", "1") is None


def test_a_connection_that_broke_while_nobody_used_it_is_not_noticed(
    postgres_address: str, open_database: Callable[[str], Database]
) -> None:
    """As when the server was started anew."""
    database, other = open_database(postgres_address), open_database(postgres_address)
    assert offerings.offering_by_code(database, "SAMPLE-1") is None
    with other.writing() as tx:
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        mine = " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert tx.exec_driver_sql(ended + mine).scalars().all() == [True]
        (id_,) = offerings.add_offerings(tx, [SAMPLE])
    assert offerings.offering_by_code(database, "SAMPLE-1") == (id_, SAMPLE)
