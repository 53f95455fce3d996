"""What each client may take of the server: time, bytes and connections."""

from __future__ import annotations

from dataclasses import dataclass

from lms_bridge.web.client_address import Network

SMALL = 64 * 1024
"""Bytes of a body that is received without asking the application: every form is smaller."""
HEAD = 32 * 1024
HEADERS = 100
PIPELINED = 8
"""Requests that a client may send before the first one is answered."""
BLOCK = 64 * 1024
HIGH, LOW = 256 * 1024, 64 * 1024
"""Above so many unsent bytes a streamed response waits, and below so many it goes on."""
WINDOW = 15.0
"""Seconds over which the rate of a client is looked at."""
LINGER = 2.0
"""Seconds in which a client can read a response before its unread request is thrown away."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """``head``, ``body`` and ``idle`` are seconds: for the headers, for a body of a form, and
    between two requests. ``rate`` is the least bytes in a second, in both directions, of all that
    is larger. ``large`` is how many requests have a large body, or wait apart from the others, at
    once; ``share`` is how many of them one sender may have. ``waiting`` is how many requests of one
    address wait for a thread. ``in_turn``: a short request is begun when the one before it is done.
    """

    threads: int = 8
    in_turn: bool = False
    head: float = 10.0
    body: float = 15.0
    idle: float = 60.0
    rate: int = 4096
    connections: int = 4096
    large: int = 32
    share: int = 4
    waiting: int = 1024
    stop: float = 5.0
    forwarders: tuple[Network, ...] = ()
    """Those that begin each connection with a PROXY header."""
    proxies: tuple[Network, ...] = ()
    """Those that are believed about whom a request comes from."""
