"""One HTTP request as it arrives: its head and its body, within limits."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO

import httptools
import structlog

from lms_bridge.server.limits import BLOCK, HEAD, HEADERS, PIPELINED, SMALL

_HOST = re.compile(rb"(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])?(?::[0-9]{0,5})?")
_NO_FILES = (errno.EMFILE, errno.ENFILE)
"""The process, or the machine, has as many open files as it may."""
_log = structlog.get_logger(__name__)
_AROUND = 8
"""Bytes around each byte of a body that a client may send: chunks of one byte have five."""


class RequestInvalid(Exception):
    """What arrives is no request that is answered. ``status`` says why; the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class ReceivedRequest:
    """A request. ``length`` is None for a chunked body, ``size`` is what of the body is here."""

    target: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    method: str = ""
    version: str = "1.1"
    keep_alive: bool = True
    length: int | None = 0
    size: int = 0
    complete: bool = False
    expects: bool = False
    most: int = SMALL
    """Bytes of the body that are kept; more than these are refused."""
    admitted: bool = False
    """Whether the application reads a body larger than a form."""
    apart: bool = False
    """Whether it waits apart from all other requests."""
    _small: bytearray = field(default_factory=bytearray)
    _file: IO[bytes] | None = None

    def header(self, name: bytes) -> bytes:
        return next((value for known, value in self.headers if known.lower() == name), b"")

    def joined(self, name: bytes) -> str:
        """All headers of that name, as one."""
        found = (value for known, value in self.headers if known.lower() == name)
        return b",".join(found).decode("latin-1")

    @property
    def is_large(self) -> bool:
        return self.size > SMALL or (self.length or 0) > SMALL

    def keep(self, data: bytes) -> None:
        self.size += len(data)
        if self._file is None and self.size <= SMALL:
            self._small += data
            return
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 (closed by `discard`)
            self._file.write(self._small)
            self._small.clear()
        self._file.write(data)

    def body(self) -> bytes | IO[bytes]:
        if self._file is None:
            return bytes(self._small)
        self._file.seek(0)
        return self._file

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()


class RequestParser:
    """Requests of one connection, by llhttp. ``ready`` holds those that are whole."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self.current: ReceivedRequest | None = None
        self.has_head = False
        self.ready: list[ReceivedRequest] = []
        self._head_size = self._fields_size = 0
        self._body_size = 0
        self._around = 0
        self._refused = 0

    def feed(self, data: bytes) -> None:
        """Raises RequestInvalid."""
        before = self._body_size
        if not self.has_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # answered as HTTP/1.1, which the client must accept
            for request in self.ready[-1:]:
                request.keep_alive = False
        except httptools.HttpParserError:
            raise RequestInvalid(self._refused or 400) from None
        if not self.has_head and self._head_size > HEAD:
            raise RequestInvalid(431)
        self._limit_around(len(data) - (self._body_size - before))
        if len(self.ready) > PIPELINED:
            raise RequestInvalid(429)

    def _limit_around(self, arrived: int) -> None:
        """Bounds what comes with a chunked body: names of chunks, and fields after the end."""
        if self.has_head and self.current is not None:
            self._around += arrived
            if self._around > HEAD + BLOCK + _AROUND * self.current.size:
                raise RequestInvalid(431)

    # ---- what llhttp calls --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.current, self.has_head, self._fields_size = ReceivedRequest(), False, 0

    def on_url(self, url: bytes) -> None:
        if self.current is not None:
            self.current.target += url
            self._limit(len(self.current.target) <= HEAD, 414)

    def on_header(self, name: bytes, value: bytes | None) -> None:
        if self.current is not None:
            self.current.headers.append((name, value or b""))
            self._fields_size += len(name) + len(value or b"")
            self._limit(len(self.current.headers) <= HEADERS, 431)
            self._limit(self._fields_size <= HEAD, 431)

    def on_headers_complete(self) -> None:
        request = self.current
        if request is None:
            return
        self.has_head, self._head_size, self._around = True, 0, 0
        request.method = self._parser.get_method().decode("ascii")
        request.version = self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive()
        coding = request.header(b"transfer-encoding").strip().lower()
        self._limit(coding in (b"", b"chunked"), 501)
        hosts = [value.strip() for name, value in request.headers if name.lower() == b"host"]
        named = len(hosts) == 1 or (not hosts and request.version == "1.0")
        self._limit(named and all(map(_HOST.fullmatch, hosts)), 400)
        self._limit(request.method != "CONNECT", 405)
        length = request.header(b"content-length").strip()
        request.length = None if coding else int(length or b"0")
        request.expects = request.header(b"expect").lower() == b"100-continue"

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self.current is not None:
            try:
                self.current.keep(body)
            except OSError as error:
                _log.error("body not kept in the temporary folder", reason=error.strerror)
                self._limit(False, 503 if error.errno in _NO_FILES else 507)

    def on_message_complete(self) -> None:
        if self.current is not None:
            self.current.complete = True
            self.ready.append(self.current)
            self.current, self.has_head = None, False

    def _limit(self, holds: bool, status: int) -> None:
        if not holds:
            self._refused = status
            raise RequestInvalid(status)
