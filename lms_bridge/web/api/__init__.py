"""The interface for programs: ``/api/v1``, and its documentation under ``/api/docs``."""

from __future__ import annotations

from flask import Flask, Response, g, request

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.api import centres as centres
from lms_bridge.web.api import deliveries as deliveries
from lms_bridge.web.api import docs, document, limits, waiting
from lms_bridge.web.api import events as events
from lms_bridge.web.api import groups as groups
from lms_bridge.web.api import offerings as offerings
from lms_bridge.web.api import operations as operations
from lms_bridge.web.api import registrations as registrations
from lms_bridge.web.api import results as results
from lms_bridge.web.api import runs as runs
from lms_bridge.web.api import schedule as schedule
from lms_bridge.web.api import webhooks as webhooks
from lms_bridge.web.api.problems import PREFIX


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the routes to an application."""
    limits.add_to(app, bridge)
    waiting.add_to(app, bridge)
    document.add_to(app)
    app.register_blueprint(docs.pages)

    @app.after_request
    def _tell(response: Response) -> Response:
        if request.path.startswith(PREFIX):
            headers = response.headers  # each change of one that is there goes through all of them
            for header in g.get("api_headers", {}).items():
                headers.add(*header)
            if "Vary" in headers:
                response.vary.add("Authorization")
            else:
                headers.add("Vary", "Authorization")
        return response
