"""Deep linking: content of the tool is chosen into a course.

Source: Deep Linking 2.0, sections 2 to 4.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, Response, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.simulators.lti import names
from lms_bridge.simulators.lti.platform.logins import begin
from lms_bridge.simulators.lti.platform.people import needs
from lms_bridge.simulators.lti.platform.state import Begun, Link, PlatformState
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.showing import page
from lms_bridge.simulators.lti.signing import Claims, verified


def add_to(app: Flask, platform: PlatformState) -> None:
    @app.get("/choose/<code>")
    def choose(code: str) -> AnyResponse:
        person = needs(platform)
        if not person.teaches or code not in platform.courses:
            raise NotAccepted("Only whoever teaches may choose content.", 403)
        begun = Begun(person.id, code, secrets.token_urlsafe(12))
        return begin(platform, begun, platform.tool.target_address)

    @app.post("/chosen")
    def chosen() -> Response:
        tool = platform.tool
        claims = verified(
            request.form.get("JWT", ""),
            platform.keys_of_tool,
            issuer=tool.client_id,
            audience=platform.address,
        )
        if claims.get(names.MESSAGE_TYPE) != names.DEEP_LINKING_RESPONSE:
            raise NotAccepted("The message is no answer to a choice of content.")
        if claims.get(names.DEPLOYMENT) != tool.deployment_id:
            raise NotAccepted("The message names another deployment.")
        if not claims.get("nonce"):
            raise NotAccepted("The message has no nonce.")
        course = platform.choices.take(str(claims.get(names.DATA)))
        if course is None:
            raise NotAccepted("This choice was answered already, or took too long.")
        links = [_added(platform, course, item) for item in _items(claims)]
        return page("chosen.html", course=platform.courses[course], links=links)


def _items(claims: Claims) -> list[dict[str, Any]]:
    given = claims.get(names.CONTENT_ITEMS, [])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise NotAccepted("The chosen content is no list.")
    return [item for item in given if item.get("type") == names.RESOURCE_LINK_TYPE]


def _added(platform: PlatformState, course: str, item: dict[str, Any]) -> Link:
    column = item.get("lineItem")
    column = column if isinstance(column, dict) else None
    custom = item.get("custom")
    return platform.add_link(
        course,
        str(item.get("title") or "Content"),
        {str(name): str(text) for name, text in (custom or {}).items()},
        address=str(item.get("url") or ""),
        maximum=float(column["scoreMaximum"]) if column else None,
        resource_id=str(column.get("resourceId") or "") if column else "",
        tag=str(column.get("tag") or "") if column else "",
    )
