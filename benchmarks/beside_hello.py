"""The bridge over many sample offerings, beside a bare "hello" on the same server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import child
from benchmarks.lti import loading
from benchmarks.lti.serving import free_port, served
from benchmarks.report import Row
from lms_bridge.settings import load
from tests.fakes.postgres import TemporaryServer

ROUNDS = 5


def on_both(folder: Path, measured: Callable[[str, str], list[Row]]) -> list[Row]:
    """Rows of SQLite and of PostgreSQL: of its name and its address."""
    folder.mkdir()
    rows = measured("SQLite", f"sqlite:///{folder / 'catalogue.db'}")
    with TemporaryServer() as server:
        return rows + measured("PostgreSQL", server.address)


@contextmanager
def beside_hello(
    address: str, offerings: int, folder: Path, unlimited: str
) -> Iterator[tuple[str, str]]:
    """The addresses of the bridge and of "hello", with as many threads. ``unlimited`` is a setting
    of requests per minute: they are counted, but never too many."""
    child.run("catalogue", address=address, many=offerings)
    port, bare = free_port(), free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / "key"),
        "LMS_BRIDGE_WEB__PORT": str(port),
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        f"LMS_BRIDGE_{unlimited}": "1000000",
    }
    bridge = [sys.executable, "-m", "lms_bridge", "serve"]
    hello = [sys.executable, "-m", "benchmarks.hello", str(bare), str(load().web.threads)]
    with (
        served(bridge, port, Path.cwd(), environment) as ours,
        served(hello, bare, Path.cwd(), {}) as theirs,
    ):
        yield ours.address, theirs.address


def rates(
    ours: str, theirs: str, pages: Iterator[str], requests: int
) -> tuple[list[float], list[float]]:
    """Rates of these pages and of "hello", in alternation."""
    own, bare = [], []
    for _ in range(ROUNDS):
        bare.append(rate(theirs, hellos(), requests * 2))
        own.append(rate(ours, pages, requests))
    return own, bare


def hellos() -> Iterator[str]:
    while True:
        yield "/"


def rate(address: str, paths: Iterator[str], many: int) -> float:
    scripts = (_ask(f"{address}{next(paths)}") for _ in range(many))
    return many / loading.run(address, scripts)


def _ask(address: str) -> loading.Script:
    answer = yield loading.get(address)
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}")
