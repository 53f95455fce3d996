"""Pages on which an LMS is connected by LTI, for its administrator and for operators."""

from __future__ import annotations

from flask import Flask

from lms_bridge.bridge import Bridge
from lms_bridge.lti.pages import connect, operators


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds ``/lti/connect`` (to anybody with a link) and ``/connections`` (to operators)."""
    del bridge
    app.register_blueprint(connect.pages)
    app.register_blueprint(operators.pages)
