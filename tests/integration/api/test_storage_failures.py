"""Nothing can be stored: what a page, the API, monitoring and the command line answer then."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from lms_bridge.console.session import by_command
from lms_bridge.server.app import create_app
from lms_bridge.store import write_check
from lms_bridge.store.database import Database
from lms_bridge.store.failures import storage_failure
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import centre
from lms_bridge.web.sessions import make_operator_link
from tests.integration.api.world import World


def _with_pragma(database: Database, pragma: str) -> None:
    """Every connection from now on has it."""

    @event.listens_for(database.engine, "connect")
    def _set(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA {pragma}")

    database.close()


def _make_read_only(database: Database, to: str = "on") -> None:
    if database.embedded:
        _with_pragma(database, f"query_only = {to}")
        return
    with database.engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ WRITE"))
        name = connection.scalar(text("SELECT current_database()"))
        change = f'ALTER DATABASE "{name}" SET default_transaction_read_only = {to}'
        connection.execute(text(change))
        connection.execute(text("COMMIT"))
    database.close()


_COUNT = Prepared(select(func.count()).select_from(centre))


def _look_again(world: World) -> None:
    """The finding of a moment ago does not count any more."""
    world.client = create_app(world.bridge).test_client()


def _link(world: World) -> str:
    settings = world.bridge.settings.sign_in
    return make_operator_link(world.bridge.database, "Sample", settings, by_command())[1]


def _health(world: World) -> tuple[int, str, str]:
    response = world.client.get("/health")
    facts = response.get_json()
    assert ("Retry-After" in response.headers) == (response.status_code == 503)
    return response.status_code, facts["status"], facts["database"]


def test_a_read_only_database_is_reported_everywhere(either: World) -> None:
    token, secret = either.token(), _link(either)
    assert _health(either)[0] == 200
    _make_read_only(either.bridge.database)
    either.client = create_app(either.bridge).test_client()
    with capture_logs() as log:
        assert _health(either) == (503, "down", "database-read-only")
        page = either.client.post(f"/sign-in/{secret}", headers={"Origin": "http://localhost"})
    codes = [each["code"] for each in log if "code" in each]  # mail of other tests may be logged
    assert codes == ["database-read-only"] * 2
    assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
    assert "The database is read-only" in page.get_data(as_text=True)
    response = either.ask("PUT", "/centres/FAR/schedule", token, json={"offerings": []})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
    assert response.get_json()["code"] == "database-read-only"
    _make_read_only(either.bridge.database, "off")  # else nobody can empty it for other tests


def test_a_database_that_was_read_only_for_a_while_is_written_again_by_itself(
    world: World,
) -> None:
    """SQLite opens a file for reading alone where it may not write it, and stays so."""
    token, database = world.token(), world.bridge.database
    path = database.engine.url.database
    database.engine.dispose()
    read_only = True

    @event.listens_for(database.engine, "do_connect")
    def _open(*_: Any) -> sqlite3.Connection | None:
        if not read_only:
            return None
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)

    with ExitStack() as requests:
        for _ in range(8):
            requests.enter_context(database.reading())
    assert world.ask("PATCH", "/centres/FAR/schedule", token, json=[]).status_code == 503
    assert _health(world) == (503, "down", "database-read-only")
    read_only = False
    _look_again(world)
    assert world.ask("PATCH", "/centres/FAR/schedule", token, json=[]).status_code == 200
    assert _health(world)[0] == 200


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(30, "read-only")])
def test_a_folder_without_room_for_a_private_copy_is_named_as_such(
    world: World, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OperationalError) as failed, world.bridge.database.apart():
        pass
    found = storage_failure(failed.value)
    assert found is not None
    assert found.code == "database-read-only"


def _files(world: World) -> list[Path]:
    path = Path(world.bridge.database.engine.url.database or "")
    return sorted(path.parent.glob(f"{path.name}*"))


def test_a_file_that_is_gone_is_reported_and_used_again_when_it_is_back(
    world: World, tmp_path: Path
) -> None:
    token = world.token()
    world.bridge.database.at_once(_COUNT, {}, writing=False)
    (tmp_path / "away").mkdir()
    away = {each: tmp_path / "away" / each.name for each in _files(world)}
    for path, other in away.items():
        path.rename(other)
    assert _health(world) == (503, "down", "unreachable")
    response = world.ask("PATCH", "/centres/FAR/schedule", token, json=[])
    assert (response.status_code, response.get_json()["code"]) == (503, "out-of-order")
    with pytest.raises(OperationalError):
        world.bridge.database.at_once(_COUNT, {}, writing=False)
    assert _files(world) == []  # none is made, which would be empty
    for path, other in away.items():
        other.rename(path)
    _look_again(world)
    assert _health(world)[0] == 200
    assert world.ask("PATCH", "/centres/FAR/schedule", token, json=[]).status_code == 200


def test_a_file_that_takes_the_place_of_another_one_is_used_at_once(
    world: World, tmp_path: Path
) -> None:
    """Nothing is written into a file that nobody can find any more."""
    database = world.bridge.database
    path = Path(database.engine.url.database or "")
    kept = database.at_once(_COUNT, {}, writing=False)
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    for each in _files(world):
        each.unlink()
    copy.rename(path)
    with database.writing() as tx:
        tx.execute(text("UPDATE centre SET name = 'Restored'"))
    assert database.at_once(_COUNT, {}, writing=False) == kept
    found = Database(f"sqlite:///{path}")
    with found.reading() as tx:
        assert set(tx.scalars(text("SELECT name FROM centre"))) == {"Restored"}
    found.close()


def test_a_full_database_is_reported(world: World) -> None:
    token = world.token()
    with world.bridge.database.reading() as tx:
        pages = tx.scalar(text("PRAGMA page_count"))
    _with_pragma(world.bridge.database, f"max_page_count = {pages}")
    rows = [{"id": f"c{n}", "title": f"Course {n} " + "x" * 400} for n in range(500)]
    response = world.ask("PATCH", "/centres/FAR/schedule", token, json={"offerings": rows})
    assert response.status_code == 503, response.get_json()
    assert response.get_json()["code"] == "disk-full"


def test_a_disk_that_is_nearly_full_is_down_before_it_is_full(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_check, "LEAST_FREE", 1 << 60)
    assert _health(world) == (503, "down", "disk-full")


def test_a_disk_that_is_nearly_full_is_down_while_another_one_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_check, "LEAST_FREE", 1 << 60)
    with world.bridge.database.writing() as tx:
        tx.execute(text("UPDATE centre SET name = name"))
        assert _health(world) == (503, "down", "disk-full")


def test_health_waits_for_no_writer(world: World) -> None:
    """Another writer has the database for as long as the test asks."""
    written, ended = threading.Event(), threading.Event()

    def write() -> None:
        with world.bridge.database.writing() as tx:
            tx.execute(text("UPDATE centre SET name = name"))
            written.set()
            ended.wait(300)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert written.wait(60)
        began = time.monotonic()
        assert _health(world)[0] == 200
        assert time.monotonic() - began < 30  # a writer in its turn would wait for a minute
    finally:
        ended.set()
        thread.join()


def test_many_looks_at_the_health_cost_one_write(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_check, "KEPT_SECONDS", 600)
    assert _health(world)[0] == 200
    with world.bridge.database.writing() as tx:
        tx.execute(text("PRAGMA user_version = 7"))
    for _ in range(20):
        assert _health(world)[0] == 200
    with world.bridge.database.reading() as tx:
        assert tx.scalar(text("PRAGMA user_version")) == 7


def test_a_file_of_the_database_that_is_gone_is_reported(world: World) -> None:
    path = Path(str(world.bridge.database.engine.url.database))
    path.rename(path.with_suffix(".away"))
    assert _health(world) == (503, "down", "unreachable")
