"""The engine and its transaction scopes: one use case, one transaction, no network inside it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool

from lms_bridge.store.prepared import Prepared
from lms_bridge.store.trial_tables import copy_tables, drop_tables
from lms_bridge.store.turns import Turns

BUSY_MILLISECONDS = 60_000
_ASK_AGAIN_MILLISECONDS = 30
"""SQLite begins with short pauses anew: after 1, 2, 5, 10 milliseconds, and so on."""


class Database:
    """SQLite or PostgreSQL, by its SQLAlchemy address.

    Writers of one process take turns in order. So on SQLite none starves while it polls for the
    file's lock. Processes wait for each other through the database itself.
    """

    def __init__(self, address: str, *, pool_size: int = 20) -> None:
        url = make_url(address)
        self.embedded = url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url, pool_size) if self.embedded else _postgresql(url, pool_size)
        self._turn: AbstractContextManager[Any] = Turns() if self.embedded else nullcontext()
        # As many as there were statements at once are kept aside for the next ones, and need no
        # check before each use: those to a file do not break, and a read is repeated.
        self._spare: list[PoolProxiedConnection] = []
        self._closed = False

    @property
    def file(self) -> Path | None:
        """SQLite's file, with its whole path; None for a server, or a database in memory."""
        name = self.engine.url.database if self.embedded else None
        return Path(name).absolute() if name and name != ":memory:" else None

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
    def writing_now(self) -> Iterator[Connection]:
        """The same without waiting: it fails if another writer holds the file.

        Raises:
            OperationalError: another writer holds the file.
        """
        with self.engine.connect() as connection:
            try:
                if self.embedded:
                    connection.exec_driver_sql("PRAGMA busy_timeout=0")
                yield connection
                connection.commit()
            finally:
                if self.embedded:  # its busy time-out is not that of the others
                    connection.invalidate()

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

    @contextmanager
    def apart(self) -> Iterator[Database]:
        """A database to try something in that takes long, while others write: a private copy, which
        goes away. On PostgreSQL it has one connection, which can change no real table.

        Raises:
            OperationalError: there is no room for the copy, or nothing may be made there.
            ProgrammingError: the user of the database may not make temporary tables.
        """
        if not self.embedded:
            copy = Database(_address(self.engine), pool_size=1)
            event.listen(copy.engine, "connect", lambda ours, _: copy_tables(ours))
            event.listen(copy.engine, "close", lambda ours, _: _dropped(copy.engine, ours))
            try:
                yield copy
            finally:
                copy.close()
            return
        if self.file is None:
            yield self
            return
        with _folder_beside(self.file) as folder:
            copy = Database(_address(self.engine, str(Path(folder) / "copy.sqlite3")))
            try:
                with self.engine.connect() as ours, copy.engine.connect() as theirs:
                    _copied(ours, theirs)
                yield copy
            finally:
                copy.close()

    @property
    def dialect(self) -> Dialect:
        return self.engine.dialect

    def at_once(
        self, statement: Prepared, values: Mapping[str, Any], *, writing: bool = True
    ) -> tuple[Any, ...] | None:
        """Runs one statement as its own transaction, straight on the driver, and returns its first
        row. ``writing`` is whether it changes anything.

        Raises:
            OperationalError: the database failed.
        """
        ready = statement.ready(self.dialect)
        parameters = ready.parameters(values)
        try:
            with self._turn if writing else nullcontext():
                rows = self._run_by_driver(ready.text, parameters, writing)
        except self.dialect.loaded_dbapi.Error as error:
            ready.failed(error)
        return ready.row(rows[0]) if rows else None

    def _run_by_driver(self, text: str, parameters: Any, writing: bool) -> Sequence[Any]:
        keeping = self.embedded or not writing
        kept = self._kept() if keeping else None
        connection = kept or self._fresh(keeping)
        try:
            cursor = connection.cursor()
            if self.embedded and writing:
                _once_free(cursor, text, parameters)
            else:
                cursor.execute(text, parameters)
            rows: Sequence[Any] = cursor.fetchall()
            cursor.close()
            if not keeping:
                connection.commit()
        except BaseException:
            lost = kept is not None and getattr(kept.driver_connection, "closed", False)
            connection.invalidate()
            connection.close()
            if lost:  # while nobody used it: others of then go the same way
                return self._run_by_driver(text, parameters, writing)
            raise
        if keeping and not self._closed and not connection.info.get(_READ_ONLY):
            self._spare.append(connection)
        else:
            connection.close()
        return rows

    def _kept(self) -> PoolProxiedConnection | None:
        while self._spare:
            kept = self._spare.pop()
            if not self.embedded or kept.info.get(_FILE) == _file_at(self.engine.url.database):
                return kept
            kept.invalidate()
            kept.close()
        return None

    def _fresh(self, keeping: bool) -> PoolProxiedConnection:
        """A connection. A kept one begins no transactions, and plans its few statements only
        once."""
        connection = self.engine.raw_connection()
        if keeping and not self.embedded:  # SQLite does all of it as it is
            driver: Any = connection.driver_connection
            driver.autocommit = True
            driver.execute("SET plan_cache_mode = force_generic_plan")
        return connection

    def close(self) -> None:
        """Ends all connections: those that a thread still uses once it has done with them."""
        self._closed = True
        while self._spare:
            self._spare.pop().close()
        event.listen(self.engine.pool, "checkin", lambda late, kept: late and kept.invalidate())
        self.engine.dispose()


def _folder_beside(file: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix=".apart-", dir=file.parent)
    except OSError as error:
        raise OperationalError("copy", None, error) from None


def _dropped(engine: Engine, connection: Any) -> None:
    with suppress(engine.dialect.loaded_dbapi.Error):  # one that broke has no copies any more
        drop_tables(connection)


def _address(engine: Engine, database: str | None = None) -> str:
    url = engine.url if database is None else engine.url.set(database=database)
    return url.render_as_string(hide_password=False)


def _copied(ours: Connection, theirs: Connection) -> None:
    """Copies a file of SQLite in one go: nobody waits for a reader."""
    source: Any = ours.connection.driver_connection
    target: Any = theirs.connection.driver_connection
    try:
        target.rollback()
        source.backup(target)
    except sqlite3.Error as error:
        raise OperationalError("backup", None, error) from None


def first_row(
    source: Database | Connection, query: Prepared, values: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    """What a query finds first, in a transaction, or by itself where ``source`` is the database."""
    if isinstance(source, Database):
        return source.at_once(query, values, writing=False)
    return query.first(source, values)


def _once_free(cursor: Any, statement: str, parameters: Any = ()) -> None:
    """Runs a statement that needs the file's lock. SQLite itself asks only ten times a second after
    a while, and misses the moments between the transactions of a long import."""
    until = time.monotonic() + BUSY_MILLISECONDS / 1000
    connection = cursor.connection  # the cursor's own results must stay
    connection.execute(f"PRAGMA busy_timeout={_ASK_AGAIN_MILLISECONDS}").close()
    try:
        while True:
            try:
                cursor.execute(statement, parameters)
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= until:
                    raise
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}").close()


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


_FILE, _READ_ONLY = "file", "read only"


def _file_at(path: str | None) -> tuple[int, int] | None:
    """Which file there is now; None for a database in memory, and for one that is gone."""
    try:
        found = os.stat(path or "")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_read_only(connection: sqlite3.Connection) -> bool:
    """Whether SQLite opened the file for reading alone, since it could not be written just then.
    SQLite says so only to who writes."""
    try:
        connection.execute("PRAGMA busy_timeout=0").close()
        connection.execute("BEGIN IMMEDIATE").close()
        connection.execute("PRAGMA user_version=0").close()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY
    finally:
        connection.rollback()
        connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}").close()
    return False


def _watch_file(engine: Engine) -> None:
    """An open file stays when it is removed or replaced, and what is written to it then is lost. So
    a connection counts only for the file that it was opened with; a file that is gone is not made
    anew. A connection that can only read stays so: it is used once, and another one is opened."""
    path, seen = engine.url.database, False

    @event.listens_for(engine, "do_connect")
    def _find(*_: Any) -> None:
        if seen and _file_at(path) is None:
            raise sqlite3.OperationalError  # nobody reads its words: the file is gone

    @event.listens_for(engine, "connect")
    def _note(_: Any, record: Any) -> None:
        nonlocal seen
        record.info[_FILE] = _file_at(path)
        seen = seen or record.info[_FILE] is not None

    @event.listens_for(engine, "checkout")
    def _check(_: Any, record: Any, __: Any) -> None:
        if record.info[_FILE] != _file_at(path):
            raise DisconnectionError

    @event.listens_for(engine, "checkin")
    def _drop(_: Any, record: Any) -> None:
        if record.info.get(_READ_ONLY):
            record.invalidate()


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
    def _prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        record.info[_READ_ONLY] = _is_read_only(connection)
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    _watch_file(engine)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns writer could not be made to wait.
        writing = connection.get_execution_options().get("writing", False)
        begin = "BEGIN IMMEDIATE" if writing else "BEGIN"
        try:  # without SQLAlchemy's layers, for there are many transactions
            cursor = connection.connection.cursor()
            if writing:
                _once_free(cursor, begin)
            else:
                cursor.execute(begin)
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
        max_overflow=0 if pool_size == 1 else pool_size,
        pool_pre_ping=True,
    )
