"""How often somebody may ask: so many requests in each minute of the clock.

A token's limit holds over all processes. A process takes requests from the token's row in the
database a few at a time and counts them itself: a limit is never exceeded, a read waits for a
writer of the database at most once in so many requests, and what an idle process took and did not
use is lost until the next minute.

Who has no token is counted by address, by each process for itself: nothing of it is kept.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from flask import Flask, current_app, g, request

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.access import Token
from lms_bridge.domain.errors import Overloaded
from lms_bridge.store import tokens
from lms_bridge.web.api.visitors import networks, visitor

SECONDS = 60
SHARE = 20
"""A process takes one part in so many of a minute's requests at a time."""
MOST_VISITORS = 100_000
"""Addresses that are counted apart in one minute; those that come later are counted together."""
_NAME = "lms_bridge_limits"


@dataclass
class _Taken:
    """What this process took of a token's minute: ``left`` for itself, ``others`` that other
    processes may still take."""

    minute: int
    left: int = 0
    others: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)


class Limits:
    """The counts of one process."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._proxies = networks(bridge.settings.web.trusted_proxies)
        self._taken: dict[int, _Taken] = {}
        self._minute, self._asked = 0, dict[str, int]()
        self._lock = threading.Lock()

    def count(self, token: Token, now: datetime) -> None:
        """Counts one request, and notes the headers that tell of it.

        Raises:
            Overloaded: the minute's requests are used up; ``after`` is when the next one begins.
        """
        most = token.per_minute or self._bridge.settings.api.requests_per_minute
        minute, passed = divmod(int(now.timestamp()), SECONDS)
        with self._lock:
            mine = self._taken.get(token.id)
            if mine is None or mine.minute != minute:
                mine = self._taken[token.id] = _Taken(minute)
        with mine.lock:  # apart: a token that waits for the database holds up no other
            if mine.left == 0 and mine.others > 0:
                self._take(token.id, mine, most, now)
            allowed = mine.left > 0
            mine.left -= allowed
            remaining = mine.left + mine.others
        _tell(most, remaining, passed)
        if not allowed:
            raise _too_many(f"The token has used up its {most} requests of this minute.", passed)

    def count_visitor(self, now: datetime) -> None:
        """Counts this request to the address that it comes from, and notes the headers.

        Raises:
            Overloaded: as above.
        """
        most = self._bridge.settings.api.open_requests_per_minute
        if not most:
            return
        minute, passed = divmod(int(now.timestamp()), SECONDS)
        forwarded = request.headers.get("X-Forwarded-For", "")
        who = visitor(request.remote_addr or "", forwarded, self._proxies)
        with self._lock:
            if minute != self._minute:
                self._minute, self._asked = minute, {}
            if len(self._asked) >= MOST_VISITORS and who not in self._asked:
                who = ""
            asked = self._asked[who] = self._asked.get(who, 0) + 1
        _tell(most, max(0, most - asked), passed)
        if asked > most:
            raise _too_many(
                f"This address has used up its {most} requests without a token of this minute.",
                passed,
            )

    def _take(self, token_id: int, mine: _Taken, most: int, now: datetime) -> None:
        many = max(1, most // SHARE)
        with self._bridge.database.writing() as tx:
            given = tokens.reserve(tx, token_id, mine.minute, many, now)
        mine.left = max(0, min(many, most - (given - many)))
        mine.others = max(0, most - given)


def _tell(most: int, remaining: int, passed: int) -> None:
    g.api_headers = {
        "RateLimit-Limit": str(most),
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


def add_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_NAME] = Limits(bridge)


def limits() -> Limits:
    """The counts of this process."""
    found = current_app.extensions[_NAME]
    if not isinstance(found, Limits):
        raise RuntimeError("the application was not made by create_app")
    return found
