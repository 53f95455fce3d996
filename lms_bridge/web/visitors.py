"""How many requests an address may send in a minute, by nothing that its visitor has written.

Each process counts for itself, and stores nothing. The address is that of the connection. Only the
proxies of ``web.trusted_proxies`` are believed when they name another one.
"""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import structlog
from flask import Flask, Response, render_template, request

from lms_bridge.bridge import Bridge
from lms_bridge.domain.errors import Overloaded
from lms_bridge.web.access import the_bridge
from lms_bridge.web.client_address import Network, client_address, networks

SECONDS = 60
MOST_FORWARDED = 500
"""Characters at the end of ``X-Forwarded-For``, where proxies write: what is before is a
stranger's, and is not kept."""
MOST_ADDRESSES = 100_000
"""Addresses that are counted one by one in a minute; the others are counted together."""
FEEDS = ("feeds", "sitemaps", "oeapi", "calendars")
_UNCOUNTED = ("api", "static")
"""The API counts for itself, and a browser keeps style sheets."""
_log = structlog.get_logger(__name__)


class TooManyRequests(Overloaded):
    """An address has used up its requests of this minute. ``after`` says when the next begins."""

    def __init__(self, limit: int, after: int) -> None:
        super().__init__(
            "too-many-requests",
            f"Your address has used up its {limit:,} requests of this minute.",
            "Wait for the seconds that Retry-After names.",
            after=after,
        )


class AddressCounts:
    """The requests of this minute, by address."""

    def __init__(self) -> None:
        self._minute, self._counts = 0, dict[str, int]()
        self._lock = threading.Lock()

    def count(self, address: str, second: float) -> tuple[int, int]:
        """(requests of the address in this minute with this one, seconds until the next minute)"""
        minute, passed = divmod(int(second), SECONDS)
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts = minute, {}
            if len(self._counts) >= MOST_ADDRESSES and address not in self._counts:
                address = ""
            count = self._counts[address] = self._counts.get(address, 0) + 1
        return count, SECONDS - passed


@lru_cache(8)
def _proxies(text: str) -> tuple[Network, ...]:
    return networks(text)


def visitor() -> str:
    """The address that this request came from; of an IPv6 address, its network of 64 bits."""
    proxies = _proxies(the_bridge().settings.web.trusted_proxies)
    forwarded = request.headers.get("X-Forwarded-For", "")[-MOST_FORWARDED:]
    peer = request.remote_addr or ""
    if forwarded and not proxies:
        _warn_once()
    return client_address(peer, forwarded if proxies else "", proxies)


@lru_cache(1)
def _warn_once() -> None:
    _log.warning(
        "X-Forwarded-For is not believed",
        remedy="If a proxy sends it, name the proxy in web.trusted_proxies.",
    )


def add_limits_to(app: Flask, bridge: Bridge) -> None:
    """Limits the requests of each address to pages, LTI and feeds."""
    web = bridge.settings.web
    pages, feeds = AddressCounts(), AddressCounts()

    @app.before_request
    def _count() -> None:
        room = (request.endpoint or "").partition(".")[0]
        if room in _UNCOUNTED:
            return
        is_feed = room in FEEDS
        limit = web.feeds_per_minute if is_feed else web.requests_per_minute
        if not limit:
            return
        count, after = (feeds if is_feed else pages).count(visitor(), time.time())
        if count > limit:
            raise TooManyRequests(limit, after)


def too_many_page(error: TooManyRequests) -> Response:
    """What a person sees. It is small, for it may be asked for often."""
    return Response(render_template("too_many.html", error=error), 429)
