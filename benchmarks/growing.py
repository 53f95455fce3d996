"""Nights in which something changed: whether their time follows the changes or the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from statistics import median

from benchmarks.bridge import READ
from benchmarks.changes import Pick
from benchmarks.places import Place
from benchmarks.report import Row

ROUNDS = 3
MOST_BY_SIZE = 1.25
"""The same number of changes may cost so many times more in a world ten times as large."""
MOST_OFF_LINE = 1.15
"""And twice the changes so many times more than twice the time."""


@dataclass
class Nights:
    """Nights of one world, each with changes that no other had."""

    place: Place
    _versions: Iterator[int]

    def quiet(self) -> float:
        """CPU seconds of a night without changes."""
        return self.place.night(READ).cpu

    def changed(self, pick: Pick) -> float:
        """CPU seconds of a night with changes, all of which must have arrived."""
        made = self.place.change(pick, next(self._versions))
        night = self.place.night(READ)
        arrived = night.counts.get("enrolment.update.acknowledged", 0)
        if arrived != made or night.statuses != {"done": self.place.world.centres}:
            raise RuntimeError(f"{arrived} of {made} changes arrived: {night.statuses}")
        return night.cpu


def growth(large: Place, small: Place) -> list[Row]:
    """Compares nights of two worlds, and of one world with more and more changes."""
    versions = count(1)
    ours, tenth = Nights(large, versions), Nights(small, versions)
    one = large.world.total // 100
    together, apart = Pick(one, together=True), Pick(one)
    beyond: dict[str, list[float]] = {}

    def note(name: str, cpu: float, quiet: float) -> None:
        beyond.setdefault(name, []).append(cpu - quiet)

    for number in range(ROUNDS):
        quiet, quiet_tenth = ours.quiet(), tenth.quiet()
        note("tenth", tenth.changed(together), quiet_tenth)
        note("1 %", ours.changed(together), quiet)
        note("0.5 %", ours.changed(Pick(one // 2, together=True)), quiet)
        note("2 %", ours.changed(Pick(one * 2, together=True)), quiet)
        if number == 0:
            note("tenth, spread", tenth.changed(apart), quiet_tenth)
            note("spread", ours.changed(apart), quiet)
    cost = {name: median(each) for name, each in beyond.items()}
    raw = {"cpu beyond a quiet night": beyond}
    return [
        _by_size(f"{one:,} changes (1 %) in neighbouring offerings", cost["1 %"], cost["tenth"]),
        _by_size(f"{one:,} changes spread over all", cost["spread"], cost["tenth, spread"]),
        Row(
            "Changed night: 0.5 %, 1 %, 2 % changed, CPU beyond a quiet one",
            ", ".join(f"{cost[name]:.2f}" for name in ("0.5 %", "1 %", "2 %")) + " s",
            f"twice the changes <= {2 * MOST_OFF_LINE:.1f} x",
            max(cost["1 %"] / cost["0.5 %"], cost["2 %"] / cost["1 %"]) <= 2 * MOST_OFF_LINE,
            raw,
        ),
        Row(
            "Changed night: CPU per change at 1 %",
            f"{cost['1 %'] / one * 1e3:.2f} ms",
        ),
    ]


def _by_size(what: str, large: float, small: float) -> Row:
    return Row(
        f"Changed night: {what}, CPU beyond a quiet one / the same at a tenth of the size",
        f"{large / small:.2f} x ({large:.2f} s / {small:.2f} s)",
        f"<= {MOST_BY_SIZE} x",
        large / small <= MOST_BY_SIZE,
    )
