"""``python -m benchmarks``: measures, prints a table and keeps it in benchmarks/results."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    feeds,
    growing,
    interface,
    learning,
    moodle_runs,
    operations,
    postgresql,
    publishing,
    pushes,
    quiet,
    rates,
    search,
    waits,
    year,
)
from benchmarks.lti import measuring as lti
from benchmarks.places import Place
from benchmarks.report import FAILED, Row, keep, machine, show
from benchmarks.world import World

_APART: dict[str, Callable[..., list[Row]]] = {
    "feeds": feeds.feeds,
    "interface": interface.interface,
    "learning": learning.learning,
    "moodle": moodle_runs.moodle_runs,
    "operations": operations.operations,
    "publishing": publishing.publishing,
    "push": pushes.pushes,
    "search": search.search,
    "waits": waits.waits,
    "year": year.year,
}
"""Parts that need nothing of the others: each is given a folder of its own."""
Sizes = Mapping[str, Mapping[str, int]]
PARTS = ("enrolling", "quiet", "changed", "postgresql", *_APART, *lti.PARTS)


Part = tuple[str, Callable[[], Iterable[Row]]]


def planned(folder: Path, world: World, parts: Sequence[str], sizes: Sizes) -> Iterator[Part]:
    """The chosen parts, each with its name and what gives its rows.
    ``sizes`` holds what single parts are given besides their folder."""
    tenth = world.centres // 10
    if "enrolling" in parts:
        yield "enrolling", rates.rates
    if "quiet" in parts or "changed" in parts:
        yield "nights", lambda: _nights(folder, world, parts)
    if "postgresql" in parts:
        less = replace(world, centres=tenth // 2 or 1)
        yield "postgresql", lambda: postgresql.nights(folder / "postgresql", less)
    for name in [name for name in _APART if name in parts]:
        yield name, partial(_APART[name], folder / name, **sizes.get(name, {}))
    for name in [name for name in lti.PARTS if name in parts]:
        yield name, partial(lti.PARTS[name], folder)


def _nights(folder: Path, world: World, parts: Sequence[str]) -> Iterator[Row]:
    """The world grows to its size; memory is taken on the way."""
    yield quiet.verify(folder / "verified")
    place = Place.sqlite(folder / "large", world)
    nights = []
    for centres in (world.centres // 4, world.centres // 2, world.centres):
        _say(f"making a world of {centres} centres")
        place = place.seeded(centres)
        nights.append((centres, place.night()))
    if "quiet" in parts:
        _say("quiet nights")
        yield from (*quiet.cpu(place), quiet.memory(nights))
    if "changed" in parts:
        _say("changed nights")
        small = Place.sqlite(folder / "small", world).seeded(world.centres // 10)
        yield from growing.growth(place, small)


def measure(parts: Iterable[Part], keep_rows: Callable[[Sequence[Row]], None]) -> list[Row]:
    """The rows of the parts, kept after each part. A part that fails costs no other part's rows:
    it becomes a row itself."""
    rows: list[Row] = []
    for name, measured in parts:
        _say(name)
        try:
            rows.extend(measured())
        except Exception as error:  # the others took long, and say something all the same
            traceback.print_exc()
            rows.append(Row(name, FAILED, raw={"error": type(error).__name__}))
        keep_rows(rows)
    return rows


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} ...", flush=True)


def main() -> int:
    """Returns 1 where a part could not be measured. A missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="may be repeated")
    parser.add_argument("--centres", type=int, default=World().centres, help="at least 10")
    parser.add_argument(
        "--enrolments",
        type=int,
        default=waits.ENROLMENTS,
        help="of the import for which others wait",
    )
    parser.add_argument("--runs", type=int, default=operations.RUNS, help="of a year of operations")
    parser.add_argument(
        "--offerings", type=int, default=learning.OFFERINGS, help="beside a learner's courses"
    )
    options = parser.parse_args()
    sizes = {
        "waits": {"enrolments": options.enrolments},
        "learning": {"offerings": options.offerings},
        "operations": {"runs": options.runs},
    }
    began = time.monotonic()
    facts = machine()
    with TemporaryDirectory(prefix="lms-bridge-benchmarks-") as folder:
        world = World(centres=options.centres)
        parts = planned(Path(folder), world, options.only or PARTS, sizes)
        rows = measure(parts, lambda rows: keep(rows, facts, time.monotonic() - began))
    show(rows)
    seconds = time.monotonic() - began
    print(f"{seconds:.0f} s; Python {facts['python']}, {facts['processors']} processors")
    return any(row.measured == FAILED for row in rows)


if __name__ == "__main__":
    sys.exit(main())
