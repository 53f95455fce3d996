"""One client's connection. The event loop reads, threads work, and neither waits for the client.

Only the loop's thread reads and changes the state. A thread that has a response sends what the
socket takes at once; the loop sends the rest. Each state has a deadline, which ``expire`` enforces.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from lms_bridge.server.http_errors import error_response
from lms_bridge.server.limits import BLOCK, HIGH, LINGER, LOW, WINDOW
from lms_bridge.server.proxy_protocol import ProxyHeaderInvalid, read_header
from lms_bridge.server.received import ReceivedRequest, RequestInvalid, RequestParser
from lms_bridge.web.client_address import client_address

if TYPE_CHECKING:
    from lms_bridge.server.listener import HttpServer


class Stage(Enum):
    """What is awaited of the client, or that nothing is."""

    HEAD, BODY, WORK = range(3)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
now = time.monotonic


class Connection:
    """``left`` says that the client closed its side while its request was at work."""

    def __init__(self, server: HttpServer, sock: socket.socket, peer: tuple[str, int]) -> None:
        self.server = server
        self.come_from(peer)
        self.busy = False
        self.left = False
        self.closed = False
        self.closing = False
        self.since = now()
        self.deadline = self.since + server.limits.head
        self._sock = sock
        self._parser = RequestParser()
        self._ahead = bytearray()
        self._out = bytearray()
        self._lock = threading.Lock()
        self._moved = 0
        self._stage = Stage.HEAD
        self._reading = False
        self._parked: Callable[[], None] | None = None
        self._keep_alive = True
        self._finishing = False
        self._sender: str | None = None
        self._introduction = bytearray() if server.is_forwarder(peer[0]) else None
        self._read(True)

    def come_from(self, peer: tuple[str, int]) -> None:
        """``group`` is who shares what one address may take. ``visitor`` is whom the request at
        work comes from, as its proxy names them."""
        self.peer, self.group = peer, client_address(peer[0], "", ())
        self.visitor = self.group

    # ---- receiving, in the loop's thread ------------------------------------------------------

    def _read(self, wanted: bool) -> None:
        if wanted == self._reading or self.closed:
            return
        self._reading = wanted
        if wanted:
            self.server.loop.add_reader(self._sock, self._readable)
        else:
            self.server.loop.remove_reader(self._sock)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self.closing:
            if not data:
                self.close()
        elif not data:
            self._ended()
        elif self.busy:
            self._ahead += data
            self._read(len(self._ahead) < BLOCK)
            if not self.busy:  # a thread has finished meanwhile
                self.go_on()
        else:
            self._feed(data)

    def _ended(self) -> None:
        self.left = True
        self._read(False)
        if not self.busy:
            self.close()

    def go_on(self) -> None:
        """Goes on with what has arrived, after a response."""
        if self.busy or self.closed or self.closing:
            return
        if self.left or self.server.stopping:
            self.close()
        elif self._parser.ready:
            self._dispatch(self._parser.ready.pop(0))
        else:
            data = bytes(self._ahead)
            self._ahead.clear()
            self._read(True)
            self._feed(data)

    def _introduced(self, data: bytes) -> bytes:
        """What follows the header with which a forwarder says whom the connection comes from."""
        if self._introduction is None:
            return data
        self._introduction += data
        try:
            header = read_header(bytes(self._introduction))
        except ProxyHeaderInvalid:
            self.close()
            return b""
        if header is None:
            return b""
        self._introduction = None
        if header.source is not None:
            self.server.renamed(self, header.source)
        return header.rest

    def _feed(self, data: bytes) -> None:
        data = self._introduced(data)
        if not data and (self._introduction is not None or self.closed):
            return
        parser = self._parser
        before = parser.current.size if parser.current else 0
        try:
            parser.feed(data)
        except RequestInvalid as error:
            self.refuse(error.status)
            return
        if parser.ready:
            self._dispatch(parser.ready.pop(0))
        elif parser.current is not None:
            self._await(parser.current, parser.current.size - before)

    def _await(self, request: ReceivedRequest, arrived: int) -> None:
        """Part of a request is here."""
        if not self._parser.has_head:
            if self._stage is not Stage.HEAD:
                self._stage, self.deadline = Stage.HEAD, now() + self.server.limits.head
        elif request.admitted:
            self._moved += arrived
            if request.size > request.most:
                self._dispatch(request)  # cut off: the application refuses it in its own words
        elif request.is_large:
            self._dispatch(request)  # the application says whether it wants the body
        elif self._stage is not Stage.BODY:
            self._stage, self.deadline = Stage.BODY, now() + self.server.limits.body
            if request.expects:
                self.send(CONTINUE)

    def _dispatch(self, request: ReceivedRequest) -> None:
        if not request.complete:
            self._read(False)
        self.busy, self._stage, self.deadline = True, Stage.WORK, math.inf
        proxies = self.server.limits.proxies
        if proxies:
            forwarded = request.joined(b"x-forwarded-for")
            self.visitor = client_address(self.peer[0], forwarded, proxies)
        self.server.work(self, request)

    def admit(self, request: ReceivedRequest, most: int, sender: str, *, apart: bool) -> None:
        """Receives the rest of a body of so many bytes at most, which the application wants, and
        has it run again. ``apart``: it waits then, and no other request may wait for it.

        One sender has no more than its share of them at once. ``sender`` is who the application
        says that it is; "" is whoever has this address.
        """
        if self.closed:
            self.give_share()
            return
        request.admitted, request.most, request.apart = True, most, apart
        if request.size > most:
            self._dispatch(request)
        elif not (self.has_share or self.server.take_share(self, sender)):
            self.refuse(503)
        elif request.complete:
            self._dispatch(request)
        else:
            self.busy, self._moved, self.deadline = False, 0, now() + WINDOW
            if request.expects:
                self.send(CONTINUE)
            self._read(True)

    # ---- sending, in any thread ---------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """Sends the data without waiting; gives whether so much is unsent that the caller must
        pause (see ``park``)."""
        with self._lock:
            self._push(data)
            return len(self._out) > HIGH

    def _push(self, data: bytes) -> None:
        """What the socket does not take now is left to the loop."""
        if self._out:
            self._out += data
            return
        sent = self._taken(data)
        if sent < len(data):
            self._out += memoryview(data)[sent:]
            self.server.soon(self._watch)

    def _taken(self, data: bytes | memoryview) -> int:
        """How many bytes need not be sent any more."""
        if self.closed:
            return len(data)
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.left = True
            return len(data)

    def park(self, go_on: Callable[[], None]) -> bool:
        """Has ``go_on`` called in a thread once the client has read enough; gives False where it
        has already."""
        with self._lock:
            if self.closed or len(self._out) <= LOW:
                return False
            self._parked = go_on
            return True

    def finish(self, data: bytes, *, keep_alive: bool) -> None:
        """Sends the last part of a response. The loop gives a share back before it looks at what
        the client sends next."""
        if self.has_share:
            self.server.soon(partial(self._finish, data, keep_alive=keep_alive))
        else:
            self._finish(data, keep_alive=keep_alive)

    def _finish(self, data: bytes, *, keep_alive: bool) -> None:
        with self._lock:
            self._keep_alive = keep_alive
            self._push(data)
            self._finishing = bool(self._out)
            if self._finishing:
                return  # the loop sends the rest, and then ends the response
        if self.has_share:
            self._finished()
            return
        if not keep_alive or self.left or self.server.stopping:
            self.server.soon(self._finished)
            return
        self.deadline = now() + self.server.limits.idle
        self.busy = False
        if self._ahead or self._parser.ready or self.left:
            self.server.soon(self.go_on)

    def _finished(self) -> None:
        self.give_share()
        if not self._keep_alive:
            self._linger()
            return
        self.deadline = now() + self.server.limits.idle
        self.busy = False
        self.go_on()

    def _watch(self) -> None:
        if not self.closed and self._out:
            self._moved, self.deadline = 0, now() + WINDOW
            self.server.loop.add_writer(self._sock, self._writable)

    def _writable(self) -> None:
        with self._lock:
            sent = self._taken(memoryview(self._out)[:BLOCK])
            del self._out[:sent]
            self._moved += sent
            parked = None
            if len(self._out) <= LOW:
                parked, self._parked = self._parked, None
            finished = not self._out and self._finishing
            if not self._out:
                self.server.loop.remove_writer(self._sock)
                self.deadline = math.inf
        if parked is not None:
            self.server.stream(parked, self)
        if finished:
            self._finishing = False
            self._finished()

    # ---- ending, in the loop's thread ---------------------------------------------------------

    def expire(self, at: float) -> None:
        """Ends what takes too long. A large body, and a response, may go on as long as they keep
        their rate."""
        if self.closed or at < self.deadline:
            return
        request = self._parser.current
        moving = bool(self._out) or (request is not None and request.admitted)
        if moving and not self.closing and self._moved >= self.server.limits.rate * WINDOW:
            self._moved, self.deadline = 0, at + WINDOW
        elif self.closing or self._out or request is None:
            self.close()
        else:
            self.refuse(408)

    def refuse(self, status: int) -> None:
        """The server's own refusal of what is no proper request."""
        self.busy = True
        request = self._parser.current
        self.finish(error_response(status, request), keep_alive=False)

    def _linger(self) -> None:
        """Ends the connection so that the client still reads the response."""
        if self.closed:
            return
        self.closing, self.busy, self.deadline = True, False, now() + LINGER
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        if self.left:
            self.close()
        self._read(True)

    @property
    def has_share(self) -> bool:
        return self._sender is not None

    def take_share(self, sender: str) -> None:
        self._sender = sender

    def give_share(self) -> None:
        if self._sender is not None:
            self.server.give_share(self._sender)
            self._sender = None

    @property
    def waits(self) -> bool:
        """Whether only the client could go on, and nothing is lost if it cannot."""
        return not (self.busy or self._out)

    def close(self) -> None:
        with self._lock:
            if self.closed:
                return
            self._read(False)
            if self._out:
                self.server.loop.remove_writer(self._sock)
            self.closed = self.left = True
            self._sock.close()
            self._out.clear()
            parked, self._parked = self._parked, None
            at_work = self.busy and not self._finishing
        if parked is not None:
            self.server.stream(parked, self)  # which finds that the connection is closed
        for request in (self._parser.current, *self._parser.ready):
            if request is not None:
                request.discard()
        if not at_work:  # else its request has the share until it ends
            self.give_share()
        self.server.forget(self)

    def abandon(self) -> None:
        """Closes what no thread works for any more."""
        self.close()
        self.give_share()
