"""One night in this process, and what only reading and parsing the same bytes takes.

Both go through as many threads as ``Bridge.run_all`` does. Times are CPU seconds of the whole
process, over all threads, from the moment when everything is opened.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.answers import Answers
from benchmarks.bridge import RowsWritten, Sources, measured_bridge
from benchmarks.world import centre_of
from lms_bridge.settings import SyncSettings


@dataclass(frozen=True, slots=True)
class Night:
    """What a night took. ``rows_written`` is -1 where the database does not tell."""

    cpu: float
    seconds: float
    peak_mb: float
    statuses: dict[str, int]
    counts: dict[str, int]
    rows_written: int = -1


def run_night(address: str, sources: Sources, centres: int) -> Night:
    """The nightly run of all centres: all flows, everything read and compared."""
    bridge = measured_bridge(address, sources)
    written = RowsWritten(bridge.database) if bridge.database.embedded else None
    requests = [bridge.request(centre_of(number)) for number in range(centres)]
    began, cpu = time.perf_counter(), time.process_time()
    reports = bridge.run_all(requests)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(report.counts)
    night = Night(
        cpu,
        seconds,
        peak_memory(),
        dict(Counter(report.status for report in reports)),
        dict(counts),
        written.count() if written else -1,
    )
    bridge.close()
    return night


def only_parse(sources: Sources, centres: int) -> Night:
    """Reads and parses everything that a night reads, and does nothing with it."""

    def parse(centre: int) -> int:
        source = Answers.open(sources.folder, centre, sources.feeds)
        size = 0
        for feed in sources.feeds:
            for _, parts in source.bodies(feed):
                size += sum(len(part) for part in parts)
                _parse(parts)
        source.close()
        return size

    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(SyncSettings().centres_at_once) as pool:
        read = sum(pool.map(parse, range(centres)))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    return Night(cpu, seconds, peak_memory(), {}, {"bytes": read})


def _parse(parts: Sequence[bytes]) -> None:
    for part in parts:
        orjson.loads(part)


def peak_memory() -> float:
    """The most main memory that this process ever held, in MB.

    From /proc rather than from getrusage, whose figure a child process takes over from its parent.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status tells no VmHWM")
