"""Load over kept-alive connections, from one thread: what it costs itself is small and even.

A *script* is what one browser does: it yields requests, and is given the answer to each.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

CONNECTIONS = 4
SECONDS = 60.0
"""No answer takes longer; else the measurement fails."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        """The first of that name, or an empty text."""
        return next(self.headers(name), "")

    def headers(self, name: str) -> Iterator[str]:
        desired = name.lower()
        for line in self.head.split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == desired:
                yield value.strip()

    def requested(self) -> dict[str, str]:
        """The parameters of the address that it redirects to."""
        return dict(parse_qsl(urlsplit(self.header("Location")).query))

    def keep_cookies(self, kept: dict[str, str]) -> None:
        """What a browser does with the cookies of an answer: it keeps them, or lets them go."""
        for line in self.headers("Set-Cookie"):
            pair, _, rest = line.partition(";")
            name, _, value = pair.partition("=")
            if "max-age=0;" in f"{rest.lower()};".replace(" ", ""):
                kept.pop(name, None)
            else:
                kept[name] = value


Script = Generator[bytes, Answer, None]


def get(address: str, cookies: Mapping[str, str] | None = None) -> bytes:
    return _head("GET", address, cookies) + b"\r\n"


def post(
    address: str, fields: Mapping[str, str], cookies: Mapping[str, str] | None = None
) -> bytes:
    body = urlencode(fields).encode()
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n"
    return b"%sContent-Length: %d\r\n%s\r\n%s" % (
        _head("POST", address, cookies),
        len(body),
        kind,
        body,
    )


def followed(
    first: bytes, address: str, cookies: dict[str, str]
) -> Generator[bytes, Answer, bytes]:
    """Sends a request, and goes where its answers redirect to; gives the last answer's body.

    Raises:
        RuntimeError: the last answer is not a page.
    """
    answer = yield first
    while answer.status in (301, 302, 303, 307):
        answer.keep_cookies(cookies)
        address = urljoin(address, answer.header("Location"))
        answer = yield get(address, cookies)
    answer.keep_cookies(cookies)
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}: {answer.body[:500]!r}")
    return answer.body


def _head(method: str, address: str, cookies: Mapping[str, str] | None) -> bytes:
    parts = urlsplit(address)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    kept = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    cookie = f"Cookie: {kept}\r\n" if kept else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{cookie}".encode()


def run(address: str, scripts: Iterable[Script], connections: int = CONNECTIONS) -> float:
    """Runs all scripts against the server of that address, so many side by side; gives the
    seconds that it took."""
    waiting = iter(scripts)
    parts = urlsplit(address)
    place = (parts.hostname or "", parts.port or 80)
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        open_now = [_Line(place, selector) for _ in range(connections)]
        busy = sum(line.begin(waiting) for line in open_now)
        while busy:
            ready = selector.select(SECONDS)
            if not ready:
                raise RuntimeError(f"{address} does not answer")
            for key, _ in ready:
                line: _Line = key.data
                if line.took() and not line.begin(waiting):
                    busy -= 1
        seconds = time.perf_counter() - began
        for line in open_now:
            line.close()
    return seconds


class _Line:
    """One connection, and the script that it serves."""

    def __init__(self, place: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self._place, self._selector = place, selector
        self._socket: socket.socket | None = None
        self._script: Script | None = None
        self._last = b""
        self._buffer = b""

    def begin(self, waiting: Iterator[Script]) -> bool:
        """Whether there was another script to begin."""
        for script in waiting:
            self._script = script
            try:
                self._send(next(script))
            except StopIteration:
                continue
            return True
        return False

    def took(self) -> bool:
        """Reads what came. Whether the script has come to its end."""
        if self._socket is None or self._script is None:
            raise RuntimeError("an answer without a request")
        got = self._socket.recv(65_536)
        if not got:  # the server gave up a kept connection: the request was not begun
            if self._buffer:
                raise RuntimeError("an answer broke off")
            self.close()
            self._send(self._last)
            return False
        self._buffer += got
        answer = _answer(self._buffer)
        if answer is None:
            return False
        self._buffer = b""
        if answer.header("Connection").lower() == "close":
            self.close()
        try:
            self._send(self._script.send(answer))
        except StopIteration:
            return True
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _send(self, request: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._place, SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._last = request
        self._socket.sendall(request)


def _answer(raw: bytes) -> Answer | None:
    """The answer, once it is whole."""
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        return None
    answer = Answer(int(head[9:12]), head.decode("latin-1"), body)
    length = answer.header("Content-Length")
    if length:
        return answer if len(body) >= int(length) else None
    if answer.header("Transfer-Encoding").lower() == "chunked":
        return answer if body.endswith(b"0\r\n\r\n") else None
    return answer
