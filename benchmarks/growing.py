"""Nights in which something changed: whether their time follows the changes or the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

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
    """Nights of one world, each with changes that no other had.

    Of several nights of a kind the one that took least counts: whatever else the machine does only
    ever adds to CPU time.
    """

    place: Place
    versions: Iterator[int]
    taken: dict[str, list[float]] = field(default_factory=dict)

    def quiet(self) -> None:
        """A night without changes, to which the others are compared."""
        self._note("quiet", self._night().cpu)

    def changed(self, kind: str, pick: Pick) -> None:
        """The night that brings the changes, and the next, which looks at the rosters that were
        written to."""
        made = self.place.change(pick, next(self.versions))
        night = self._night()
        arrived = night.counts.get("enrolment.update.acknowledged", 0)
        if arrived != made:
            raise RuntimeError(f"{arrived} of {made} changes arrived")
        self._note(kind, night.cpu + self._night().cpu)

    def beyond(self, kind: str) -> float:
        """CPU seconds that the changes took beyond two quiet nights."""
        return min(self.taken[kind]) - 2 * min(self.taken["quiet"])

    def _night(self) -> Night:
        night = self.place.night(READ)
        if night.statuses != {"done": self.place.world.centres}:
            raise RuntimeError(f"a night went wrong: {night.statuses}")
        return night

    def _note(self, kind: str, cpu: float) -> None:
        self.taken.setdefault(kind, []).append(cpu)


def growth(large: Place, small: Place) -> list[Row]:
    """Compares nights of two worlds, and of one world with more and more changes."""
    versions = count(1)
    ours, tenth = Nights(large, versions), Nights(small, versions)
    _spend(ours, tenth)
    one = large.world.total // 100
    few, many = small.world.centres, large.world.centres
    half, whole, double = (ours.beyond(kind) for kind in ("0.5 %", "1 %", "2 %"))
    rows = [
        _by_size(f"in {few} centres", ours.beyond("few"), tenth.beyond("1 %")),
        _by_size(f"in {many} centres", whole, tenth.beyond("1 %")),
        _by_size("on every page of registrations", ours.beyond("spread"), tenth.beyond("spread")),
        Row(
            "Changed night: 0.5 %, 1 %, 2 % changed, CPU beyond a quiet one",
            f"{half:.2f}, {whole:.2f}, {double:.2f} s",
            f"twice the changes <= {2 * MOST_OFF_LINE:.1f} x",
            max(whole / half, double / whole) <= 2 * MOST_OFF_LINE,
            {"cpu": ours.taken, "cpu at a tenth of the size": tenth.taken},
        ),
    ]
    per_change = f"{ours.beyond('few') / one * 1e3:.2f} ms"
    return [*rows, Row(f"Changed night: CPU per change, in {few} centres", per_change)]


def _spend(ours: Nights, tenth: Nights) -> None:
    """The nights themselves, those that are compared side by side."""
    one = ours.place.world.total // 100
    few, many = tenth.place.world.centres, ours.place.world.centres
    for _ in range(ROUNDS):
        ours.quiet()
        tenth.quiet()
        ours.changed("few", Pick(one, few))
        tenth.changed("1 %", Pick(one, few))
        ours.changed("0.5 %", Pick(one // 2, many))
        ours.changed("1 %", Pick(one, many))
        ours.changed("2 %", Pick(one * 2, many))
    ours.changed("spread", Pick(one, many, together=False))
    tenth.changed("spread", Pick(one, few, together=False))
    ours.quiet()
    tenth.quiet()


def _by_size(where: str, large: float, small: float) -> Row:
    return Row(
        f"Changed night: 1 % changed, {where}: CPU beyond a quiet one / the same changes in a "
        "world a tenth as large",
        f"{large / small:.2f} x ({large:.2f} s / {small:.2f} s)",
        f"<= {MOST_BY_SIZE} x",
        large / small <= MOST_BY_SIZE,
    )
