"""Steps of the benchmark, each in a process of its own: memory and CPU time are then its alone.

``python -m benchmarks.child`` reads one JSON object from its input, ``{"step": ..., ...}``, and
writes another to its output.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bridge import Sources
from benchmarks.catalogue import fill
from benchmarks.enrolling import Moodle, bridge_rate
from benchmarks.first_import import before_import, import_all
from benchmarks.night import only_parse, run_night
from benchmarks.pushing import only_load, push_memory, push_twice
from benchmarks.seeding import seed
from benchmarks.world import World

Arguments = dict[str, Any]


def _sources(given: Arguments) -> Sources:
    return Sources(**{**given, "folder": Path(given["folder"])})


def _seed(given: Arguments) -> Any:
    gc.disable()  # millions of rows, none of them in a cycle: a quarter of the time is saved
    numbers = range(given["first"], given["end"])
    return seed(given["address"], Path(given["folder"]), World(**given["world"]), numbers)


def _night(given: Arguments) -> Any:
    return asdict(run_night(given["address"], _sources(given["sources"]), given["centres"]))


def _parse(given: Arguments) -> Any:
    return asdict(only_parse(_sources(given["sources"]), given["centres"]))


def _enrol(given: Arguments) -> Any:
    site = Moodle(**given["site"])
    return asdict(bridge_rate(site, site.places(), Path(given["folder"])))


def _catalogue(given: Arguments) -> Any:
    return fill(given["address"], given["many"])


STEPS: dict[str, Callable[[Arguments], Any]] = {
    "seed": _seed,
    "night": _night,
    "parse": _parse,
    "enrol": _enrol,
    "catalogue": _catalogue,
    "load": lambda given: only_load(**given),
    "push": lambda given: push_twice(**given),
    "push_memory": lambda given: push_memory(**given),
    "before_import": lambda given: before_import(**given),
    "import": lambda given: import_all(**given),
}


def run(step: str, **given: Any) -> Any:
    """Carries a step out in a new process and gives what it answers."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child"],
        input=orjson.dumps({"step": step, **given}),
        stdout=subprocess.PIPE,
        check=True,
    )
    return orjson.loads(done.stdout)


def main() -> None:
    given = orjson.loads(sys.stdin.buffer.read())
    answer = STEPS[given.pop("step")](given)
    sys.stdout.buffer.write(orjson.dumps(answer))


if __name__ == "__main__":
    main()
