"""A page of the catalogue through the interface, beside a bare "hello" on the same server."""

from __future__ import annotations

import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from statistics import median

import orjson

from benchmarks import child
from benchmarks.lti import loading
from benchmarks.lti.serving import free_port, served
from benchmarks.report import Row
from tests.fakes.postgres import TemporaryServer

OFFERINGS, PAGE = 100_000, 50
REQUESTS, ROUNDS = 1_500, 5
LEAST = 0.25
"""The share of the rate of "hello" that a page of the catalogue must reach."""
FILTERS = (
    "region=africa&modality=blended",
    "region=europe&level=advanced",
    "modality=online_instructor_led&level=intermediate",
    "region=cis&language=en",
)
"""Two of them at a time."""
_HELLO = [
    *(sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1"),
    *("--blocking-threads", "8", "--no-ws", "--log-level", "error", "--host", "127.0.0.1"),
]


def interface(folder: Path) -> list[Row]:
    """Rates on SQLite and on PostgreSQL, each in alternation with those of "hello"."""
    folder.mkdir()
    rows = _measured("SQLite", f"sqlite:///{folder / 'catalogue.db'}", folder)
    with TemporaryServer() as server:
        rows += _measured("PostgreSQL", server.address, folder)
    return rows


def _measured(name: str, address: str, folder: Path) -> list[Row]:
    child.run("catalogue", address=address, many=OFFERINGS)
    port, bare = free_port(), free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / "key"),
        "LMS_BRIDGE_WEB__PORT": str(port),
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        "LMS_BRIDGE_API__OPEN_REQUESTS_PER_MINUTE": "1000000000",  # counted, and never too many
    }
    command = [sys.executable, "-m", "lms_bridge", "serve"]
    hello = [*_HELLO, "--port", str(bare), "benchmarks.hello:app"]
    with (
        served(command, port, Path.cwd(), environment) as ours,
        served(hello, bare, Path.cwd(), {}) as theirs,
    ):
        rounds = {"first pages": False, "any pages": True}
        return [
            _row(name, what, deep, ours.address, theirs.address) for what, deep in rounds.items()
        ]


def _row(name: str, what: str, deep: bool, ours: str, theirs: str) -> Row:
    """``deep`` asks for pages from anywhere in the catalogue, which were mostly not made before."""
    paths = [f"/api/v1/offerings?{query}" for query in FILTERS]
    _rate(ours, paths, 40, deep)
    _rate(theirs, ["/"], 200, False)
    shares, rates, hellos = [], [], []
    for _ in range(ROUNDS):
        hellos.append(_rate(theirs, ["/"], REQUESTS * 2, False))
        rates.append(_rate(ours, paths, REQUESTS, deep))
        shares.append(rates[-1] / hellos[-1])
    share = median(shares)
    return Row(
        f"{name}: {what} of {PAGE} offerings of {OFFERINGS:,}, two filters: rate / hello",
        f"{share:.0%} ({median(rates):,.0f}/s of {median(hellos):,.0f}/s)",
        f">= {LEAST:.0%}" if not deep else "",
        share >= LEAST if not deep else None,
        {"rates": rates, "hello": hellos},
    )


def _rate(address: str, paths: list[str], many: int, deep: bool) -> float:
    scripts = (_ask(f"{address}{_from(paths[n % len(paths)], n, deep)}") for n in range(many))
    return many / loading.run(address, scripts)


def _from(path: str, number: int, deep: bool) -> str:
    if not deep:
        return path
    after = number * 7_919 % (OFFERINGS - 5_000)
    cursor = urlsafe_b64encode(f"after:{after}".encode()).decode().rstrip("=")
    return f"{path}&cursor={cursor}"


def _ask(address: str) -> loading.Script:
    answer = yield loading.get(address)
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}")
    if "offerings" in address and len(orjson.loads(answer.body)["items"]) != PAGE:
        raise RuntimeError(f"{address} did not answer with a whole page")
