"""The public catalogue for programs: calendars, news readers, search engines, other catalogues."""

from __future__ import annotations

from threading import BoundedSemaphore

from flask import Flask

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.feeds import files, oeapi, sitemaps, streams
from lms_bridge.web.feeds.answering import PLACES


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the routes, all of them open to everybody. Half of the threads are left to the pages."""
    app.extensions[PLACES] = BoundedSemaphore(max(1, bridge.settings.web.threads // 2))
    for part in (streams, files, sitemaps, oeapi):
        app.register_blueprint(part.routes)
