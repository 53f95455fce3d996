"""Faults on demand: what goes wrong with the next requests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock


class FaultKind(StrEnum):
    STATUS = "status"
    """A problem document with ``status``, and ``Retry-After`` where it is given."""
    PAGE = "page"
    """A page for people, with status 200."""
    LOST = "lost"
    """What was asked is done, then the answer breaks off."""
    GARBLED = "garbled"
    """An answer that says it is JSON and is not."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``path`` is what the path of the request must begin with."""

    kind: FaultKind
    path: str = "/"
    status: int = 503
    retry_after: str = ""


class FaultPlan:
    """The faults to come, in order; each happens once. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: deque[tuple[int, Fault]] = deque()

    def next(self, fault: Fault, *, times: int = 1, after: int = 0) -> None:
        """Lets the next requests for the fault's path go wrong, when ``after`` others of that
        path went well."""
        with self._lock:
            self._planned.append((after, fault))
            self._planned.extend([(0, fault)] * (times - 1))

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def take(self, path: str) -> Fault | None:
        """The fault of this request, if any."""
        with self._lock:
            if not self._planned or not path.startswith(self._planned[0][1].path):
                return None
            after, fault = self._planned.popleft()
            if after:
                self._planned.appendleft((after - 1, fault))
                return None
            return fault
