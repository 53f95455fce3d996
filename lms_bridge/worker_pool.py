"""A bounded pool of threads for runs of centres: one at a time for each centre, no duplicates.

The threads are daemons, unlike those of ``concurrent.futures``, which the interpreter waits for at
its end: a run that waits for a slow centre must not keep a stopping process alive.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import structlog

_log = structlog.get_logger(__name__)

Act = Callable[[], float | None]
"""What is to be done. Gives the seconds after which it wants to be tried again, or None."""


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """One thing to do. Of those with the same ``group``, one at a time is done. ``owners`` are
    those on whose behalf it is done."""

    key: str
    group: str
    act: Act
    owners: tuple[str, ...] = ()
    not_before: float = 0.0


MOST = 4
"""Of a pool whose slow runs make room, so many times its size are at work at most."""


class WorkerPool:
    """At most ``size`` things at once, and at most ``share`` of one owner. Next is the owner whose
    last turn is longest ago; else things are done in the order in which they came.

    What takes longer than ``slow_seconds`` makes room for another: it counts for its owner alone.
    Most likely it waits for a slow system, and the others must not wait with it.
    """

    def __init__(self, size: int, share: int = 0, *, slow_seconds: float = math.inf) -> None:
        self._size, self._share, self._slow_seconds = size, share or size, slow_seconds
        self._most = size if slow_seconds == math.inf else size * MOST
        self._turns: dict[str, float] = {}
        self._waiting: list[QueuedRun] = []
        self._running: dict[str, QueuedRun] = {}
        self._began: dict[str, float] = {}
        self._changed = threading.Condition()
        self._threads = 0
        self._closed = False

    def add(self, key: str, group: str, act: Act, owners: tuple[str, ...] = ()) -> bool:
        """Queues a thing to do; False when one of the same key waits or runs already, or when the
        pool is closed."""
        with self._changed:
            known = (*self._waiting, *self._running.values())
            if self._closed or any(entry.key == key for entry in known):
                return False
            self._waiting.append(QueuedRun(key, group, act, owners))
            self._add_thread()
            self._changed.notify()
        return True

    def holds_up(self, group: str, owners: tuple[str, ...]) -> bool:
        """Whether such a thing has to wait for another of its group, or of its owners. What waits
        itself counts: it has been promised its turn, although no thread has taken it yet."""
        with self._changed:
            known = (*self._running.values(), *self._waiting)
            return any(each.group == group for each in known) or self._is_full(owners, known)

    def wait_idle(self, seconds: float | None = None) -> bool:
        """Whether nothing runs and nothing waits, at the latest after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._running), seconds)

    def close(self, seconds: float) -> bool:
        """Drops what waits and gives what runs so many seconds; whether all of it ended."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        return self.wait_idle(seconds)

    def _add_thread(self) -> None:
        """One more, where all are at work. It may have to wait for room."""
        if self._waiting and len(self._running) == self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, name=f"run-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            again = _carry_out(entry)
            with self._changed:
                del self._running[entry.group], self._began[entry.group]
                if again is not None and not self._closed:
                    self._waiting.append(replace(entry, not_before=time.monotonic() + again))
                self._changed.notify_all()

    def _next(self) -> QueuedRun | None:
        """The next entry whose turn it is, when there is one; None when the pool is closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                waits = [self._wait(entry, now) for entry in self._waiting]
                if 0.0 in waits:
                    ready = [e for e, wait in zip(self._waiting, waits, strict=True) if not wait]
                    entry = min(ready, key=self._last_turn)
                    self._waiting.remove(entry)
                    self._running[entry.group], self._began[entry.group] = entry, now
                    self._turns.update(dict.fromkeys(entry.owners, now))
                    self._add_thread()
                    return entry
                soonest = min(waits, default=math.inf)
                self._changed.wait(None if soonest == math.inf else soonest)
        return None

    def _wait(self, entry: QueuedRun, now: float) -> float:
        """The seconds until the entry's turn can come; infinite while another thing must end."""
        if entry.group in self._running or len(self._running) >= self._most:
            return math.inf
        if self._is_full(entry.owners, self._running.values()):
            return math.inf
        ends = (began + self._slow_seconds - now for began in self._began.values())
        quick = sorted(end for end in ends if end > 0)
        room = 0.0 if len(quick) < self._size else quick[len(quick) - self._size]
        return max(0.0, entry.not_before - now, room)

    def _is_full(self, owners: tuple[str, ...], known: Iterable[QueuedRun]) -> bool:
        """Whether one of the owners has its share by these."""
        going = [owner for each in known for owner in each.owners]
        return any(going.count(owner) >= self._share for owner in owners)

    def _last_turn(self, entry: QueuedRun) -> float:
        return max((self._turns.get(owner, 0.0) for owner in entry.owners), default=0.0)


def _carry_out(entry: QueuedRun) -> float | None:
    try:
        return entry.act()
    except Exception as error:  # a thread of the pool must outlive whatever it is given
        _log.error("run ended by an error", job=entry.key, error=type(error).__name__)
        return None
