"""Everybody's pages and commands over a year of runs, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from cryptography.fernet import Fernet

from benchmarks.databases import both
from benchmarks.history import LARGE, fill
from benchmarks.report import Row
from benchmarks.timed import Timed, timed
from benchmarks.visits import OPERATOR, Places, browsers, commands, items, pages, places
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.cli.root import main
from lms_bridge.console.session import CommandSession
from lms_bridge.server.app import create_app
from lms_bridge.settings import SecretsSettings, Settings, StoreSettings, WebSettings
from lms_bridge.store import migrate
from lms_bridge.store.database import Database

RUNS = 3_400_000
MOST_SECONDS, MOST_FOR_A_RUN = 0.2, 0.15
ROUNDS = 5
_SETTLED = (0, 1, 3)
"""Exit codes of commands that looked, and may have found something wrong."""


def operations(folder: Path, runs: int = RUNS) -> list[Row]:
    """Median seconds of each page and command in this process. A command's time is without the
    start of Python."""
    folder.mkdir()
    rows = []
    for databases in both(folder):
        address = databases.fresh("operations")
        database = Database(address)
        migrate.upgrade(database)
        number = fill(database, runs)
        database.close()
        rows += measured(databases.name, address, number)
    return rows


def measured(name: str, address: str, number: int) -> list[Row]:
    """Of a filled database, whose last run has this number."""
    settings = Settings(
        store=StoreSettings(address),
        secrets=SecretsSettings(key=Fernet.generate_key().decode()),
        web=WebSettings(requests_per_minute=0),
    )
    bridge = build(settings)
    try:
        with bridge.database.reading() as tx:
            of = places(tx, number)
        found = [*_pages(bridge, of), *_commands(bridge, settings, of)]
    finally:
        bridge.close()
    return [took.row(f"{name}: {what}", most) for what, most, took in found]


def _pages(bridge: Bridge, of: Places) -> Iterator[tuple[str, float, Timed]]:
    people = browsers(create_app(bridge), bridge.database, of)

    def ask(who: str, path: str) -> None:
        answer = people[who].get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status}")

    for who, path in pages(of):
        yield (
            f"{who}: {path}",
            MOST_SECONDS,
            timed(partial(ask, who, path), ROUNDS, bridge.database),
        )
    for path in items(of):
        what = f"{LARGE:,} items: {path}"
        yield what, MOST_FOR_A_RUN, timed(partial(ask, OPERATOR, path), ROUNDS, bridge.database)


def _commands(bridge: Bridge, settings: Settings, of: Places) -> Iterator[tuple[str, float, Timed]]:
    def opened(*_: Any, **__: Any) -> AbstractContextManager[Bridge]:
        return nullcontext(bridge)

    def call(words: str) -> None:
        session = CommandSession(opened, {})
        session.__dict__["settings"] = settings
        done = CliRunner().invoke(main, words.split(), obj=session)
        if done.exit_code not in _SETTLED:
            raise RuntimeError(f"{words}: {done.output}")

    for words in commands(of):
        yield words, MOST_SECONDS, timed(partial(call, words), ROUNDS, bridge.database)
