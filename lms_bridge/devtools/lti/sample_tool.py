"""A sample tool that stands for the LMS of a centre that speaks LTI, and is launched into.

Source of deep linking: Deep Linking 2.0, sections 3 and 4.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.signatures import Claims
from lms_bridge.devtools.lti.site import NotAccepted, new_application, now, page, sent_on
from lms_bridge.devtools.lti.tool_launch import RESOURCE, add_launches, visit_of
from lms_bridge.devtools.lti.tool_services import course_members, send_score
from lms_bridge.devtools.lti.tool_state import LAUNCH, Landing, SampleResource, ToolState

PERCENTAGES = (0, 70, 100)
UNGRADED = frozenset({"reading"})
MESSAGE_SECONDS = 300


def add_course_pages(app: Flask, tool: ToolState) -> None:
    @app.get("/course/<visit>")
    def course(visit: str) -> Response:
        landing = visit_of(tool, visit)
        sent = request.args.get("sent", "")
        return page(
            "tool_course.html",
            landing=landing,
            visit=visit,
            resource=tool.resources.get(landing.resource),
            percentages=PERCENTAGES,
            sent=sent if sent in map(str, PERCENTAGES) else "",
        )

    @app.post("/course/<visit>/score")
    def score(visit: str) -> AnyResponse:
        landing = visit_of(tool, visit)
        percentage = request.form.get("percentage", "")
        if percentage not in map(str, PERCENTAGES):
            raise NotAccepted("There is no such score to send.")
        send_score(tool, landing, int(percentage))
        return redirect(f"/course/{visit}?{urlencode({'sent': percentage})}", 303)

    @app.get("/course/<visit>/members")
    def members(visit: str) -> Response:
        landing = visit_of(tool, visit)
        found = course_members(tool, landing)
        return page("tool_members.html", landing=landing, visit=visit, members=found)


def add_deep_linking(app: Flask, tool: ToolState) -> None:
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
        answer = tool.signer.sign(_deep_linking_response(tool, landing, chosen))
        return sent_on(landing.return_address, {"JWT": answer})


def _deep_linking_response(
    tool: ToolState, landing: Landing, chosen: list[SampleResource]
) -> Claims:
    platform, at = landing.platform, now()
    claims: Claims = {
        "iss": platform.client_id,
        "aud": platform.issuer,
        "iat": at,
        "exp": at + MESSAGE_SECONDS,
        "nonce": secrets.token_urlsafe(16),
        names.MESSAGE_TYPE: names.DEEP_LINKING_RESPONSE,
        names.LTI_VERSION: names.VERSION,
        names.DEPLOYMENT: platform.deployment_id,
        names.CONTENT_ITEMS: [_content_item(tool, each) for each in chosen],
    }
    return claims | ({names.DATA: landing.return_data} if landing.return_data else {})


def _content_item(tool: ToolState, resource: SampleResource) -> dict[str, Any]:
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


class SampleTool(ToolState):
    """The site and what it holds, open to read."""

    def application(self) -> Flask:
        app = new_application(self.name, "stands for a centre's LMS")
        for add in (add_launches, add_course_pages, add_deep_linking):
            add(app, self)
        return app
