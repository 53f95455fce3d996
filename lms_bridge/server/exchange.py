"""One request and its response, between a connection and the WSGI application.

``environ`` has the keys of `lms_bridge.web.environ` beside those of WSGI.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from email.utils import formatdate
from enum import Enum
from functools import lru_cache, partial
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

import structlog

from lms_bridge.server.connection import Connection
from lms_bridge.server.http_errors import error_response
from lms_bridge.server.limits import BLOCK, SMALL
from lms_bridge.server.received import ReceivedRequest
from lms_bridge.store.failures import storage_failure
from lms_bridge.web.environ import BODY_FILE, CLIENT_LEFT, IS_AGAIN, MOST_BYTES, SENDER, WAIT_APART

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from lms_bridge.server.listener import HttpServer

SLICE = 0.05
"""Seconds after which a long response lets others go before it."""
_BODILESS = (204, 304)
_log = structlog.get_logger(__name__)


class BodyWanted(BaseException):
    """The application reads a body that is not here yet, or wants to wait ``apart`` from other
    requests: it is run again when it can go on. No handler of errors may see this."""

    def __init__(self, *, apart: bool = False) -> None:
        super().__init__()
        self.apart = apart


def _wait_apart() -> None:
    raise BodyWanted(apart=True)


class _AwaitedBody:
    """Stands for a large body that is not received before somebody wants to read it."""

    def read(self, *_: object) -> bytes:
        raise BodyWanted

    readline = readlines = readinto = read

    def __iter__(self) -> Iterator[bytes]:
        raise BodyWanted


@lru_cache(1024)
def _key(name: bytes) -> str:
    """The key of a header in ``environ``; none for a name that could be taken for another one."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


@lru_cache(2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _no_writing(_: bytes) -> object:
    raise NotImplementedError("responses are returned, not written")


class Next(Enum):
    """What an exchange does next, once it has left its context: no other thread may enter it
    before."""

    NOTHING, BEGIN, STREAM, PARK = range(4)


class Exchange:
    """``run`` is called in a thread, and ``_stream`` in others that serve long responses."""

    def __init__(self, server: HttpServer, connection: Connection, request: ReceivedRequest):
        self._server = server
        self._connection = connection
        self._request = request
        self._context = copy_context()  # a response is streamed in the context of its view
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._pieces: Iterator[bytes] = iter(())
        self._close: Callable[[], object] | None = None
        self._chunked = False
        self._unframed = False  # only the end of the connection ends the body
        self._left: int | None = None

    def run(self) -> None:
        if self._connection.closed:  # its client did not wait for a thread
            self._end()
            self._server.soon(self._connection.abandon)
            return
        self._go(self._context.run(self._run))

    def _go(self, following: Next) -> None:
        if following is Next.PARK and self._connection.park(self.stream):
            return
        if following is not Next.NOTHING:
            job = self.begin if following is Next.BEGIN else self.stream
            self._server.stream(job, self._connection)

    def _run(self) -> Next:
        environ: WSGIEnvironment = {}
        try:
            environ = self._environ()
            result = self._server.application(environ, self._start)
            self._close = getattr(result, "close", None)
            if isinstance(result, list):
                self._respond_whole(b"".join(result))
            else:  # it is made while it is sent, by other threads
                self._pieces = iter(result)
                return Next.BEGIN
        except BodyWanted as wanted:
            most, sender = int(environ.get(MOST_BYTES, SMALL)), str(environ.get(SENDER, ""))
            admit = partial(self._connection.admit, self._request, most, sender)
            self._server.soon(partial(admit, apart=wanted.apart))
        except Exception as error:
            self._fail(error)
        return Next.NOTHING

    def _fail(self, error: Exception) -> None:
        """Answers that the request could not be answered."""
        _log.error("request failed", error=type(error).__name__, exc_info=error)
        self._end()
        status = 500 if storage_failure(error) is None else 503
        self._connection.finish(error_response(status, self._request), keep_alive=False)

    # ---- the request ----------------------------------------------------------------------------

    def _environ(self) -> WSGIEnvironment:
        request, connection = self._request, self._connection
        path, _, query = request.target.partition(b"#")[0].partition(b"?")
        if not path.startswith(b"/"):  # an absolute address, as proxies get it
            path = urlsplit(path).path or b"/"
        environ = self._server.environ.copy()
        environ["REQUEST_METHOD"] = request.method
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        environ["SERVER_PROTOCOL"] = f"HTTP/{request.version}"
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = connection.peer[0], str(connection.peer[1])
        environ[CLIENT_LEFT] = lambda: connection.left
        for name, value in request.headers:
            key = _key(name)
            if key:
                text = value.decode("latin-1")
                environ[key] = f"{environ[key]},{text}" if key in environ else text
        if not request.apart:
            environ[WAIT_APART] = _wait_apart
        if request.admitted:
            environ[IS_AGAIN] = True
        if request.complete or request.admitted:
            body = request.body()
            if isinstance(body, bytes):
                environ["wsgi.input"] = BytesIO(body)
            else:
                environ["wsgi.input"] = environ[BODY_FILE] = body
            if request.length is None:
                environ.pop("HTTP_TRANSFER_ENCODING", None)
                environ["CONTENT_LENGTH"] = str(request.size)
        else:
            environ["wsgi.input"] = _AwaitedBody()
        return environ

    # ---- the response ---------------------------------------------------------------------------

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self._status, self._headers = status, headers
        return _no_writing

    def _respond_whole(self, body: bytes) -> None:
        self._end()
        head = self._head(len(body))
        silent = self._request.method == "HEAD"
        self._connection.finish(head if silent else head + body, keep_alive=self._keeps())

    def begin(self) -> None:
        """Begins a response that is made while it is sent; a short one is sent whole."""
        self._go(self._context.run(self._begin))

    def _begin(self) -> Next:
        try:
            body = b""
            for piece in self._pieces:
                body += piece
                if len(body) >= BLOCK:
                    break
            else:
                self._respond_whole(body)
                return Next.NOTHING
            self._connection.send(self._head(None) + self._framed(body))
        except Exception as error:
            self._fail(error)
            return Next.NOTHING
        return Next.STREAM

    def _head(self, size: int | None) -> bytes:
        """The lines before the body. A size of None is that of a streamed body."""
        declared = None
        lines = [f"HTTP/1.1 {self._status}"]
        for name, value in self._headers:
            lines.append(f"{name}: {value}")
            if name.lower() == "content-length":
                declared = int(value)
        status = int(self._status[:3])
        if size is None:
            self._left = declared
            self._chunked = declared is None and self._request.version != "1.0"
            self._unframed = declared is None and not self._chunked
            if self._chunked:
                lines.append("Transfer-Encoding: chunked")
        elif declared is None and status not in _BODILESS and not self._is_streamed_head(size):
            lines.append(f"Content-Length: {size}")
        lines.append(f"Date: {_date(int(time.time()))}")
        if not self._keeps():
            lines.append("Connection: close")
        elif self._request.version == "1.0":
            lines.append("Connection: keep-alive")
        text = "\r\n".join(lines)
        if text.count("\n") != len(lines) - 1:
            raise ValueError("a header of the response has a line break")
        return f"{text}\r\n\r\n".encode("latin-1")

    def _is_streamed_head(self, size: int) -> bool:
        """Whether the request needs only the headers of a streamed response."""
        return self._request.method == "HEAD" and size == 0

    def _keeps(self) -> bool:
        """Whether the client may send another request on the connection."""
        return self._request.keep_alive and self._request.complete and not self._unframed

    def _framed(self, piece: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(piece)
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked and piece else piece

    def stream(self) -> None:
        """Sends some of a long response, and comes back later for more."""
        self._go(self._context.run(self._stream))

    def _stream(self) -> Next:
        connection, end = self._connection, time.monotonic() + SLICE
        try:
            while not connection.left:
                piece = next(self._pieces, None)
                if piece is None:
                    self._end()
                    ended = self._left in (None, 0)
                    connection.finish(
                        b"0\r\n\r\n" if self._chunked else b"", keep_alive=ended and self._keeps()
                    )
                    return Next.NOTHING
                if connection.send(self._framed(piece)):
                    return Next.PARK
                if time.monotonic() > end:
                    return Next.STREAM
        except Exception as error:  # the response is begun: only its end can be withheld
            _log.error("stream failed", error=type(error).__name__, exc_info=error)
        self._end()
        self._server.soon(connection.abandon)
        return Next.NOTHING

    def _end(self) -> None:
        """Lets the application clean up, once."""
        close, self._close = self._close, None
        if close is not None:
            close()
        if self._request.complete or self._request.admitted:
            self._request.discard()
