"""The catalogue's page with words and three filters, beside a bare "hello" on the same server."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import requests

from benchmarks import child
from benchmarks.lti import loading
from benchmarks.lti.serving import free_port, served
from benchmarks.report import Row
from lms_bridge.domain.model import Level, Modality
from lms_bridge.reference import reference
from lms_bridge.settings import load
from tests.fakes.postgres import TemporaryServer

OFFERINGS = 100_000
SINGLE, REQUESTS, ROUNDS = 1_000, 400, 5
MOST_MS, LEAST = 100.0, 0.2
"""The slowest of a hundred pages, one at a time; the share of the rate of "hello"."""
_WORDS = (
    "spectrum",
    "management",
    "monit",
    "edition",
    "networks",
    "licence",
    "course plan",
    "services",
)


def search(folder: Path, offerings: int = OFFERINGS) -> list[Row]:
    """Times and rates on SQLite and on PostgreSQL."""
    folder.mkdir()
    rows = _measured("SQLite", f"sqlite:///{folder / 'catalogue.db'}", folder, offerings)
    with TemporaryServer() as server:
        return rows + _measured("PostgreSQL", server.address, folder, offerings)


def _measured(name: str, address: str, folder: Path, offerings: int) -> list[Row]:
    child.run("catalogue", address=address, many=offerings)
    port, bare = free_port(), free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / "key"),
        "LMS_BRIDGE_WEB__PORT": str(port),
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        "LMS_BRIDGE_WEB__REQUESTS_PER_MINUTE": "1000000",  # counted, but never too many
    }
    command = [sys.executable, "-m", "lms_bridge", "serve"]
    hello = [sys.executable, "-m", "benchmarks.hello", str(bare), str(load().web.threads)]
    with (
        served(command, port, Path.cwd(), environment) as ours,
        served(hello, bare, Path.cwd(), {}) as theirs,
    ):
        pages = _pages(offerings)
        times = _one_at_a_time(ours.address, pages)
        rates, hellos = [], []
        for _ in range(ROUNDS):
            hellos.append(_rate(theirs.address, _hellos(), REQUESTS * 2))
            rates.append(_rate(ours.address, pages, REQUESTS))
    what = f"{name}: words and three filters over {offerings:,} offerings"
    first, *others = times
    slow = quantiles(others, n=100)[-1]
    share = median(own / bare for own, bare in zip(rates, hellos, strict=True))
    return [
        Row(
            f"{what}: p99, one at a time",
            f"{slow:.0f} ms (median {median(others):.0f} ms; the very first {first:,.0f} ms)",
            f"< {MOST_MS:.0f} ms",
            slow < MOST_MS,
            {"milliseconds": times},
        ),
        Row(
            f"{what}: rate / hello",
            f"{share:.0%} ({median(rates):,.0f}/s of {median(hellos):,.0f}/s)",
            f">= {LEAST:.0%}",
            share >= LEAST,
            {"rates": rates, "hello": hellos},
        ),
    ]


def _pages(offerings: int) -> Iterator[str]:
    """Questions in an order that is always the same: some of words that nobody asked for before."""
    chance, regions = random.Random(14), list(reference().regions)
    for number in count():
        rare = f"{chance.randrange(offerings)}"
        text = rare if number % 4 == 0 else chance.choice(_WORDS)
        filters = [
            f"region={chance.choice(regions)}",
            f"modality={chance.choice(list(Modality))}",
            f"level={chance.choice(list(Level))}",
            f"language={chance.choice(('en', 'fr'))}",
            f"price={chance.choice(('free', 'paid'))}",
            f"starts_from={2060 + chance.randrange(2)}-{1 + chance.randrange(12):02}-01",
        ]
        chosen = "&".join(chance.sample(filters, 3))
        yield f"/catalogue?text={text.replace(' ', '+')}&{chosen}"


def _hellos() -> Iterator[str]:
    while True:
        yield "/"


def _one_at_a_time(address: str, pages: Iterator[str]) -> list[float]:
    """Milliseconds of each page. The first one is asked for until the index is filled."""
    found: list[float] = []
    with requests.Session() as session:
        for _ in range(SINGLE + 1):
            path, began = next(pages), time.perf_counter()
            answer = session.get(address + path, timeout=120)
            while answer.status_code == 503 and not found:
                time.sleep(0.1)
                answer = session.get(address + path, timeout=120)
            found.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answered {answer.status_code}")
    return found


def _rate(address: str, paths: Iterator[str], many: int) -> float:
    scripts = (_ask(f"{address}{next(paths)}") for _ in range(many))
    return many / loading.run(address, scripts)


def _ask(address: str) -> loading.Script:
    answer = yield loading.get(address)
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}")
