"""The same nights with PostgreSQL in place of SQLite, in a small world."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.bridge import READ
from benchmarks.changes import Pick
from benchmarks.places import Place
from benchmarks.report import Row
from benchmarks.world import World
from tests.fakes.postgres import TemporaryServer

ROUNDS = 3


def nights(folder: Path, world: World) -> list[Row]:
    """The bridge's own CPU time; the server's is not in it."""
    folder.mkdir()
    with TemporaryServer() as server:
        empty = Place(folder, server.address, World(0, world.offerings, world.enrolments))
        place = empty.seeded(world.centres)
        ratios = [place.night(READ).cpu / place.parse(READ).cpu for _ in range(ROUNDS)]
        made = place.change(Pick(world.total // 100, world.centres), 1)
        night = place.night(READ)
    arrived = night.counts.get("enrolment.update.acknowledged", 0)
    return [
        Row(
            f"PostgreSQL, {world.centres} centres, quiet night: CPU / reading and parsing",
            f"{median(ratios):.2f} x, rounds {min(ratios):.2f}-{max(ratios):.2f}",
            raw={"ratios": ratios},
        ),
        Row(
            f"PostgreSQL, {world.centres} centres, {made:,} changes: arrived, wall-clock time",
            f"{arrived:,}, {night.seconds:.1f} s",
            f"{made:,}",
            arrived == made,
        ),
    ]
