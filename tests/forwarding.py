"""Ways by which strangers reach the bridge from its own machine, over real sockets.

None of them says that it is there: a TCP forward changes nothing, a proxy in its shortest form
replaces the name that was asked for by its own name for the bridge.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

PATIENCE = 120.0


class _Forward(ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True
    target: tuple[str, int]
    host: str


class _Handler(BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Forward)
        with socket.create_connection(server.target, PATIENCE) as bridge:
            self.request.settimeout(PATIENCE)
            bridge.sendall(_changed(self._head(), server.host))
            back = threading.Thread(target=_pump, args=(bridge, self.request), daemon=True)
            back.start()
            _pump(self.request, bridge)
            back.join(PATIENCE)

    def _head(self) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head and (more := self.request.recv(65_536)):
            head += more
        return head


def _changed(head: bytes, host: str) -> bytes:
    """One request on a connection: else the next ones would go through as they are."""
    head = re.sub(rb"(?im)^Connection:.*\r\n", b"", head)
    head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    return re.sub(rb"(?im)^Host:.*\r$", f"Host: {host}\r".encode(), head) if host else head


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while more := source.recv(65_536):
            target.sendall(more)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def forwarded(address: str, host: str = "") -> Iterator[str]:
    """Another address of a server; with ``host``, that is the name that its requests have."""
    parts = urlsplit(address)
    with _Forward(("127.0.0.1", 0), _Handler) as server:
        server.target, server.host = (str(parts.hostname), int(parts.port or 80)), host
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
