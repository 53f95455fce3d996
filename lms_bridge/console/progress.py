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

from lms_bridge.console.output import is_terminal, print_line
from lms_bridge.console.summary import line_of, outcome_words, show_errors
from lms_bridge.sync.context import Progress as Told
from lms_bridge.sync.context import silent
from lms_bridge.sync.run import RunReport

QUIET_SECONDS = 10.0
"""Without a terminal a centre is heard of at most this often before it is done."""


@dataclass(frozen=True, slots=True)
class RunObserver:
    """Two callbacks of a run: for its progress, and for its end."""

    progress: Told
    done: Callable[[RunReport], None]


@contextmanager
def watching(centres: Sequence[str], *, quiet: bool = False) -> Iterator[RunObserver]:
    """Shows the runs of these centres while the context lasts; nothing when ``quiet``."""
    if quiet:
        yield RunObserver(silent, lambda report: None)
    elif is_terminal():
        live = _Live(centres)
        with live.progress:
            yield RunObserver(live.update, live.done)
        for report in live.reports:
            show_errors(report)
    else:
        plain = _Plain()
        yield RunObserver(plain.update, plain.done)


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
        self.reports: list[RunReport] = []
        self._tasks = {
            code: self.progress.add_task(
                "waits for its turn", total=None, centre=code, steps="", words=""
            )
            for code in centres
        }

    def update(self, centre: str, stage: str, done: int, total: int) -> None:
        steps = f"{done}/{total}" if total else ""
        self.progress.update(
            self._tasks[centre], description=stage, completed=done, total=total or None, steps=steps
        )

    def done(self, report: RunReport) -> None:
        words = outcome_words(report.status, report.counts, report.waits)
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

    def update(self, centre: str, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._heard.setdefault(centre, now) < QUIET_SECONDS:
                return
            self._heard[centre] = now
            print_line(f"{centre}: {stage}" + (f", {done} of {total}" if total else ""))

    def done(self, report: RunReport) -> None:
        with self._lock:
            print_line(line_of(report))
            show_errors(report)
