"""Headers that keep browsers from doing more with a page than showing it."""

from __future__ import annotations

from flask import Flask, Response, request

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.access import PUBLIC

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


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the headers to every answer."""
    del bridge

    @app.after_request
    def _add(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            kept = request.blueprint in PUBLIC and response.status_code == 200
            response.headers.setdefault("Cache-Control", "no-cache" if kept else "no-store")
        return response
