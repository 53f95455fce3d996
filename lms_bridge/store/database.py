"""The engine and its transaction scopes: one use case, one transaction, no network inside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from lms_bridge.store.prepared import Prepared

BUSY_MILLISECONDS = 60_000


class Database:
    """SQLite or PostgreSQL, by its SQLAlchemy address.

    Writers of one process take turns in order, so that on SQLite none starves while it polls for
    the file's lock; processes wait for each other through the database itself.
    """

    def __init__(self, address: str, *, pool_size: int = 20) -> None:
        url = make_url(address)
        self.embedded = url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url, pool_size) if self.embedded else _postgresql(url, pool_size)
        self._turn: AbstractContextManager[Any] = (
            threading.Lock() if self.embedded else nullcontext()
        )
        # As many as there were statements at once are kept aside for the next ones, and need no
        # look before each use: those to a file do not break, and what only reads is asked again.
        self._spare: list[PoolProxiedConnection] = []

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self.engine.connect() as connection:
            try:
                yield connection
            except BaseException:
                # A half-read result could keep its transaction open on a pooled connection.
                connection.invalidate()
                raise
            finally:
                connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or undone by any error."""
        with (
            self._turn,
            self.engine.connect().execution_options(writing=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def trying(self) -> Iterator[Connection]:
        """A transaction that may write and is always undone: what a dry run works in."""
        with (
            self._turn,
            self.engine.connect().execution_options(writing=True) as connection,
        ):
            try:
                yield connection
            finally:
                connection.rollback()

    @property
    def dialect(self) -> Dialect:
        return self.engine.dialect

    def at_once(
        self, statement: Prepared, values: Mapping[str, Any], *, writing: bool = True
    ) -> tuple[Any, ...] | None:
        """One statement that is a transaction of its own, straight to the driver; gives its first
        row. ``writing`` says whether it changes anything.

        Raises:
            OperationalError: the database failed.
        """
        ready = statement.ready(self.dialect)
        given = ready.given(values)
        try:
            with self._turn if writing else nullcontext():
                rows = self._given_to_driver(ready.text, given, writing)
        except self.dialect.loaded_dbapi.Error as error:
            ready.failed(error)
        return ready.row(rows[0]) if rows else None

    def _given_to_driver(self, text: str, given: Any, writing: bool) -> Sequence[Any]:
        keeping = self.embedded or not writing
        kept = self._spare.pop() if keeping and self._spare else None
        connection = kept or self._fresh(keeping)
        try:
            cursor = connection.cursor()
            cursor.execute(text, given)
            rows: Sequence[Any] = cursor.fetchall()
            cursor.close()
            if not keeping:
                connection.commit()
        except BaseException:
            lost = kept is not None and getattr(kept.driver_connection, "closed", False)
            connection.invalidate()
            connection.close()
            if lost:  # while nobody used it: others of then go the same way
                return self._given_to_driver(text, given, writing)
            raise
        if keeping:
            self._spare.append(connection)
        else:
            connection.close()
        return rows

    def _fresh(self, keeping: bool) -> PoolProxiedConnection:
        """A connection; one that is to be kept begins no transactions, and plans the few statements
        that it will run once, not at each of their runs."""
        connection = self.engine.raw_connection()
        if keeping and not self.embedded:  # SQLite does all of it as it is
            driver: Any = connection.driver_connection
            driver.autocommit = True
            driver.execute("SET plan_cache_mode = force_generic_plan")
        return connection

    def close(self) -> None:
        while self._spare:
            self._spare.pop().close()
        self.engine.dispose()


def first_row(
    source: Database | Connection, query: Prepared, values: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    """What a query finds first, in a transaction, or by itself where ``source`` is the database."""
    if isinstance(source, Database):
        return source.at_once(query, values, writing=False)
    return query.first(source, values)


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _sqlite(url: Any, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # statements may be logged, personal data may not
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"check_same_thread": False, "timeout": BUSY_MILLISECONDS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_MILLISECONDS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns writer could not be made to wait.
        writing = connection.get_execution_options().get("writing", False)
        begin = "BEGIN IMMEDIATE" if writing else "BEGIN"
        try:  # without SQLAlchemy's layers, for there are many transactions
            connection.connection.cursor().execute(begin)
        except engine.dialect.loaded_dbapi.Error as error:
            raise OperationalError(begin, None, error) from None

    return engine


def _postgresql(url: Any, pool_size: int) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,  # statements may be logged, personal data may not
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
    )
