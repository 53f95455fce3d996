"""A sample site on a real port of the loopback address, over HTTP or HTTPS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

POLL_SECONDS = 0.02
"""How long stopping may take."""
HOST = "127.0.0.1"


class Site(Protocol):
    """``address`` is how others know the site; it is set when the site is served."""

    address: str

    def application(self) -> Flask: ...


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # of a connection on which nothing is asked

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Nothing is written: an address may name a person."""


@contextmanager
def serving(
    application: WSGIApplication, port: int = 0, certificate: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serves an application until the end of the block; gives its port, 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    server = make_server(
        HOST, port, application, threaded=True, request_handler=_Handler, ssl_context=certificate
    )
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serve(
    site: Site, port: int = 0, *, name: str = HOST, certificate: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serves a site until the end of the block and gives its address.

    ``name`` is the host that others know it by; it must lead to this machine.
    """
    with serving(site.application(), port, certificate) as used:
        site.address = f"{'https' if certificate else 'http'}://{name}:{used}"
        yield site.address
