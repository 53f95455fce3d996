"""A small threaded HTTP/1.1 server with keep-alive, whose connections can break.

The standard library's request handler takes several times as long for a request as the simulators.
It can neither reset a connection nor let an answer drip.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, Self

HOST = "127.0.0.1"
LARGEST_BODY = 64 * 1024 * 1024
DRIPS = 10
JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request, read whole. ``path`` and ``query`` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class WireReply:
    """Status, body and headers; ``reset`` breaks the connection instead, ``cut`` halfway through,
    ``drip`` sends the body over that many seconds."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    reset: bool = False
    cut: bool = False
    drip: float = 0.0


Responder = Callable[[WireRequest], WireReply]


class _Readable(Protocol):
    """A connection's incoming side, buffered."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


class _BadRequest(Exception):
    """What was sent is not a request that this server reads."""


def read_request(stream: _Readable) -> WireRequest | None:
    """The next request of a connection, or None at its end. Raises BadRequest."""
    line = stream.readline(65537)
    if not line.strip():
        return None
    try:
        method, target, version = line.decode("latin-1").split()
        headers = _read_headers(stream)
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise _BadRequest from error
    if "transfer-encoding" in headers or not 0 <= length <= LARGEST_BODY:
        raise _BadRequest
    path, _, query = target.partition("?")
    connection = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close")
    body = stream.read(length) if length else b""
    return WireRequest(method, path, query, headers, body, connection.lower() != "close")


def _read_headers(stream: _Readable) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := stream.readline(65537)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def encode(reply: WireReply, keep_alive: bool) -> tuple[bytes, bytes]:
    reason = HTTPStatus(reply.status).phrase
    lines = [
        f"HTTP/1.1 {reply.status} {reason}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), reply.body


class _Connection(socketserver.StreamRequestHandler):
    """One client's connection, served until either side ends it."""

    server: WireServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server.opened(self.connection)
        try:
            while self._answer_next():
                pass
        except OSError:
            return  # The client went away.
        finally:
            self.server.closed(self.connection)

    def _answer_next(self) -> bool:
        try:
            request = read_request(self.rfile)
        except _BadRequest:
            self._send(WireReply(400, b"bad request", "text/plain"), keep_alive=False)
            return False
        if request is None:
            return False
        reply = self.server.responder(request)
        if reply.reset:
            self._reset()
            return False
        return self._send(reply, request.keep_alive)

    def _send(self, reply: WireReply, keep_alive: bool) -> bool:
        head, body = encode(reply, keep_alive)
        if reply.cut:
            self.connection.sendall(head + body[: len(body) // 2])
            self._reset()
            return False
        if not reply.drip:
            self.connection.sendall(head + body)
            return keep_alive
        self.connection.sendall(head)
        step = max(1, -(-len(body) // DRIPS))
        for start in range(0, len(body), step):
            time.sleep(reply.drip / DRIPS)
            self.connection.sendall(body[start : start + step])
        return keep_alive

    def _reset(self) -> None:
        """Let the closing of the socket send RST instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class WireServer(socketserver.ThreadingTCPServer):
    """Hands every request on a port of the loopback address to ``responder``."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, responder: Responder, port: int = 0) -> None:
        """Port 0 takes a free one. Raises OSError for one that is taken."""
        self.responder = responder
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Connection)
        self.port = int(self.server_address[1])
        self.url = f"http://{HOST}:{self.port}"
        # A short poll: stopping waits for it, and tests stop servers by the hundred.
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops listening and ends the connections that clients keep open."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # Its client ended it first.
        self._thread.join()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def opened(self, connection: socket.socket) -> None:
        """Remembers a connection, to end it when the server stops."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Only closes: an orderly shutdown first would turn a reset into a plain end."""
        self.close_request(request)
