"""Security headers of every response, and whether browsers may store it."""

from __future__ import annotations

from flask import Flask, Response, request

from lms_bridge.web.access import PUBLIC, cookie_name

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


def add_to(app: Flask) -> None:
    """Adds the headers that a view has not set itself."""

    @app.after_request
    def _add(response: Response) -> Response:
        # One pass over the headers: each look-up by name would go through all of them.
        present = {name.lower() for name, _ in response.headers}
        for name, value in _HEADERS.items():
            if name.lower() not in present:
                response.headers.add(name, value)
        if "cache-control" not in present and request.endpoint != "static":
            public = request.blueprint in PUBLIC and response.status_code in (200, 304)
            may_store = public and cookie_name("session") not in request.cookies
            response.headers.add("Cache-Control", "no-cache" if may_store else "no-store")
        return response
