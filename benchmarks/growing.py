"""Nights in which something changed: whether their time follows the changes or the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from statistics import median

from benchmarks.bridge import READ
from benchmarks.changes import Pick
from benchmarks.night import Night
from benchmarks.places import Place
from benchmarks.report import Row

ROUNDS = 2
MOST_BY_SIZE = 1.25
"""The same number of changes may cost so many times more in a world ten times as large."""
MOST_OFF_LINE = 1.15
"""And twice the changes so many times more than twice the time."""


@dataclass
class Nights:
    """Nights of one world, each with changes that no other had."""

    place: Place
    _versions: Iterator[int]
    _quiet: float = 0.0

    def quiet(self) -> None:
        """A night without changes, to which the next ones are compared."""
        self._quiet = self._night().cpu

    def beyond(self, pick: Pick) -> float:
        """CPU seconds that changes take beyond quiet nights: in the night that brings them, and in
        the next, which looks at the rosters that were written to."""
        made = self.place.change(pick, next(self._versions))
        night = self._night()
        arrived = night.counts.get("enrolment.update.acknowledged", 0)
        if arrived != made:
            raise RuntimeError(f"{arrived} of {made} changes arrived")
        return night.cpu + self._night().cpu - 2 * self._quiet

    def _night(self) -> Night:
        night = self.place.night(READ)
        if night.statuses != {"done": self.place.world.centres}:
            raise RuntimeError(f"a night went wrong: {night.statuses}")
        return night


def growth(large: Place, small: Place) -> list[Row]:
    """Compares nights of two worlds, and of one world with more and more changes."""
    versions = count(1)
    cost = _beyond(Nights(large, versions), Nights(small, versions))
    middle = {name: median(each) for name, each in cost.items()}
    one = large.world.total // 100
    few, many = small.world.centres, large.world.centres
    rows = [
        _by_size(f"in {few} centres", middle["few"], middle["tenth"]),
        _by_size(f"in {many} centres", middle["1 %"], middle["tenth"]),
        _by_size("on every page of registrations", middle["spread"], middle["tenth, spread"]),
        Row(
            "Changed night: 0.5 %, 1 %, 2 % changed, CPU beyond a quiet one",
            ", ".join(f"{middle[name]:.2f}" for name in ("0.5 %", "1 %", "2 %")) + " s",
            f"twice the changes <= {2 * MOST_OFF_LINE:.1f} x",
            max(middle["1 %"] / middle["0.5 %"], middle["2 %"] / middle["1 %"])
            <= 2 * MOST_OFF_LINE,
            {"cpu beyond a quiet night": cost},
        ),
    ]
    per_change = f"{middle['few'] / one * 1e3:.2f} ms"
    return [*rows, Row(f"Changed night: CPU per change, in {few} centres", per_change)]


def _beyond(ours: Nights, tenth: Nights) -> dict[str, list[float]]:
    """CPU seconds that each kind of changed night took beyond a quiet one of its world."""
    one = ours.place.world.total // 100
    few, many = tenth.place.world.centres, ours.place.world.centres
    beyond: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        ours.quiet()
        tenth.quiet()
        costs = {
            "tenth": tenth.beyond(Pick(one, few)),
            "few": ours.beyond(Pick(one, few)),
            "1 %": ours.beyond(Pick(one, many)),
        }
        if number == 0:
            costs["0.5 %"] = ours.beyond(Pick(one // 2, many))
            costs["2 %"] = ours.beyond(Pick(one * 2, many))
            costs["tenth, spread"] = tenth.beyond(Pick(one, few, together=False))
            costs["spread"] = ours.beyond(Pick(one, many, together=False))
        for name, cost in costs.items():
            beyond.setdefault(name, []).append(cost)
    return beyond


def _by_size(where: str, large: float, small: float) -> Row:
    return Row(
        f"Changed night: 1 % changed, {where}: CPU beyond a quiet one / the same changes in a "
        "world a tenth as large",
        f"{large / small:.2f} x ({large:.2f} s / {small:.2f} s)",
        f"<= {MOST_BY_SIZE} x",
        large / small <= MOST_BY_SIZE,
    )
