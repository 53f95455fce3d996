"""Settings, the database's tables, and errors of every kind: one message, no traceback."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

from lms_bridge.cli import serve
from lms_bridge.settings import Settings
from tests.functional.cli.conftest import Cli


def _execute(cli: Cli, statement: str) -> None:
    path = make_url(cli.environment["LMS_BRIDGE_STORE__ADDRESS"]).database
    assert path is not None
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_effective_settings_hide_secrets(cli: Cli) -> None:
    cli.environment |= {
        "LMS_BRIDGE_ACADEMY__TOKEN": "very-secret",
        "LMS_BRIDGE_ACADEMY__OPTIONS__API_TOKEN": "very-secret-too",
        "LMS_BRIDGE_POLICY__HOLD_RECORDS": "7",
    }
    shown = cli("settings").stdout
    assert "very-secret" not in shown
    assert "policy.hold_records" in shown
    document = cli.json("settings")
    assert document["policy.hold_records"] == 7
    assert document["academy.token"] == "(set, not shown)"
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = "postgresql://me:hunter2@127.0.0.1:1/x"
    assert "hunter2" not in cli("settings").stdout


def test_secrets_are_locked_anew_with_a_new_key(alpha: Cli) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    made = Path(alpha.environment["LMS_BRIDGE_SECRETS__KEY_FILE"]).read_text(encoding="ascii")
    signing = alpha.json("keys", "list")
    alpha("webhook", "add", "https://partner.example.org/events")
    alpha("webhook", "renew", "1")  # for a while the one before counts, too
    alpha.environment["LMS_BRIDGE_SECRETS__KEY"] = f"{new},{old}"
    before = alpha.dump()
    assert "is not the key" in alpha("db", "relock", code=2).stderr
    assert alpha.dump() == before
    alpha.environment["LMS_BRIDGE_SECRETS__KEY"] = f"{new},{made}"
    assert "5 secrets" in alpha("db", "relock").stdout
    alpha.environment["LMS_BRIDGE_SECRETS__KEY"] = new
    alpha("sync", "--centre", "ALPHA", "--flow", "offerings")
    assert alpha.json("keys", "list") == signing


def test_all_wrong_settings_are_reported_at_once(cli: Cli) -> None:
    cli.environment |= {
        "LMS_BRIDGE_WEB__PORT": "eighty",
        "LMS_BRIDGE_SYNC__SPEED": "9",
        "LMS_BRIDGE_POLICY__REMOVAL": "shred",
    }
    result = cli("centre", "list", code=2)
    assert "Problems in the settings: 3" in result.stderr
    for name in ("web.port", "sync.speed", "policy.removal"):
        assert name in result.stderr
    assert result.stdout == ""


def test_the_check_reports_missing_settings_and_services(cli: Cli) -> None:
    assert "in order" in cli("settings", "check").stdout
    cli.environment["LMS_BRIDGE_ACADEMY__CONNECTOR"] = "nobody"
    assert "academy_http" in cli("settings", "check", code=2).stderr
    cli.environment |= {
        "LMS_BRIDGE_ACADEMY__CONNECTOR": "academy_http",
        "LMS_BRIDGE_ACADEMY__ADDRESS": "http://127.0.0.1:9",
        "LMS_BRIDGE_ACADEMY__TOKEN": "x",
    }
    assert "MISSING" in cli("settings", "check", code=1).stdout


def test_tables_are_made_and_brought_up_to_date(cli: Cli, tmp_path: Path) -> None:
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = f"sqlite:///{tmp_path}/new/bridge.sqlite3"
    assert "lms-bridge db upgrade" in cli("sync", code=2).stderr
    assert "none ->" in cli("db", "upgrade").stdout
    assert "up to date" in cli("db", "upgrade").stdout
    assert "no centre to sync" in cli("sync").stdout


@pytest.mark.parametrize("command", ["centre list", "status", "sync", "run list", "serve --port 0"])
def test_a_missing_database_file_is_named_and_not_made(
    cli: Cli, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "new" / "bridge.sqlite3"
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = f"sqlite:///{file}"
    said = cli(*command.split(), code=2).stderr
    assert f"there is no file {file}" in said
    assert "`lms-bridge db upgrade`, which makes a new database" in said
    assert not file.parent.exists()


def test_an_empty_database_file_stays_empty(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "bridge.sqlite3"
    file.touch()
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = f"sqlite:///{file}"
    assert "is empty; run `lms-bridge db upgrade`" in cli("status", code=2).stderr
    assert [file.stat().st_size, *tmp_path.glob("bridge.sqlite3-*")] == [0]


def test_a_disk_without_room_to_open_the_database_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite makes files beside its own as it opens it."""

    def fail(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        raise error

    monkeypatch.setattr("sqlite3.dbapi2.connect", fail)
    said = cli("status", code=2).stderr
    assert "the database cannot be opened; the disk of the bridge is full" in said


def test_tables_of_an_unknown_version_are_left_alone(cli: Cli) -> None:
    _execute(cli, "UPDATE alembic_version SET version_num = '9999'")
    assert "of version 9999" in cli("centre", "list", code=2).stderr
    assert "use that version, or a new database" in cli("db", "upgrade", code=2).stderr


def test_an_unreachable_database_is_reported(cli: Cli) -> None:
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = "postgresql://me:hunter2@127.0.0.1:1/x"
    result = cli("centre", "list", code=2)
    assert "cannot be opened" in result.stderr
    assert "hunter2" not in result.output
    assert "cannot be opened" in cli("db", "upgrade", code=2).stderr


def test_a_database_error_is_reported_without_its_statement(cli: Cli) -> None:
    _execute(cli, "DROP TABLE centre")
    result = cli("centre", "list", code=1)
    assert "The database failed (OperationalError)." in result.stderr
    assert "SELECT" not in result.output


def test_a_read_only_database_is_named_as_such(cli: Cli, postgres_address: str) -> None:
    option = "options=-c%20default_transaction_read_only%3Don"
    joint = "&" if "?" in postgres_address else "?"
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = f"{postgres_address}{joint}{option}"
    result = cli("operator", "link", code=1)
    assert "The database is read-only" in result.stderr
    shown = cli("status", code=1).stdout
    assert "nothing can be stored (database-read-only)" in shown
    assert "lets the bridge write" in shown


def test_serve_takes_host_and_port(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(serve, "stay_up", served.append)
    cli("serve", "--host", "0.0.0.0", "--port", "8765")
    cli("serve")
    assert [(each.web.host, each.web.port) for each in served] == [
        ("0.0.0.0", 8765),
        ("127.0.0.1", 8000),
    ]


def test_the_worker_needs_its_engine(cli: Cli) -> None:
    assert "engine.kind" in cli("worker", code=2).stderr
