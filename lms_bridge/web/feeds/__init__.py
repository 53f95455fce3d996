"""The public catalogue for programs: calendars, news readers, search engines, other catalogues."""

from __future__ import annotations

from flask import Flask

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.feeds import files, oeapi, sitemaps, streams


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the routes, all of them open to everybody."""
    del bridge
    for part in (streams, files, sitemaps, oeapi):
        app.register_blueprint(part.routes)
