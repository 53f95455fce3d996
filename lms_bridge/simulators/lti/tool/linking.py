"""Deep linking: resources of this tool are picked for a platform's course.

Source: Deep Linking 2.0, sections 3 and 4.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, request

from lms_bridge.simulators.lti import names
from lms_bridge.simulators.lti.showing import now, page, sent_on
from lms_bridge.simulators.lti.signing import Claims
from lms_bridge.simulators.lti.tool.logins import visit_of
from lms_bridge.simulators.lti.tool.reading import RESOURCE
from lms_bridge.simulators.lti.tool.state import LAUNCH, Landing, Resource, ToolState

UNGRADED = frozenset({"reading"})
SECONDS = 300


def add_to(app: Flask, tool: ToolState) -> None:
    @app.get("/pick/<visit>")
    def pick(visit: str) -> Response:
        landing = visit_of(tool, visit)
        return page(
            "tool_pick.html", landing=landing, visit=visit, resources=tool.resources.values()
        )

    @app.post("/pick/<visit>")
    def picked(visit: str) -> Response:
        landing = visit_of(tool, visit)
        chosen = [
            tool.resources[code]
            for code in request.form.getlist("resource")
            if code in tool.resources
        ]
        answer = tool.signer.sign(_answer(tool, landing, chosen))
        return sent_on(landing.return_address, {"JWT": answer})


def _answer(tool: ToolState, landing: Landing, chosen: list[Resource]) -> Claims:
    platform, at = landing.platform, now()
    claims: Claims = {
        "iss": platform.client_id,
        "aud": platform.issuer,
        "iat": at,
        "exp": at + SECONDS,
        "nonce": secrets.token_urlsafe(16),
        names.MESSAGE_TYPE: names.DEEP_LINKING_RESPONSE,
        names.LTI_VERSION: names.VERSION,
        names.DEPLOYMENT: platform.deployment_id,
        names.CONTENT_ITEMS: [_item(tool, each) for each in chosen],
    }
    return claims | ({names.DATA: landing.return_data} if landing.return_data else {})


def _item(tool: ToolState, resource: Resource) -> dict[str, Any]:
    item: dict[str, Any] = {
        "type": names.RESOURCE_LINK_TYPE,
        "title": resource.title,
        "text": resource.text,
        "url": f"{tool.address}{LAUNCH}?{urlencode({RESOURCE: resource.code})}",
    }
    if resource.code not in UNGRADED:
        item["lineItem"] = {
            "label": resource.title,
            "scoreMaximum": 100,
            "resourceId": resource.code,
        }
    return item
