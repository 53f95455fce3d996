"""Pages on which an LMS is connected by LTI: by its administrator, and for the operators."""

from __future__ import annotations

from flask import Flask

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.connections import connecting, operating


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds ``/lti/connect`` (to anybody with a link) and ``/connections`` (to operators)."""
    del bridge
    app.register_blueprint(connecting.pages)
    app.register_blueprint(operating.pages)
