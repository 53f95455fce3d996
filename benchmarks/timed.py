"""How long one thing takes that is done several times in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks.report import Row


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of each round. ``of_processor`` are without those of PostgreSQL's own processes."""

    by_clock: list[float]
    of_processor: list[float]

    def row(self, what: str, most: float) -> Row:
        """Whether the median by the clock is below so many seconds. On a busy machine the time of
        the processor says more."""
        middle, busy = median(self.by_clock), min(self.of_processor)
        return Row(
            what,
            f"{middle * 1000:.0f} ms, at most {max(self.by_clock) * 1000:.0f}; "
            f"processor {busy * 1000:.0f}",
            f"< {most * 1000:.0f} ms",
            middle < most,
            {"seconds": self.by_clock, "processor_seconds": self.of_processor},
        )


def timed(act: Callable[[], None], rounds: int) -> Timed:
    """The first time is not counted: modules, templates and statements are loaded then."""
    act()
    by_clock, of_processor = [], []
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        act()
        by_clock.append(time.perf_counter() - began)
        of_processor.append(time.process_time() - busy)
    return Timed(by_clock, of_processor)
