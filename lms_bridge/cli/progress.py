"""How far runs are: a live line per centre on a terminal, a few plain lines anywhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column

from lms_bridge.cli.output import is_terminal, say
from lms_bridge.cli.summary import in_words, line_of, show_errors
from lms_bridge.sync.run import Report
from lms_bridge.sync.work import Progress as Told
from lms_bridge.sync.work import silent

QUIET_SECONDS = 10.0
"""Without a terminal a centre is heard of at most this often before it is done."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run is given: where to tell how far it is, and that it is over."""

    progress: Told
    done: Callable[[Report], None]


@contextmanager
def watching(centres: Sequence[str], *, quiet: bool = False) -> Iterator[Watch]:
    """Shows the runs of these centres while the context lasts; nothing when ``quiet``."""
    if quiet:
        yield Watch(silent, lambda report: None)
    elif is_terminal():
        live = _Live(centres)
        with live.progress:
            yield Watch(live.told, live.done)
        for report in live.reports:
            show_errors(report)
    else:
        plain = _Plain()
        yield Watch(plain.told, plain.done)


class _Live:
    """One line per centre: stage, how much of it is done, and what came of the run."""

    def __init__(self, centres: Sequence[str]) -> None:
        fold = Column(overflow="fold", ratio=1)
        self.progress = Progress(
            SpinnerColumn(finished_text="•"),
            TextColumn("{task.fields[centre]}", markup=False),
            TextColumn("{task.description}", markup=False, style="cyan"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[steps]}", markup=False),
            TextColumn("{task.fields[words]}", markup=False, table_column=fold),
            console=Console(),
            expand=True,
        )
        self.reports: list[Report] = []
        self._tasks = {
            code: self.progress.add_task(
                "waits for its turn", total=None, centre=code, steps="", words=""
            )
            for code in centres
        }

    def told(self, centre: str, stage: str, done: int, total: int) -> None:
        steps = f"{done}/{total}" if total else ""
        self.progress.update(
            self._tasks[centre], description=stage, completed=done, total=total or None, steps=steps
        )

    def done(self, report: Report) -> None:
        words = in_words(report.counts) or "nothing to do"
        self.progress.update(
            self._tasks[report.centre],
            description=f"{report.status} in {report.seconds:.1f} s",
            completed=1,
            total=1,
            steps="",
            words=words if report.status != "busy" else "",
        )
        self.reports.append(report)


class _Plain:
    """Lines without a control character, for files and pipes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[str, float] = {}

    def told(self, centre: str, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._heard.setdefault(centre, now) < QUIET_SECONDS:
                return
            self._heard[centre] = now
            say(f"{centre}: {stage}" + (f", {done} of {total}" if total else ""))

    def done(self, report: Report) -> None:
        with self._lock:
            say(line_of(report))
            show_errors(report)
