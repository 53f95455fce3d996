"""The server with a small application, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from typing import TYPE_CHECKING

from lms_bridge.server.limits import ServerLimits
from lms_bridge.server.listener import HttpServer
from lms_bridge.web.environ import CLIENT_LEFT, MOST_BYTES, SENDER, WAIT_APART

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 120.0
PATIENT = ServerLimits(threads=2, head=300, body=300, idle=300, large=4, share=2)
"""Nothing runs out while a test looks: what is answered is answered beside the attack."""
MOST = 1024 * 1024
ENDLESS = 100_000
PIECE = b"x" * 16_384
TOLD = {"/from": "HTTP_X_FORWARDED_FOR", "/peer": "REMOTE_ADDR", "/port": "REMOTE_PORT"}


@dataclass
class SmallApplication:
    """``/`` says hello, ``/form`` gives the body back, ``/push`` takes a large one with a token,
    ``/long`` is a long response, ``/work`` works until its client leaves, ``/apart`` waits for
    ``may_end`` where no other request waits for it."""

    pieces: int = 0
    began: threading.Event = field(default_factory=threading.Event)
    saw_leaving: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    waiting: Queue[str] = field(default_factory=Queue)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/push":
            if not environ.get("HTTP_AUTHORIZATION"):
                return _said(start, "401 Unauthorized", b"who?")
            environ[MOST_BYTES], environ[SENDER] = MOST, environ["HTTP_AUTHORIZATION"]
            body = environ["wsgi.input"].read(MOST + 1)
            if len(body) > MOST:
                return _said(start, "413 Content Too Large", b"too large")
            return _said(start, "200 OK", b"%d" % len(body))
        if path == "/form":
            return _said(start, "200 OK", environ["wsgi.input"].read())
        if path in TOLD:
            return _said(start, "200 OK", environ.get(TOLD[path], "").encode())
        if path == "/long":
            start("200 OK", [("Content-Type", "text/plain")])
            return _Long(self)
        if path == "/apart":
            self._wait(environ)
        if path == "/work":
            self._work(environ)
        if path == "/defect":
            raise ValueError("a defect")
        return _said(start, "200 OK", b"hello")

    def _work(self, environ: WSGIEnvironment) -> None:
        self.began.set()
        while not environ[CLIENT_LEFT]():
            threading.Event().wait(0.01)
        self.saw_leaving.set()

    def _wait(self, environ: WSGIEnvironment) -> None:
        sender = environ[SENDER] = environ["HTTP_AUTHORIZATION"]
        if WAIT_APART in environ:
            environ[WAIT_APART]()
        self.waiting.put(sender)
        self.may_end.wait(PATIENCE if sender.startswith("hostile") else 0)


def _said(start: StartResponse, status: str, body: bytes) -> list[bytes]:
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class _Long:
    def __init__(self, application: SmallApplication) -> None:
        self._application = application

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(ENDLESS):
            self._application.pieces += 1
            yield PIECE

    def close(self) -> None:
        self._application.closed.set()


@dataclass
class World:
    server: HttpServer
    application: SmallApplication
    address: tuple[str, int]

    def connect(self, data: bytes = b"") -> socket.socket:
        """A connection on which so much is sent."""
        client = socket.create_connection(self.address, PATIENCE)
        client.sendall(data)
        return client

    def ask(self, data: bytes) -> bytes:
        """Everything that comes back until the server ends the connection."""
        with self.connect(data) as client:
            return read_all(client)

    def hello(self) -> bytes:
        return self.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def read_all(client: socket.socket) -> bytes:
    got = b""
    try:
        while data := client.recv(65_536):
            got += data
    except ConnectionResetError:
        pass
    return got


@contextmanager
def served(
    limits: ServerLimits = PATIENT, instead: WSGIApplication | None = None
) -> Iterator[World]:
    """``instead`` is served in place of the small application."""
    application = SmallApplication()
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    server = HttpServer(instead or application, listening, limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield World(server, application, address)
    finally:
        server.soon(server.stop)
        thread.join(PATIENCE)
        assert not thread.is_alive()
