"""Which enrolments change before a night, and changing them at their source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.answers import change_registrations
from benchmarks.world import World


@dataclass(frozen=True, slots=True)
class Pick:
    """Which enrolments change: so many in all, in as many ``centres``; in each of these spread
    evenly over all offerings, or ``together`` in neighbouring ones, such as are open for
    registration at a time."""

    changes: int
    centres: int
    together: bool = True

    def of_centre(self, world: World, version: int) -> list[int]:
        """Numbers of the enrolments of each of the centres, in the Academy's order."""
        each = self.changes // self.centres
        if self.together:
            start = version * 997 % world.per_centre
            return [(start + number) % world.per_centre for number in range(each)]
        step = world.per_centre / each
        offset = version * 13 % max(1, int(step))
        return [int(number * step) + offset for number in range(each)]


def change(folder: Path, world: World, pick: Pick, version: int) -> int:
    """Changes the sources for the next night and gives the number of changes."""
    chosen = sorted(set(pick.of_centre(world, version)))
    for centre in range(pick.centres):
        change_registrations(folder, centre, version, chosen)
    return len(chosen) * pick.centres
