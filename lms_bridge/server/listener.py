"""The HTTP server of one process: a loop that owns all connections, and threads that answer.

A thread gets a request when it is whole, and hands its response over without waiting for the
client. So slow clients cost a connection each, and never a thread. docs/adr/0010 says why it is
the bridge's own.
"""

from __future__ import annotations

import asyncio
import resource
import selectors
import socket
import sys
from collections import Counter
from collections.abc import Callable
from heapq import nlargest
from typing import TYPE_CHECKING

from lms_bridge.server.connection import Connection, now
from lms_bridge.server.exchange import Exchange
from lms_bridge.server.limits import HIGH, ServerLimits
from lms_bridge.server.proxy_protocol import Peer
from lms_bridge.server.received import ReceivedRequest
from lms_bridge.server.threads import Job, Threads
from lms_bridge.web.client_address import is_within
from lms_bridge.web.environ import LET_OTHERS_BEGIN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

SWEEP = 0.5
"""Seconds between two looks at the deadlines."""
_ACCEPTED = 64
_SPARE_FILES = 256
"""Open files that are not connections: the database's, and bodies of large requests."""


class _Selector(selectors.DefaultSelector):
    """Looks at the connections after ``before``, which is told how long it may take."""

    before: Callable[[float | None], None] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.before is not None and (timeout is None or timeout > 0):
            began = now()
            self.before(timeout)
            timeout = None if timeout is None else max(0.0, timeout - (now() - began))
        return super().select(timeout)


class HttpServer:
    """Serves a WSGI application on a bound socket until ``stop`` is called."""

    def __init__(
        self, application: WSGIApplication, listening: socket.socket, limits: ServerLimits
    ) -> None:
        self.application = application
        self.limits = limits
        selector = _Selector()
        self.loop = asyncio.SelectorEventLoop(selector)
        self.soon = self._soon
        self.stopping = False
        self.environ = _environ(listening)
        self._listening = listening
        files = _files_allowed()
        self._most = min(limits.connections, max(files // 2, files - _SPARE_FILES))
        later = self.loop.call_later if limits.in_turn else None
        self._requests = Threads(limits.threads, "requests", later)
        if limits.in_turn:
            selector.before = self._requests.wait_for_short
        self.environ[LET_OTHERS_BEGIN] = self._requests.let_others_begin
        self._large = Threads(limits.threads, "large bodies")
        self._apart = Threads(limits.large, "waiting")  # as many as may be there at once
        self._streams = Threads(max(1, limits.threads // 4), "streams")  # they work without a pause
        self._connections: set[Connection] = set()
        self._peers: Counter[str] = Counter()
        self._senders: Counter[str] = Counter()

    def run(self) -> None:
        """Serves; returns after ``stop``, once the responses that are due are sent."""
        self._listening.setblocking(False)
        # Unsent bytes wait where they are counted, and not in the system.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH)
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listening.listen(1024)
        self.loop.add_reader(self._listening, self._accept)
        self.loop.call_later(SWEEP, self._sweep)
        self.loop.run_forever()
        for each in list(self._connections):
            each.close()
        for threads in (self._requests, self._large, self._apart, self._streams):
            threads.end()
        self.loop.close()

    def stop(self) -> None:
        """Called in the loop's thread: accepts nothing more, and ends soon."""
        if self.stopping:
            return
        self.stopping = True
        self.loop.remove_reader(self._listening)
        self._listening.close()
        for each in [each for each in self._connections if each.waits]:
            each.close()
        self.loop.call_later(self.limits.stop, self.loop.stop)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self.stopping and not self._connections:
            self.loop.stop()

    def _soon(self, job: Job) -> None:
        """Has the loop's thread carry it out."""
        try:
            self.loop.call_soon_threadsafe(job)
        except RuntimeError:  # the loop has ended
            return

    # ---- connections ----------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(_ACCEPTED):
            try:
                sock, peer = self._listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:  # no file is left for another connection
                self._make_room()
                return
            sock.setblocking(False)
            made = Connection(self, sock, (peer[0].partition("%")[0], peer[1]))
            self._peers[made.group] += 1
            self._connections.add(made)
            if len(self._connections) >= self._most:
                self._make_room()

    def _make_room(self) -> None:
        """Ends connections on which only the client could go on: first those of the addresses that
        hold most, and of these the oldest."""
        waiting = [each for each in self._connections if each.waits]
        for each in nlargest(max(1, self._most // 16), waiting, key=self._expendable):
            each.close()

    def _expendable(self, connection: Connection) -> tuple[int, float]:
        return self._peers[connection.group], -connection.since

    def is_forwarder(self, address: str) -> bool:
        return is_within(address, self.limits.forwarders)

    def renamed(self, connection: Connection, peer: Peer) -> None:
        """A forwarder has said whom its connection comes from."""
        self._leave_group(connection)
        connection.come_from(peer)
        self._peers[connection.group] += 1

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._leave_group(connection)
        self._end_if_idle()

    def _leave_group(self, connection: Connection) -> None:
        group = connection.group
        self._peers[group] -= 1
        if not self._peers[group]:
            del self._peers[group]

    def _sweep(self) -> None:
        at = now()
        for each in [each for each in self._connections if each.deadline < at]:
            each.expire(at)
        self.loop.call_later(SWEEP, self._sweep)

    # ---- work -----------------------------------------------------------------------------------

    def work(self, connection: Connection, request: ReceivedRequest) -> None:
        """Has a thread answer. Large bodies have threads of their own, since they take longest; so
        have those that wait for each other."""
        threads = self._requests
        if connection.has_share:
            threads = self._apart if request.apart else self._large
        elif threads.waiting(connection.visitor) >= self.limits.waiting:
            connection.refuse(503)
            return
        threads.put(Exchange(self, connection, request).run, connection.visitor)

    def stream(self, job: Job, connection: Connection) -> None:
        """Has a thread go on with a long response."""
        self._streams.put(job, connection.visitor)

    def take_share(self, connection: Connection, sender: str) -> bool:
        """Whether another large body of its sender may come in now. A sender that has one gets no
        other of the last half, so that the others find some."""
        sender = sender or connection.visitor
        has, limits = self._senders[sender], self.limits
        most = limits.large // 2 if has else limits.large
        if has >= limits.share or self._senders.total() >= most:
            return False
        self._senders[sender] += 1
        connection.take_share(sender)
        return True

    def give_share(self, sender: str) -> None:
        self._senders[sender] -= 1
        if not self._senders[sender]:
            del self._senders[sender]


def _files_allowed() -> int:
    """How many files this process may open; as many as the system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def _environ(listening: socket.socket) -> WSGIEnvironment:
    """What ``environ`` has at each request."""
    host, port = listening.getsockname()[:2]
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": "lms_bridge",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
