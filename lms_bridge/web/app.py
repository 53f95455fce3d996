"""The Flask application over one bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface

from lms_bridge.bootstrap import Bridge
from lms_bridge.web import (
    access,
    api,
    bridging,
    connections,
    errors,
    feeds,
    headers,
    languages,
    lti_platform,
    lti_tool,
    shown,
)
from lms_bridge.web.pages import (
    catalogue,
    centres,
    health,
    overview,
    runs,
    tokens,
    waiting,
    webhooks,
)


class NoSessions(SessionInterface):
    """Nothing is kept in a session, and none is opened."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return _NO_SESSION


_NO_SESSION = NullSession()


class App(Flask):
    """Flask without what no page here needs."""

    response_class = headers.Answer
    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """No view is asynchronous, and Flask would look at each of them at each request."""
        return func


def create_app(bridge: Bridge) -> Flask:
    """The pages over this bridge, which has to stay open as long as they are served."""
    app = App("lms_bridge.web")
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024  # nothing is sent here but addresses
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    for part in (bridging, languages, shown, headers, access, errors):
        part.add_to(app, bridge)
    for page in (overview, catalogue, centres, runs, waiting, tokens, webhooks, health):
        app.register_blueprint(page.pages)
    feeds.add_to(app, bridge)
    api.add_to(app, bridge)
    lti_platform.add_to(app, bridge)
    lti_tool.add_to(app, bridge)
    connections.add_to(app, bridge)
    return app
