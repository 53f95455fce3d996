"""How long others wait while one centre's first import goes on: launches, health, small writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from sqlalchemy import insert

from benchmarks import child
from benchmarks.databases import both
from benchmarks.lti.launches import Visit, launch_all
from benchmarks.lti.platform import platform
from benchmarks.lti.tools import bridge
from benchmarks.report import Row
from benchmarks.world import World
from lms_bridge.domain.clock import utc_now
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import schedule_state

ENROLMENTS = 20_000
EACH, COURSES_OF_ONE = 50, 4
"""Enrolments in a course, and courses of one person."""
MOST_SECONDS = 1.0
_PAUSE, _PATIENCE = 0.05, 120.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What the import took; the memory is what it added to that of the process."""

    seconds: float
    added_mb: float
    enrolments: int


def waits(folder: Path, enrolments: int = ENROLMENTS) -> list[Row]:
    """The first run of a centre with so many enrolments, in a process of its own. Another process
    serves; a third one writes. The run reads, finds accounts, and enrols everybody."""
    folder.mkdir()
    offerings = max(1, enrolments // EACH)
    world = World(1, offerings, EACH, max(EACH, offerings * EACH // COURSES_OF_ONE))
    rows = []
    for databases in both(folder):
        place = folder / databases.name
        place.mkdir()
        rows += _measured(databases.name, databases.fresh("waits"), place, world)
    return rows


def _measured(name: str, address: str, folder: Path, world: World) -> list[Row]:
    found: dict[str, list[float]] = {}
    with platform() as sender, bridge(sender, folder, address) as tool:
        given = {"address": address, "folder": str(folder)}
        child.run("before_import", **given, world=asdict(world))
        database = Database(address)
        launch_all(tool, sender, [Visit() for _ in range(20)])  # the key set is read once
        others: dict[str, Callable[[], object]] = {
            "launch": lambda: launch_all(tool, sender, [Visit()]),
            "/health": lambda: requests.get(
                f"{tool.server.address}/health", timeout=_PATIENCE
            ).raise_for_status(),
            "write": lambda: _write(database),
        }
        with _asking(others, found):
            imported = Imported(**child.run("import", **given))
        database.close()
    if imported.enrolments != world.total:
        raise RuntimeError(f"{imported.enrolments} of {world.total} enrolments were made")
    of_each = imported.added_mb * 1000 / world.total
    what = f"{name}: import of {world.total:,} enrolments"
    return [
        *(_row(f"{what}, the wait of a {kind}", seconds) for kind, seconds in found.items()),
        Row(
            f"{what}: memory beyond the start",
            f"{imported.added_mb:.0f} MB, {of_each:.2f} kB each ({imported.seconds:.0f} s)",
        ),
    ]


def _row(what: str, seconds: list[float]) -> Row:
    ordered = sorted(seconds)
    worst, common = ordered[-1], ordered[max(0, round(0.99 * len(ordered)) - 1)]
    return Row(
        what,
        f"worst {worst:.2f} s, p99 {common:.2f} s of {len(ordered):,}",
        f"worst < {MOST_SECONDS:g} s",
        worst < MOST_SECONDS,
        {"seconds": seconds},
    )


@contextmanager
def _asking(
    others: dict[str, Callable[[], object]], found: dict[str, list[float]]
) -> Iterator[None]:
    """Each of the others acts again and again, in a thread of its own, until the block ends."""
    over, failed = threading.Event(), []

    def ask(name: str, act: Callable[[], object]) -> None:
        try:
            while not over.wait(_PAUSE):
                began = time.monotonic()
                act()
                found[name].append(time.monotonic() - began)
        except Exception as error:  # told below, in the thread that measures
            failed.append(error)

    found.update({name: [] for name in others})
    threads = [threading.Thread(target=ask, args=each) for each in others.items()]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join()
    if failed:
        raise failed[0]


def _write(database: Database) -> None:
    """One small row, as a launch or a push writes it, and away again."""
    with database.writing() as tx:
        tx.execute(insert(schedule_state).values(job="benchmark", last_at=utc_now()))
        tx.execute(schedule_state.delete().where(schedule_state.c.job == "benchmark"))
