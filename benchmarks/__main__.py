"""``python -m benchmarks``: measures, prints a table and keeps it in benchmarks/results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from benchmarks.report import Row, keep, machine, show
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


def measure(folder: Path, world: World, parts: Sequence[str], sizes: Sizes) -> list[Row]:
    """The rows of the chosen parts. The world grows to its size; memory is taken on the way.
    ``sizes`` holds what single parts are given besides their folder."""
    tenth = world.centres // 10
    rows: list[Row] = []
    if "enrolling" in parts:
        _say("enrolling")
        rows += rates.rates()
    if "quiet" in parts or "changed" in parts:
        rows.append(quiet.verify(folder / "verified"))
        place = Place.sqlite(folder / "large", world)
        nights = []
        for centres in (world.centres // 4, world.centres // 2, world.centres):
            _say(f"making a world of {centres} centres")
            place = place.seeded(centres)
            nights.append((centres, place.night()))
        if "quiet" in parts:
            _say("quiet nights")
            rows += [*quiet.cpu(place), quiet.memory(nights)]
        if "changed" in parts:
            _say("changed nights")
            small = Place.sqlite(folder / "small", world).seeded(tenth)
            rows += growing.growth(place, small)
    if "postgresql" in parts:
        _say("PostgreSQL")
        rows += postgresql.nights(folder / "postgresql", replace(world, centres=tenth // 2 or 1))
    for name in [name for name in _APART if name in parts]:
        _say(name)
        rows += _APART[name](folder / name, **sizes.get(name, {}))
    if not set(lti.PARTS).isdisjoint(parts):
        _say("LTI")
        rows += lti.measure(folder, parts)
    return rows


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} ...", flush=True)


def main() -> None:
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
        rows = measure(Path(folder), world, options.only or PARTS, sizes)
    seconds = time.monotonic() - began
    show(rows)
    keep(rows, facts, seconds)
    print(f"{seconds:.0f} s; Python {facts['python']}, {facts['processors']} processors")


if __name__ == "__main__":
    main()
