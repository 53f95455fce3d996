"""Everybody's pages and commands over a year of runs, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from click.testing import CliRunner
from cryptography.fernet import Fernet

from benchmarks.databases import both
from benchmarks.history import LARGE, fill
from benchmarks.report import Row
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


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of one page or command, a time for each round. ``of_processor`` is without PostgreSQL's."""

    by_clock: list[float]
    of_processor: list[float]


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
        rows += [_row(f"{databases.name}: {what}", most, took) for what, most, took in found]
    return rows


def _row(title: str, most: float, found: Seconds) -> Row:
    middle, busy = median(found.by_clock), min(found.of_processor)
    return Row(
        title,
        f"{middle * 1000:.0f} ms, at most {max(found.by_clock) * 1000:.0f} ms; "
        f"{busy * 1000:.0f} ms of processor time",
        f"< {most * 1000:.0f} ms",
        middle < most,
        {"seconds": found.by_clock, "processor_seconds": found.of_processor},
    )


def _pages(bridge: Bridge, of: Places) -> Iterator[tuple[str, float, Seconds]]:
    people = browsers(create_app(bridge), bridge.database, of)

    def ask(who: str, path: str) -> None:
        answer = people[who].get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status}")

    for who, path in pages(of):
        yield f"{who}: {path}", MOST_SECONDS, _seconds(partial(ask, who, path))
    for path in items(of):
        what = f"{LARGE:,} items: {path}"
        yield what, MOST_FOR_A_RUN, _seconds(partial(ask, OPERATOR, path))


def _commands(
    bridge: Bridge, settings: Settings, of: Places
) -> Iterator[tuple[str, float, Seconds]]:
    def opened(*_: Any, **__: Any) -> AbstractContextManager[Bridge]:
        return nullcontext(bridge)

    def call(words: str) -> None:
        session = CommandSession(opened, {})
        session.__dict__["settings"] = settings
        done = CliRunner().invoke(main, words.split(), obj=session)
        if done.exit_code not in _SETTLED:
            raise RuntimeError(f"{words}: {done.output}")

    for words in commands(of):
        yield words, MOST_SECONDS, _seconds(partial(call, words))


def _seconds(act: Callable[[], None]) -> Seconds:
    act()  # modules and statements are loaded once
    by_clock, of_processor = [], []
    for _ in range(ROUNDS):
        began, busy = time.perf_counter(), time.process_time()
        act()
        by_clock.append(time.perf_counter() - began)
        of_processor.append(time.process_time() - busy)
    return Seconds(by_clock, of_processor)
