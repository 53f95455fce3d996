"""How many answering threads may wait for other systems: few of them, and fewer for one party."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lms_bridge.lti.errors import LtiRefused

AFTER_SECONDS = 3
"""When a visitor may try again who found no place to wait."""


class OutsideWaits:
    """A quarter of the threads at most, and half of these for one party, so that nobody's slow
    server holds all of them. Everybody else gets a response at once. Safe for threads."""

    def __init__(self, threads: int) -> None:
        self._most = max(threads // 4, min(threads - 1, 1))
        self._share = max(1, self._most // 2)
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def place(self, party: str) -> Iterator[None]:
        """A place for one thread that waits for a party.

        Raises:
            LtiRefused: there is none free.
        """
        with self._lock:
            if self._waiting.total() >= self._most or self._waiting[party] >= self._share:
                raise LtiRefused("outside-busy", status=503, after=AFTER_SECONDS)
            self._waiting[party] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[party] -= 1
                self._waiting += Counter()  # forgets those who wait no more
