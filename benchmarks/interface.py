"""A page of the catalogue through the interface, beside a bare "hello" on the same server."""

from __future__ import annotations

import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from statistics import median

from benchmarks import child
from benchmarks.lti import loading
from benchmarks.lti.serving import free_port, served
from benchmarks.report import Row
from lms_bridge.domain.model import Level, Modality
from lms_bridge.reference import reference
from lms_bridge.settings import load
from tests.fakes.postgres import TemporaryServer

OFFERINGS, PAGE = 100_000, 50
REQUESTS, ROUNDS = 1_500, 5
LEAST = 0.2
"""The share of the rate of "hello" that a page of the catalogue must reach."""
_STEP, _LAST = 7_919, OFFERINGS - 5_000
"""Pages begin so far from each other, and none so late that it is not whole. The two have no
divisor in common: no page is asked for twice in as many requests."""


def interface(folder: Path) -> list[Row]:
    """Rates on SQLite and on PostgreSQL, each in alternation with those of "hello"."""
    folder.mkdir()
    rows = _measured("SQLite", f"sqlite:///{folder / 'catalogue.db'}", folder)
    with TemporaryServer() as server:
        return rows + _measured("PostgreSQL", server.address, folder)


def _measured(name: str, address: str, folder: Path) -> list[Row]:
    child.run("catalogue", address=address, many=OFFERINGS)
    port, bare = free_port(), free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / "key"),
        "LMS_BRIDGE_WEB__PORT": str(port),
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        "LMS_BRIDGE_API__OPEN_REQUESTS_PER_MINUTE": "1000000",  # counted, but never too many
    }
    command = [sys.executable, "-m", "lms_bridge", "serve"]
    with (
        served(command, port, Path.cwd(), environment) as ours,
        served(_hello(bare), bare, Path.cwd(), {}) as theirs,
    ):
        return [_row(name, ours.address, theirs.address)]


def _hello(port: int) -> list[str]:
    """On the server that the bridge is served by, with as many threads."""
    return [sys.executable, "-m", "benchmarks.hello", str(port), str(load().web.threads)]


def _row(name: str, ours: str, theirs: str) -> Row:
    pages = _pages()
    _rate(ours, pages, 200)
    _rate(theirs, _hellos(), 200)
    rates, hellos = [], []
    for _ in range(ROUNDS):
        hellos.append(_rate(theirs, _hellos(), REQUESTS * 2))
        rates.append(_rate(ours, pages, REQUESTS))
    share = median(own / bare for own, bare in zip(rates, hellos, strict=True))
    return Row(
        f"{name}: a page of {PAGE} offerings of {OFFERINGS:,} that nobody asked for before, two "
        "filters: rate / hello",
        f"{share:.0%} ({median(rates):,.0f}/s of {median(hellos):,.0f}/s)",
        f">= {LEAST:.0%}",
        share >= LEAST,
        {"rates": rates, "hello": hellos},
    )


def _hellos() -> Iterator[str]:
    while True:
        yield "/"


def _pages() -> Iterator[str]:
    """Each with another beginning, and in turn with each pair of filters."""
    pairs = filters()
    for number in count():
        after = number * _STEP % _LAST
        cursor = urlsafe_b64encode(f"after:{after}".encode()).decode().rstrip("=")
        yield f"/api/v1/offerings?{pairs[number % len(pairs)]}&cursor={cursor}"


def filters() -> list[str]:
    """Pairs of filters that find whole pages of the sample offerings, as many of each kind."""
    regions = list(enumerate(reference().regions))
    modalities = list(enumerate(Modality))
    kinds = (
        # Every second modality is that of every second centre, hence of every second region.
        [
            f"region={region}&modality={modality}"
            for (first, region), (second, modality) in product(regions, modalities)
            if first % 2 == second % 2
        ],
        [f"region={region}&level={level}" for (_, region), level in product(regions, Level)],
        [f"modality={each}&level={level}" for (_, each), level in product(modalities, Level)],
        [
            f"region={each}&language={language}"
            for (_, each) in regions
            for language in ("en", "fr")
        ],
    )
    return [pair for kind in zip(*kinds, strict=False) for pair in kind]


def _rate(address: str, paths: Iterator[str], many: int) -> float:
    scripts = (_ask(f"{address}{next(paths)}") for _ in range(many))
    return many / loading.run(address, scripts)


def _ask(address: str) -> loading.Script:
    answer = yield loading.get(address)
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}")
    if "offerings" in address and answer.body.count(b'"course_code"') != PAGE:
        raise RuntimeError(f"{address} did not answer with a whole page")
