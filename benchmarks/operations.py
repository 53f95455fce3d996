"""The operators' pages and commands over a year of runs, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from click.testing import CliRunner
from cryptography.fernet import Fernet

from benchmarks.databases import both
from benchmarks.history import CALM, LARGE, SILENT, fill
from benchmarks.report import Row
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.cli.root import main
from lms_bridge.console.session import CommandSession
from lms_bridge.server.app import create_app
from lms_bridge.settings import SecretsSettings, Settings, StoreSettings, WebSettings
from lms_bridge.store import migrate
from lms_bridge.store.database import Database
from tests.operators import sign_in

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
        settings = Settings(
            store=StoreSettings(address),
            secrets=SecretsSettings(key=Fernet.generate_key().decode()),
            web=WebSettings(requests_per_minute=0),
        )
        bridge = build(settings)
        try:
            found = {**_pages(bridge, number), **_commands(bridge, settings, number)}
        finally:
            bridge.close()
        title = f"{databases.name}, {runs:,} runs"
        rows += [_row(f"{title}: {what}", seconds, what) for what, seconds in found.items()]
    return rows


def _row(title: str, seconds: list[float], what: str) -> Row:
    most = MOST_FOR_A_RUN if "items" in what else MOST_SECONDS
    middle = median(seconds)
    return Row(
        title,
        f"{middle * 1000:.0f} ms, at most {max(seconds) * 1000:.0f} ms",
        f"< {most * 1000:.0f} ms",
        middle < most,
        {"seconds": seconds},
    )


def _pages(bridge: Bridge, number: int) -> dict[str, list[float]]:
    browser = sign_in(create_app(bridge).test_client(), bridge.database)
    last = LARGE // 200
    paths = {
        path: path
        for path in (
            *("/operations", "/centres", "/centres/C01", f"/centres/C{SILENT}", "/runs"),
            *("/runs?status=failed", "/runs?status=held", "/runs?centre=C01"),
            *(f"/runs?centre=C{SILENT}", f"/runs?centre=C{CALM}&status=failed"),
            *(
                f"/runs?before={number // 2}",
                "/holds",
                "/holds?decided=1&before=100",
                "/holds/2990",
            ),
            *(
                "/quarantine",
                "/quarantine?before=60",
                "/people",
                "/people?after=250",
                "/people.csv",
            ),
            *("/conflicts", "/conflicts?before=1000000", "/conflicts?centre=C01"),
            *("/figures", "/figures?days=365", "/figures?days=365&centre=C01", "/figures/year"),
            *("/audit", "/operations/where", "/tokens", "/webhooks", "/connections"),
            *("/accounts", "/health", "/"),
        )
    }
    paths |= {f"a run of {LARGE:,} items": f"/runs/{number}"}
    paths |= {f"its last page of items ({last})": f"/runs/{number}?page={last}"}

    def ask(path: str) -> None:
        answer = browser.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status}")

    return {what: _seconds(partial(ask, path)) for what, path in paths.items()}


def _commands(bridge: Bridge, settings: Settings, number: int) -> dict[str, list[float]]:
    def opened(*_: Any, **__: Any) -> AbstractContextManager[Bridge]:
        return nullcontext(bridge)

    def call(words: str) -> None:
        session = CommandSession(opened, {})
        session.__dict__["settings"] = settings
        done = CliRunner().invoke(main, words.split(), obj=session)
        if done.exit_code not in _SETTLED:
            raise RuntimeError(f"{words}: {done.output}")

    commands = (
        *("status", "centre list", "centre list --json", "centre show C01", "run list"),
        *("run list --centre C01", f"run list --centre C{SILENT}", f"run show {number} --most 200"),
        *("hold list", "hold show 2990", "person unmatched", "person unmatched --csv /dev/null"),
        *("resend --centre C01 --list", "token list"),
        *("webhook list", "lti list", "operator sessions"),
    )
    return {words: _seconds(partial(call, words)) for words in commands}


def _seconds(act: Callable[[], None]) -> list[float]:
    act()  # modules and statements are loaded once
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return found
