"""A night in which nothing changed: CPU time, memory, and rows written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from benchmarks.bridge import READ
from benchmarks.night import Night
from benchmarks.places import Place
from benchmarks.report import Row
from benchmarks.verifying import differences
from benchmarks.world import World

ROUNDS = 5
MOST_CPU, MOST_CPU_CHECKED, MOST_MB, MOST_GROWTH = 1.5, 1.6, 300.0, 1.15
ROWS_OF_A_RUN = 6
"""The run's row and its lease's: each inserted and changed; the lease's deleted. And the figures
of the day."""


def verify(folder: Path) -> Row:
    """The seeded world against one that real runs made."""
    different = differences(folder, World(1, 20, 20, 100))
    return Row(
        "Seeded centre against one after real nights: tables that differ",
        ", ".join(different) or "none",
        "none",
        not different,
    )


def memory(sizes: Iterable[tuple[int, Night]]) -> Row:
    """Peak memory of nights of the growing world, {centres: night}."""
    peaks = {centres: night.peak_mb for centres, night in sizes}
    least, most = min(peaks), max(peaks)
    growth = peaks[most] / peaks[least]
    return Row(
        "Quiet night: peak memory with " + ", ".join(map(str, peaks)) + " centres",
        ", ".join(f"{peak:.0f}" for peak in peaks.values()) + " MB",
        f"< {MOST_MB:.0f} MB, flat (<= {MOST_GROWTH} x)",
        max(peaks.values()) < MOST_MB and growth <= MOST_GROWTH,
        {"mb": {str(centres): peak for centres, peak in peaks.items()}},
    )


def cpu(place: Place) -> list[Row]:
    """CPU time against that of only reading and parsing the same bytes, in alternation."""
    ratios: dict[str, list[float]] = {"plain": [], READ: [], "checked": []}
    times: dict[str, list[float]] = {"parse": [], "night": []}
    nights = []
    for number in range(ROUNDS):
        parse, night = place.parse(), place.night()
        ratios["plain"].append(night.cpu / parse.cpu)
        times["parse"].append(parse.cpu)
        times["night"].append(night.cpu)
        nights.append(night)
        if number % 2 == 0:  # what has no target of its own, or is known to be easier
            parse_all, night_all = place.parse(READ), place.night(READ)
            ratios[READ].append(night_all.cpu / parse_all.cpu)
            nights.append(night_all)
    place.night(checks=True)  # what was checked has other bytes, and so is read once
    for _ in range(ROUNDS):
        parse, checked = place.parse(), place.night(checks=True)
        ratios["checked"].append(checked.cpu / parse.cpu)
        nights.append(checked)
    place.night()
    size = parse.counts["bytes"] / 1e6
    return [
        _ratio(f"CPU / reading and parsing {size:,.0f} MB", ratios["plain"], MOST_CPU, times),
        _ratio("the same, registrations of the Academy read too", ratios[READ], MOST_CPU),
        _ratio("the same as first, sources check all", ratios["checked"], MOST_CPU_CHECKED),
        _rows(place, nights),
    ]


def _ratio(
    what: str, ratios: list[float], most: float | None, raw: dict[str, list[float]] | None = None
) -> Row:
    middle = median(ratios)
    seconds = f" ({median(raw['night']):.2f} s / {median(raw['parse']):.2f} s)" if raw else ""
    return Row(
        f"Quiet night: {what}",
        f"{middle:.2f} x{seconds}, rounds {min(ratios):.2f}-{max(ratios):.2f}",
        "" if most is None else f"<= {most} x",
        None if most is None else middle <= most,
        {"ratios": ratios, **(raw or {})},
    )


def _rows(place: Place, nights: list[Night]) -> Row:
    expected = place.world.centres * ROWS_OF_A_RUN
    written = sorted({night.rows_written for night in nights})
    done = {"done": place.world.centres}
    whole = all(night.statuses == done and not night.counts["pages.changed"] for night in nights)
    return Row(
        "Quiet night: rows written, all in run, lease and the figures of the day",
        ", ".join(f"{number:,}" for number in written),
        f"{expected:,} ({ROWS_OF_A_RUN} a run)",
        written == [expected] and whole,
    )
