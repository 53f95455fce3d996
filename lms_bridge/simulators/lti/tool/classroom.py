"""The course's page: who landed where; scores that are sent from it; who else is in the course."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.showing import page
from lms_bridge.simulators.lti.tool import services
from lms_bridge.simulators.lti.tool.logins import visit_of
from lms_bridge.simulators.lti.tool.state import ToolState

PERCENTAGES = (0, 70, 100)


def add_to(app: Flask, tool: ToolState) -> None:
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
        services.send_score(tool, landing, int(percentage))
        return redirect(f"/course/{visit}?{urlencode({'sent': percentage})}", 303)

    @app.get("/course/<visit>/members")
    def members(visit: str) -> Response:
        landing = visit_of(tool, visit)
        found = services.members(tool, landing)
        return page("tool_members.html", landing=landing, visit=visit, members=found)
