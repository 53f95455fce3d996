"""Whether an LMS takes connections at all, asked by a launch that heard nothing of it for a while.

An LMS that just sent somebody back with a request is heard: launches in the next minute ask
nothing. The connection is tried by a thread of its own. A launch waits a second for it at most, and
only if there is a place to wait (``OutsideWaits``); else it goes on as if all were well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import AddressRefused
from lms_bridge.http.address_guard import takes_connections
from lms_bridge.http.origins import origin
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.outside_waits import OutsideWaits
from lms_bridge.worker_pool import WorkerPool

HEARD_SECONDS = 60.0
SILENT_SECONDS = 15.0
"""An LMS that was found silent is asked again after so long."""
WAIT_SECONDS = 1.0
PROBE_SECONDS = 5.0
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Silence:
    """Since when an LMS takes no connection, and when (monotonic) that was seen last."""

    since: datetime
    seen: float


class LmsProbe:
    """What this process heard of the LMSs into which it launches people, by their origins. Safe
    for threads."""

    def __init__(
        self,
        waits: OutsideWaits,
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waits, self._now, self._clock = waits, now, clock
        self._pool = WorkerPool(AT_ONCE)
        self._changed = threading.Condition()
        self._heard: dict[str, float] = {}
        self._silent: dict[str, _Silence] = {}
        self._under_way: set[str] = set()

    def heard(self, address: str) -> None:
        """The server of this address answered just now."""
        with self._changed:
            self._heard[origin(address)] = self._clock()
            self._silent.pop(origin(address), None)

    def is_unheard(self, address: str) -> bool:
        """Whether nothing was heard of the server of this address within the last minute."""
        heard = self._heard.get(origin(address))
        return heard is None or self._clock() - heard >= HEARD_SECONDS

    def silent_since(self, address: str, *, private_addresses: bool) -> datetime | None:
        """Since when the server of this address takes no connection; None if it takes them, or if
        that does not show within a second."""
        key = origin(address)
        with self._changed:
            known = self._silent.get(key)
            if known is not None and self._clock() - known.seen < SILENT_SECONDS:
                return known.since
            begins = key not in self._under_way
            if begins:
                self._under_way.add(key)
        if begins:
            ask = partial(self._ask, key, address, private_addresses=private_addresses)
            self._pool.add(key, key, ask)
        self._wait_for(key)
        with self._changed:
            known = self._silent.get(key)
            return known.since if known is not None else None

    def close(self) -> None:
        """A connection that is tried just now ends by its own deadline."""
        self._pool.close(0)

    def _wait_for(self, key: str) -> None:
        try:
            with self._waits.place(key), self._changed:
                self._changed.wait_for(lambda: key not in self._under_way, WAIT_SECONDS)
        except LtiRefused:  # enough others wait
            return

    def _ask(self, key: str, address: str, *, private_addresses: bool) -> None:
        took: bool | None = None
        try:
            took = takes_connections(
                address, private_addresses=private_addresses, seconds=PROBE_SECONDS
            )
        except AddressRefused:  # nothing is known of it, and it is not asked again for a while
            took = True
        finally:
            with self._changed:
                self._under_way.discard(key)
                self._changed.notify_all()
                now = self._clock()
                if took is True:
                    self._heard[key] = now
                    self._silent.pop(key, None)
                elif took is False:
                    before = self._silent.get(key)
                    since = before.since if before is not None else self._now()
                    self._silent[key] = _Silence(since, now)
