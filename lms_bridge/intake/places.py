"""How many pushes a process reads at once, and what ends one before it is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lms_bridge.api.changes import waiting_slots
from lms_bridge.domain.errors import Overloaded

MOST_AT_ONCE = 2
"""Pushes that a process reads and applies at once: the others' requests need its time, too."""
AFTER_SECONDS = 10
"""``Retry-After`` while there is no place."""
_CHECK_SECONDS = 0.2

_changed = threading.Condition()
_taken: set[tuple[str, str]] = set()
"""The centres and tokens whose pushes have places."""


@contextmanager
def push_place(centre: str, token: str, wait_seconds: float) -> Iterator[None]:
    """A place for a push of one centre by one token, for as long as the block lasts.

    Raises:
        Overloaded: until the end of the wait, another push of this centre or by this token was
            being read, or others had all places.
    """

    def is_free() -> bool:
        others = len(_taken) < MOST_AT_ONCE
        return others and all(centre != one and token != other for one, other in _taken)

    with waiting_slots().slot() as may_wait, _changed:
        if not _changed.wait_for(is_free, timeout=wait_seconds * may_wait):
            raise Overloaded(
                "push-waits",
                "Other pushes are being read at the moment. Nothing was changed.",
                "Send it again after the seconds that Retry-After names.",
                after=AFTER_SECONDS,
            )
        _taken.add((centre, token))
    try:
        yield
    finally:
        with _changed:
            _taken.discard((centre, token))
            _changed.notify_all()


class WorkDeadline:
    """Ends work that takes longer than some seconds, or that nobody waits for any more."""

    def __init__(self, seconds: float, is_gone: Callable[[], bool]) -> None:
        self._seconds, self._is_gone = seconds, is_gone
        self._began = self._checked = time.monotonic()

    def check(self) -> None:
        """Raises Overloaded when the work is to end."""
        now = time.monotonic()
        if now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        if now - self._began > self._seconds or self._is_gone():
            raise Overloaded(
                "push-too-slow",
                f"The push took more than {self._seconds:g} seconds, or its sender left. "
                "Nothing was changed.",
                "Send it in parts, with PATCH.",
                after=AFTER_SECONDS,
            )
