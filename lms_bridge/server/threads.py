"""The threads that answer: as few of them awake at once as the work allows.

Python lets one thread run at a time. Where several answer side by side, each short wait (a
statement, a signature) hands Python's lock to another thread and back. So a job begins when the one
before it is done, or is not short, and the loop looks at the connections between short jobs.
Launches are a third quicker that way (docs/performance.md). Where another process has the database,
the waits are longer, and all threads work at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

SHORT = 0.005
"""Seconds after which a job no longer keeps others from beginning: it is long, or it waits."""
Job = Callable[[], None]
Later = Callable[[float, Job], object]
_log = structlog.get_logger(__name__)


def _turn() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False, slots=True)
class _Worker:
    """A thread. ``turn`` is released when it has a job, or is to end."""

    job: Job | None = None
    began: float = 0.0
    thread: int = field(default_factory=threading.get_ident)
    turn: threading.Lock = field(default_factory=_turn)


class WaitingLines:
    """Jobs that wait, in a line for each sender. The lines take turns, so that nobody waits for all
    that another one sent."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, job: Job, sender: str) -> None:
        self._lines.setdefault(sender, deque()).append(job)

    def next(self) -> Job:
        sender, line = self._lines.popitem(last=False)
        job = line.popleft()
        if line:
            self._lines[sender] = line  # behind all others
        return job

    def length(self, sender: str) -> int:
        return len(self._lines.get(sender, ()))


class Threads:
    """So many threads, which carry out the jobs of several senders in turn.

    With ``later`` a job waits until the one before it is done, or has taken longer than ``SHORT``.
    ``later`` calls something after so many seconds, in the thread that puts the jobs. Without it
    all threads may work at once.
    """

    def __init__(self, number: int, name: str, later: Later | None = None) -> None:
        self._later = later
        self._jobs = WaitingLines()
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._changing = threading.Lock()
        self._done = threading.Lock()
        self._done.acquire()
        self._awaited = False
        self._looking = False
        self._ended = False
        for _ in range(number):
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def waiting(self, sender: str) -> int:
        """How many jobs of a sender have not begun."""
        with self._changing:
            return self._jobs.length(sender)

    def put(self, job: Job, sender: str = "") -> None:
        with self._changing:
            self._jobs.put(job, sender)
            self._begin()
            self._look_later()

    def let_others_begin(self) -> None:
        """Said by a job: most of its work is outside Python, so the next one may begin now."""
        me = threading.get_ident()
        with self._changing:
            for worker in self._busy:
                if worker.thread == me:
                    worker.began = -math.inf
            self._begin()

    def wait_for_short(self, most: float | None) -> None:
        """Waits until no short job is at work, so many seconds and ``SHORT`` at most."""
        with self._changing:
            if self._may_begin():
                return
            self._awaited = True
        seconds = SHORT if most is None else min(SHORT, most)
        came = self._done.acquire(timeout=seconds)
        with self._changing:
            if self._awaited:
                self._awaited = False
            elif not came:  # it was released at this very moment
                self._done.acquire()

    def end(self) -> None:
        """Has each thread end, after the jobs that wait already."""
        with self._changing:
            self._ended = True
            self._begin()

    def _look_later(self) -> None:
        if self._jobs and self._later is not None and not self._looking:
            self._looking = True
            self._later(SHORT, self._look)

    def _look(self) -> None:
        with self._changing:
            self._looking = False
            self._begin()
            self._look_later()

    def _begin(self) -> None:
        """Gives jobs to idle threads. The one that was at work last goes first, so that mostly the
        same thread is awake."""
        while self._jobs and self._idle and self._may_begin():
            worker = self._idle.pop()
            worker.job, worker.began = self._jobs.next(), time.monotonic()
            self._busy.append(worker)
            worker.turn.release()
        if self._awaited and self._may_begin():
            self._awaited = False
            self._done.release()
        if self._ended and not self._jobs:
            for worker in self._idle:
                worker.turn.release()
            self._idle.clear()

    def _may_begin(self) -> bool:
        since = time.monotonic() - SHORT
        return self._later is None or all(each.began <= since for each in self._busy)

    def _run(self) -> None:
        me = _Worker()
        while job := self._next(me):
            try:
                job()
            except Exception as error:  # no defect may cost a thread
                _log.error("thread failed", error=type(error).__name__, exc_info=error)

    def _next(self, me: _Worker) -> Job | None:
        with self._changing:
            if me.job is not None:
                me.job = None
                self._busy.remove(me)
            self._idle.append(me)
            self._begin()
        me.turn.acquire()
        return me.job
