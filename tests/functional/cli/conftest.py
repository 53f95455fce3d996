"""The command line on a real database, against a simulated Moodle over HTTP."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

from lms_bridge.bootstrap import open_bridge
from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession
from lms_bridge.devtools.moodle.sample import SampleSize, sample_site
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.network.cycles import seed
from lms_bridge.reference import reference
from lms_bridge.store.database import Database


@dataclass
class Cli:
    """Runs commands as a shell would, with settings from an environment of its own."""

    environment: dict[str, str]
    folder: Path
    results: list[Result] = field(default_factory=list)

    def __call__(self, *arguments: str, code: int = 0, typed: str | None = None) -> Result:
        session = CommandSession(open_bridge, self.environment)
        result = CliRunner().invoke(
            main, arguments, input=typed, obj=session, env={"MOODLE_TOKEN": SERVICE_TOKEN}
        )
        self.results.append(result)
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def dump(self) -> list[str]:
        """Everything that the database holds."""
        path = make_url(self.environment["LMS_BRIDGE_STORE__ADDRESS"]).database
        assert path is not None
        with closing(sqlite3.connect(path)) as connection:
            return list(connection.iterdump())

    def everything_said(self) -> str:
        return "\n".join(result.output for result in self.results)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """The command line sets up the process's logs: put them back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def environment(sqlite_address: str, tmp_path: Path) -> dict[str, str]:
    """Of a database as `lms-bridge db upgrade` leaves it."""
    database = Database(sqlite_address)
    seed(database, reference().cycles)
    database.close()
    return {
        "LMS_BRIDGE_STORE__ADDRESS": sqlite_address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(tmp_path / "secret.key"),
        "LMS_BRIDGE_NETWORK__PRIVATE_ADDRESSES": "true",
        "LMS_BRIDGE_LOG__LEVEL": "error",
        "LMS_BRIDGE_LIMITS__ATTEMPTS": "1",
    }


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    return Cli(environment, tmp_path)


@pytest.fixture
def site() -> MoodleState:
    return sample_site("Test", SampleSize(courses=6, people=0, enrolments=0, region="Africa"))


@pytest.fixture
def address(site: MoodleState) -> Iterator[str]:
    with serve(site) as server:
        yield server.url


@pytest.fixture
def alpha(cli: Cli, address: str) -> Cli:
    """The command line, with one centre ALPHA added."""
    cli(
        *("centre", "add", "ALPHA", "--name", "Alpha Training Centre", "--region", "africa"),
        *("--time-zone", "Africa/Nairobi", "--address", address),
        *("-o", "publish_field=itu_publish", "--token-env", "MOODLE_TOKEN"),
    )
    return cli


def codes_of(cli: Cli) -> list[str]:
    """The codes of the offerings that are listed."""
    text = cli("export", "offerings", "-").stdout.lstrip("\ufeff")
    return [line.partition(",")[0] for line in text.splitlines()[1:] if line.startswith("ALPHA-")]


def registrations(cli: Cli, offering: str, *learners: str, status: str = "enrolled") -> str:
    """A file of registrations; names are such that a test can look for them."""
    head = "offering,learner.id,learner.email,learner.given_name,learner.family_name,status"
    rows = [
        f"{offering},{each},{each}@example.org,Given-{each},Family-{each},{status}"
        for each in learners
    ]
    return cli.file("registrations.csv", "\n".join([head, *rows]) + "\n")
