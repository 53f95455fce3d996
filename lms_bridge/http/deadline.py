"""Deadlines. One for one request: resolving, connecting, TLS, sending and reading all end with it.

A socket's own time-out begins anew with every byte, so a peer that sends a byte now and then would
keep a thread for ever. Here every single wait gets what is left of the whole.

And one for a run: a system that answers each request just in time would keep a worker for days.
"""

from __future__ import annotations

import io
import math
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from typing import Any

from lms_bridge.domain.errors import OutOfTime

MOST_HEAD = 256 * 1024
"""Bytes before the body of a response."""
MOST_LOOK_UPS = 64
"""Names that are resolved at once: the system's resolver cannot be interrupted."""

Found = list[str]
Ask = tuple[str, int]


class Deadline:
    """So many seconds from now on, by a clock."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock, self._end = clock, clock() + seconds

    def left(self) -> float:
        return self._end - self._clock()

    def extend(self, seconds: float) -> None:
        """Moves the end by so many seconds."""
        self._end += seconds

    def next_wait(self, most: float | None) -> float:
        """The time-out of the next wait: ``most`` seconds, and never more than is left.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.left()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left if most is None else min(most, left)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def holding(deadline: Deadline) -> Iterator[None]:
    """All connections that this thread uses inside the block end with the deadline."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def next_wait(most: float | None) -> float | None:
    """As ``Deadline.next_wait``; ``most`` where no deadline holds."""
    deadline = _current.get()
    return most if deadline is None else deadline.next_wait(most)


_last_start: ContextVar[Deadline | None] = ContextVar("last_start", default=None)


@contextmanager
def starting_until(deadline: Deadline) -> Iterator[None]:
    """No request starts after the deadline, in this context and in copies of it. One that is under
    way ends by its own deadline."""
    token = _last_start.set(deadline)
    try:
        yield
    finally:
        _last_start.reset(token)


def check_time() -> None:
    """Raises OutOfTime: nothing may start any more."""
    deadline = _last_start.get()
    if deadline is not None and deadline.left() <= 0:
        raise OutOfTime


class TimedResponse(HTTPResponse):
    """A response all of whose reads end with the deadline: status line, headers, body. Its head has
    an end, too: ``100 Continue`` over and over takes a whole processor until the deadline."""

    _raw: _TimedReads | None = None

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        deadline = _current.get()
        if deadline is not None:
            self._raw = _TimedReads(self.fp.detach(), sock, deadline)
            self.fp = io.BufferedReader(self._raw)

    def begin(self) -> None:
        super().begin()
        if self._raw is not None:
            self._raw.most_bytes = math.inf


class _TimedReads(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline
        self._most = sock.gettimeout()
        self.most_bytes: float = MOST_HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.most_bytes <= 0:
            raise HTTPException("the head of the response has no end")
        self._sock.settimeout(self._deadline.next_wait(self._most))
        size = self._raw.readinto(buffer)
        self.most_bytes -= size or 0
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class Resolver:
    """Looks names up in threads of its own, each name once at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Ask, Future[Found]] = {}

    def addresses(self, host: str, port: int, seconds: float | None) -> Found:
        """The addresses of a host, in the resolver's order.

        Raises:
            TimeoutError: they are not known after so many seconds.
            OSError, UnicodeError: the name does not resolve.
        """
        return self._look_up((host, port)).result(seconds)

    def _look_up(self, ask: Ask) -> Future[Found]:
        with self._lock:
            found = self._under_way.get(ask)
            if found is None:
                if len(self._under_way) >= MOST_LOOK_UPS:
                    raise socket.gaierror(socket.EAI_AGAIN, "too many names are being resolved")
                found = self._under_way[ask] = Future()
                threading.Thread(
                    target=self._work, args=(ask, found), name="resolver", daemon=True
                ).start()
            return found

    def _work(self, ask: Ask, answer: Future[Found]) -> None:
        try:
            entries = socket.getaddrinfo(*ask, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except Exception as error:  # whatever it is, the one who waits has to see it
            self._end(ask)
            answer.set_exception(error)
        else:
            self._end(ask)
            answer.set_result(found)

    def _end(self, ask: Ask) -> None:
        with self._lock:
            del self._under_way[ask]


RESOLVER = Resolver()
"""The one of this process."""
