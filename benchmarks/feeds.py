"""The catalogue's feeds over HTTP: how fast they come, and whether memory stays flat."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks import child
from benchmarks.lti.serving import free_port, served, workers_memory
from benchmarks.report import Row
from tests.fakes.postgres import TemporaryServer

FEW, MANY = 10_000, 100_000
PATHS = ("/catalogue.ics", "/catalogue.csv")
FLAT_MB = 16.0
"""More memory than before, however many offerings: a few pages of entries and blocks of text."""
_SLOW_SECONDS = 3.0
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Reading:
    """One feed read to its end. ``grown_mb`` is the most that the worker held beyond what it held
    before, while it was read and while a slow reader held the same answer up."""

    seconds: float
    size_mb: float
    grown_mb: float


def feeds(folder: Path) -> list[Row]:
    folder.mkdir()
    rows = []
    for many in (FEW, MANY):
        address = f"sqlite:///{folder / f'{many}.db'}"
        rows += _measured("SQLite", address, many, folder)
    with TemporaryServer() as server:
        rows += _measured("PostgreSQL", server.address, MANY, folder)
    return rows


def _measured(name: str, address: str, many: int, folder: Path) -> list[Row]:
    child.run("catalogue", address=address, many=many)
    port = free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / "key"),
        "LMS_BRIDGE_WEB__PORT": str(port),
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        "LMS_BRIDGE_WEB__FEEDS_PER_MINUTE": "1000000",  # counted, but never too many
    }
    command = [sys.executable, "-m", "lms_bridge", "serve"]
    rows = []
    with served(command, port, Path.cwd(), environment) as server:
        for path in PATHS:
            requests.get(f"{server.address}{path}?centre=C00", timeout=600).raise_for_status()
            found = _read(server.address + path, server.process)
            rows.append(_row(name, path, many, found))
    return rows


def _read(address: str, process: int) -> Reading:
    before = most = workers_memory(process)
    size, began, looked = 0, time.perf_counter(), 0.0
    with requests.get(address, stream=True, timeout=600) as response:
        response.raise_for_status()
        for block in response.iter_content(_BLOCK):
            size += len(block)
            if time.perf_counter() - looked > 0.2:
                most, looked = max(most, workers_memory(process)), time.perf_counter()
    seconds = time.perf_counter() - began
    most = max(most, workers_memory(process))
    with requests.get(address, stream=True, timeout=600) as response:
        next(response.iter_content(_BLOCK))
        time.sleep(_SLOW_SECONDS)  # what a server keeps for a reader that does not read
        most = max(most, workers_memory(process))
    return Reading(seconds, size / 1e6, most - before)


def _row(name: str, path: str, many: int, found: Reading) -> Row:
    rate = f"{many / found.seconds:,.0f} offerings/s, {found.size_mb:.0f} MB"
    raw: dict[str, Any] = asdict(found)
    return Row(
        f"{name}: {path} of {many:,} offerings, memory beyond that before",
        f"{found.grown_mb:.0f} MB; {rate}",
        f"<= {FLAT_MB:.0f} MB",
        found.grown_mb <= FLAT_MB,
        raw,
    )
