"""WSGI applications on real ports of the loopback address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Nothing is written."""


def free_socket() -> socket.socket:
    """A socket that listens on a port of its own, before the application is made that must know
    its address."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    return listening


@contextmanager
def serving(application: Any, listening: socket.socket) -> Iterator[str]:
    """Serves the application on the socket until the end of the block; gives its address."""
    port = listening.getsockname()[1]
    server: BaseWSGIServer = make_server(
        "127.0.0.1",
        port,
        application,
        threaded=True,
        request_handler=_Handler,
        fd=listening.fileno(),
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        listening.close()
