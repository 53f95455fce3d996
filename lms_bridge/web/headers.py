"""Headers that keep browsers from doing more with a page than showing it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.access import PUBLIC

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LOWER = {name.lower(): (name, value) for name, value in _HEADERS.items()}


class Answer(Response):
    """An answer whose body is handed over as a whole where it is one: the server sends it at once,
    with its head."""

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        given = super().get_app_iter(environ)
        if not self.is_sequence:
            return given
        body = list(given)
        self.close()
        return body


class Complete(Answer):
    """An answer with a body that is whole and an address, if any, that is encoded already: nothing
    in its headers is left to be worked out when it is sent."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.data]


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the headers to every answer."""
    del bridge

    @app.after_request
    def _add(response: Response) -> Response:
        given = {name.lower() for name, _ in response.headers}
        for lower, header in _LOWER.items():
            if lower not in given:  # asking the headers themselves goes through all of them
                response.headers.add(*header)
        if "cache-control" not in given and request.endpoint != "static":
            kept = request.blueprint in PUBLIC and response.status_code == 200
            response.headers.add("Cache-Control", "no-cache" if kept else "no-store")
        return response
