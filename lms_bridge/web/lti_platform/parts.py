"""The room of LTI that the endpoints of this process stand on, and what a request holds."""

from __future__ import annotations

from flask import request

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.room import Room
from lms_bridge.web.bridging import the_bridge


def the_room() -> Room:
    return the_bridge().room


def given() -> dict[str, str]:
    """The parameters of a request: of the form for POST, else of the address. Each counts once:
    of two with one name nobody can say which one was checked (OpenID Connect Core, 3.1.2.1)."""
    values = request.form if request.method == "POST" else request.args
    found = {}
    for name, texts in values.lists():
        if len(texts) != 1:
            raise LtiRefused("parameter-repeated", "A parameter was sent more than once.")
        if "\x00" in texts[0] or "\x00" in name:
            raise LtiRefused("parameter-invalid", "A parameter holds a character that none may.")
        found[name] = texts[0]
    return found
