"""How many calls are under way to one outside system, in this whole process.

Each run opens the systems for itself. The limit of calls at once is the system's, so the runs of
all centres share its slots, in the order in which they ask.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from weakref import WeakValueDictionary


class CallSlots:
    """The calls to one system. Who asks first is served first, whatever limit each one keeps."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._under_way = self._served = 0

    @contextmanager
    def slot(self, limit: int, most_seconds: float, stopped: Callable[[], bool]) -> Iterator[bool]:
        """A slot, as soon as fewer than ``limit`` calls are under way. It gives False if nobody
        was served for ``most_seconds``, or if the caller is ``stopped``: then there is no slot."""
        taken = self._take(limit, most_seconds, stopped)
        try:
            yield taken
        finally:
            if taken:
                self._give_back()

    def wake(self) -> None:
        """Has everybody who waits look again whether they were stopped."""
        with self._changed:
            self._changed.notify_all()

    def _take(self, limit: int, most_seconds: float, stopped: Callable[[], bool]) -> bool:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while not (self._queue[0] is ticket and self._under_way < limit):
                    if stopped() or not self._wait_for_turn(ticket, limit, most_seconds, stopped):
                        return False
                self._under_way += 1
                self._served += 1
                return True
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _wait_for_turn(
        self, ticket: object, limit: int, most_seconds: float, stopped: Callable[[], bool]
    ) -> bool:
        """Whether somebody was served meanwhile, or it is this one's turn."""
        served = self._served

        def moved() -> bool:
            mine = self._queue[0] is ticket and self._under_way < limit
            return mine or self._served != served or stopped()

        return self._changed.wait_for(moved, most_seconds)

    def _give_back(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()


_of_systems: WeakValueDictionary[str, CallSlots] = WeakValueDictionary()
_lock = threading.Lock()


def slots_of(address: str) -> CallSlots:
    """The slots of the system at an address: one host is one system, whatever the path."""
    parts = urlsplit(address)
    with _lock:
        return _of_systems.setdefault(f"{parts.scheme}://{parts.netloc}".lower(), CallSlots())
