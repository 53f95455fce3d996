"""The tool side over HTTP: login, launch, choice of offerings, registration, key set.

No Flask session takes part: what a login needs is one record in the database and one cookie.
"""

from __future__ import annotations

from flask import Flask

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.lti_tool import (
    arriving,
    failing,
    launching,
    linking,
    logging_in,
    registering,
)
from lms_bridge.web.lti_tool.hosting import OnLaunch, host, new_blueprint

__all__ = ["OnLaunch", "add_to"]


def add_to(app: Flask, bridge: Bridge, on_launch: OnLaunch = arriving.arrive) -> None:
    """Adds everything under ``/lti/tool/``; launches of resource links go to ``on_launch``."""
    host(app, bridge, on_launch)
    pages = new_blueprint()
    for part in (logging_in, launching, linking, registering, failing):
        part.add_to(pages)
    app.register_blueprint(pages)
