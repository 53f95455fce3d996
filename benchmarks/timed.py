"""How long one thing takes that is done several times in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import text

from benchmarks.report import Row
from lms_bridge.store.database import Database


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds: of each round by the clock, and of the processor; ``of_database`` are those that
    PostgreSQL's processes took for a round, on the average. SQLite's are among ``of_processor``."""

    by_clock: list[float]
    of_processor: list[float]
    of_database: float

    @property
    def cost(self) -> float:
        """What it takes where nothing else runs: time by the clock counts others' work, too."""
        return min(self.of_processor) + self.of_database

    def row(self, what: str, most: float) -> Row:
        return Row(
            what,
            f"{self.cost * 1000:.0f} ms of the processor; by the clock "
            f"{median(self.by_clock) * 1000:.0f}, at most {max(self.by_clock) * 1000:.0f}",
            f"< {most * 1000:.0f} ms",
            self.cost < most,
            asdict(self),
        )


def timed(act: Callable[[], None], rounds: int, database: Database) -> Timed:
    """The first time is not counted: modules, templates and statements are loaded then."""
    act()
    by_clock, of_processor = [], []
    before = _seconds_of(database)
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        act()
        by_clock.append(time.perf_counter() - began)
        of_processor.append(time.process_time() - busy)
    return Timed(by_clock, of_processor, (_seconds_of(database) - before) / rounds)


def _seconds_of(database: Database) -> float:
    """What the processes that serve the database took so far: PostgreSQL's on this machine."""
    if database.embedded:
        return 0.0
    with database.reading() as tx:
        query = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        numbers = list(tx.scalars(query))
    stats = [Path(f"/proc/{number}/stat").read_text(encoding="utf-8") for number in numbers]
    ticks = (stat.rpartition(")")[2].split()[11:13] for stat in stats)
    return sum(int(user) + int(system) for user, system in ticks) / os.sysconf("SC_CLK_TCK")
