"""The API for programs: ``/api/v1``, and its documentation under ``/api/docs``."""

from __future__ import annotations

from flask import Flask, Response, g, request

from lms_bridge.api import openapi, rate_limit, route
from lms_bridge.api.problems import PREFIX
from lms_bridge.bridge import Bridge


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the routes that were declared, and the page that explains them."""
    rate_limit.add_rate_limits_to(app, bridge)
    app.register_blueprint(route.blueprint)
    app.register_blueprint(openapi.pages)

    @app.after_request
    def _add_headers(response: Response) -> Response:
        if request.path.startswith(PREFIX):
            headers = response.headers
            for header in g.get("api_headers", {}).items():
                headers.add(*header)  # none of them is there yet: setting would search for it
            if "Vary" in headers:
                response.vary.add("Authorization")
            else:
                headers.add("Vary", "Authorization")
        return response
