"""The bridge that the pages stand on."""

from __future__ import annotations

from flask import Flask, current_app

from lms_bridge.bootstrap import Bridge

_NAME = "lms_bridge"


def add_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_NAME] = bridge


def the_bridge() -> Bridge:
    """The bridge of the application that serves this request."""
    bridge = current_app.extensions[_NAME]
    if not isinstance(bridge, Bridge):
        raise RuntimeError("the application was not made by create_app")
    return bridge
