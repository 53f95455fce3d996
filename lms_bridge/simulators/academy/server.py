"""The platform on a real port of the loopback address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from lms_bridge.simulators.academy.app import application
from lms_bridge.simulators.academy.state import Academy

POLL_SECONDS = 0.02
"""How long stopping may take: tests stop servers by the hundred."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # Without the base class's look-up of the host's name, which may take seconds.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, object]:
        # WSGI decodes the path, and with it the difference between a slash and %2F.
        raw_path = self.path.partition("?")[0]
        return {**super().get_environ(), "RAW_PATH": raw_path}

    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Nothing is written: a path may name a person."""


@contextmanager
def serve(academy: Academy, port: int = 0) -> Iterator[str]:
    """Serves the platform until the end of the block; gives its address."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.set_app(application(academy))
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
