"""Throttle: how many requests a token, or an address without a token, may send in a minute.

A token's limit holds over all processes. Each process reserves requests from the token's row in
the database, a few at a time, and counts them itself. So the limit is never exceeded, and most
requests need no write. A process that reserves requests and stays idle loses them until the next
minute.

Requests without a token are counted by address, by each process for itself; nothing is stored.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from flask import Flask, current_app, g

from lms_bridge.api import tokens
from lms_bridge.bridge import Bridge
from lms_bridge.domain.access import Token
from lms_bridge.domain.errors import Overloaded
from lms_bridge.web.environ import is_again
from lms_bridge.web.visitors import SECONDS, AddressCounts, visitor

SHARE = 20
"""A process reserves one part in so many of a minute's requests at a time."""
_NAME = "lms_bridge_limits"


@dataclass
class _Reserved:
    """This process's part of a token's minute: ``left`` of its own requests, and ``others`` that
    other processes may still reserve."""

    minute: int
    left: int = 0
    others: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)


class RateLimits:
    """The counts of one process."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._reserved: dict[int, _Reserved] = {}
        self._addresses = AddressCounts()
        self._lock = threading.Lock()

    def count(self, token: Token, now: datetime) -> None:
        """Counts one request of a token once, and sets its ``RateLimit`` headers.

        Raises:
            Overloaded: the minute's requests are used up; ``after`` is when the next one begins.
        """
        limit = token.per_minute or self._bridge.settings.api.requests_per_minute
        minute, passed = divmod(int(now.timestamp()), SECONDS)
        with self._lock:
            mine = self._reserved.get(token.id)
            if mine is None or mine.minute != minute:
                mine = self._reserved[token.id] = _Reserved(minute)
        with mine.lock:  # one per token: a token that waits for the database delays no other
            if mine.left == 0 and mine.others > 0:
                self._reserve(token.id, mine, limit, now)
            allowed = mine.left > 0 or is_again()
            mine.left -= allowed and not is_again()
            remaining = mine.left + mine.others
        _set_headers(limit, remaining, passed)
        if not allowed:
            raise _too_many(f"The token has used up its {limit} requests of this minute.", passed)

    def count_address(self, now: datetime) -> None:
        """Counts this request by its address, and sets its ``RateLimit`` headers.

        Raises:
            Overloaded: as above.
        """
        limit = self._bridge.settings.api.open_requests_per_minute
        if not limit:
            return
        count, after = self._addresses.count(visitor(), now.timestamp())
        passed = SECONDS - after
        _set_headers(limit, max(0, limit - count), passed)
        if count > limit:
            raise _too_many(
                f"This address has used up its {limit} requests without a token of this minute.",
                passed,
            )

    def _reserve(self, token_id: int, mine: _Reserved, limit: int, now: datetime) -> None:
        number = max(1, limit // SHARE)
        with self._bridge.database.writing() as tx:
            total = tokens.reserve(tx, token_id, mine.minute, number, now)
        mine.left = max(0, min(number, limit - (total - number)))
        mine.others = max(0, limit - total)


def _set_headers(limit: int, remaining: int, passed: int) -> None:
    g.api_headers = {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(SECONDS - passed),
    }


def _too_many(message: str, passed: int) -> Overloaded:
    return Overloaded(
        "too-many-requests",
        message,
        "Wait for the seconds that Retry-After names.",
        after=SECONDS - passed,
    )


def add_rate_limits_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_NAME] = RateLimits(bridge)


def rate_limits() -> RateLimits:
    """The counts of this process."""
    limits: RateLimits = current_app.extensions[_NAME]
    return limits
