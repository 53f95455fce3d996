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
_LOWER = {name.lower(): (name, value) for name, value in _HEADERS.items()}


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
