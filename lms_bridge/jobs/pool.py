"""A bounded pool of threads for runs of centres: one at a time for each centre, no duplicates.

The threads are daemons, unlike those of ``concurrent.futures``, which the interpreter waits for at
its end: a run that waits for a slow centre must not keep a stopping process alive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

_log = structlog.get_logger(__name__)

Act = Callable[[], float | None]
"""What is to be done. Gives the seconds after which it wants to be tried again, or None."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do. Of those with the same ``group``, one at a time is done."""

    key: str
    group: str
    act: Act
    not_before: float = 0.0


class Pool:
    """At most ``size`` things at once, in the order in which they came."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: list[Entry] = []
        self._running: dict[str, Entry] = {}
        self._changed = threading.Condition()
        self._threads = 0
        self._closed = False

    def add(self, key: str, group: str, act: Act) -> bool:
        """Queues a thing to do; False when one of the same key waits or runs already, or when the
        pool is closed."""
        with self._changed:
            known = (*self._waiting, *self._running.values())
            if self._closed or any(entry.key == key for entry in known):
                return False
            self._waiting.append(Entry(key, group, act))
            if self._threads < self._size:
                self._threads += 1
                threading.Thread(
                    target=self._work, name=f"run-{self._threads}", daemon=True
                ).start()
            self._changed.notify()
        return True

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

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            again = _carry_out(entry)
            with self._changed:
                del self._running[entry.group]
                if again is not None and not self._closed:
                    self._waiting.append(replace(entry, not_before=time.monotonic() + again))
                self._changed.notify_all()

    def _next(self) -> Entry | None:
        """The next entry whose turn it is, when there is one; None when the pool is closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for entry in self._waiting:
                    if entry.not_before <= now and entry.group not in self._running:
                        self._waiting.remove(entry)
                        self._running[entry.group] = entry
                        return entry
                later = [e.not_before - now for e in self._waiting if e.not_before > now]
                self._changed.wait(min(later, default=None))
        return None


def _carry_out(entry: Entry) -> float | None:
    try:
        return entry.act()
    except Exception as error:  # a thread of the pool must outlive whatever it is given
        _log.error("run ended by an error", job=entry.key, error=type(error).__name__)
        return None
