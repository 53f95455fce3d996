"""A small threaded HTTP/1.1 server with keep-alive.

The standard library's request handler spends several times as long on a request as the
simulator does, and can neither reset a connection nor let an answer drip.
"""

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

from .reply import Reply

LARGEST_BODY = 64 * 1024 * 1024
DRIPS = 10


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read whole. ``query`` is still encoded."""

    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool


Responder = Callable[[Request], Reply]


class Readable(Protocol):
    """A connection's incoming side, buffered."""

    def read(self, size: int, /) -> bytes:
        """That many bytes."""
        ...

    def readline(self, size: int, /) -> bytes:
        """A line, or that many bytes of it."""
        ...


class BadRequest(Exception):
    """What was sent is not a request that this server reads."""


def read_request(stream: Readable) -> Request | None:
    """The next request of a connection, or None at its end. Raises BadRequest."""
    line = stream.readline(65537)
    if not line.strip():
        return None
    try:
        method, target, version = line.decode("latin-1").split()
        headers = _read_headers(stream)
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise BadRequest from error
    if "transfer-encoding" in headers or not 0 <= length <= LARGEST_BODY:
        raise BadRequest
    path, _, query = target.partition("?")
    wish = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close")
    body = stream.read(length) if length else b""
    return Request(method, unquote(path), query, body, wish.lower() != "close")


def _read_headers(stream: Readable) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := stream.readline(65537)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def encode(reply: Reply, keep_alive: bool) -> tuple[bytes, bytes]:
    """Head and body as sent."""
    reason = HTTPStatus(reply.status).phrase
    lines = [
        f"HTTP/1.1 {reply.status} {reason}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), reply.body


class Connection(socketserver.StreamRequestHandler):
    """One client's connection, served until either side ends it."""

    server: "HttpServer"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer request after request."""
        self.server.opened(self.connection)
        try:
            while self._answer_next():
                pass
        except OSError:
            return  # The client went away: nobody is left to be told.
        finally:
            self.server.closed(self.connection)

    def _answer_next(self) -> bool:
        try:
            request = read_request(self.rfile)
        except BadRequest:
            self._send(Reply(400, b"bad request", "text/plain"), keep_alive=False)
            return False
        if request is None:
            return False
        reply = self.server.responder(request)
        if reply.reset:
            self._reset()
            return False
        return self._send(reply, request.keep_alive)

    def _send(self, reply: Reply, keep_alive: bool) -> bool:
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


class HttpServer(socketserver.ThreadingTCPServer):
    """Listens on a local port and hands every request to ``responder``."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], responder: Responder) -> None:
        self.responder = responder
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, Connection)

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, to end it when the server stops."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Only close: an orderly shutdown first would turn a reset into a plain end."""
        self.close_request(request)

    def stop(self) -> None:
        """Stop listening and end the connections that clients keep open."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # Its client ended it first.
