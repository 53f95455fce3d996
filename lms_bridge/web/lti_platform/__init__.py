"""The platform side over HTTP: pages that people pass through, and services that tools call."""

from __future__ import annotations

from flask import Flask

from lms_bridge.bootstrap import Bridge
from lms_bridge.web.lti_platform import machine, pages, services, taking


def add_to(app: Flask, bridge: Bridge) -> None:
    """Adds the platform side to an application."""
    taking.add_to(app, bridge)
    app.register_blueprint(pages.pages)
    app.register_blueprint(machine.machine)
    app.register_blueprint(services.services)
