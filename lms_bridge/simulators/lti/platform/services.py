"""The services for the tool: members, line items, scores, results.

Sources: Names and Role Provisioning Services 2.0, section 2; Assignment and Grade Services 2.0,
section 3.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from lms_bridge.simulators.lti import names
from lms_bridge.simulators.lti.platform import addresses, granting
from lms_bridge.simulators.lti.platform.scoring import Sent, keep, shown_results
from lms_bridge.simulators.lti.platform.state import Course, LineItem, PlatformState
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.showing import json_answer

PAGE = 3


def add_to(app: Flask, platform: PlatformState) -> None:
    _add_members(app, platform)
    _add_items(app, platform)
    _add_scores(app, platform)


def _add_members(app: Flask, platform: PlatformState) -> None:
    @app.get("/services/<course>/members")
    def members(course: str) -> Response:
        granting.check(platform, names.MEMBERS_SCOPE)
        found, start = platform.members_of(_course(platform, course)), _number("from")
        told = [
            {
                "status": "Active",
                "user_id": person.id,
                "roles": ["Instructor" if person.teaches else "Learner"],
                "name": person.name,
                "given_name": person.given_name,
                "family_name": person.family_name,
                "email": person.email,
                "lis_person_sourcedid": person.id,
            }
            for person in found[start : start + PAGE]
        ]
        body = {"id": request.url, "context": {"id": course}, "members": told}
        response = json_answer(body, names.MEMBERS_TYPE)
        if start + PAGE < len(found):
            following = f"{addresses.members(platform, course)}?from={start + PAGE}"
            response.headers["Link"] = f'<{following}>; rel="next"'
        return response


def _add_items(app: Flask, platform: PlatformState) -> None:
    @app.get("/services/<course>/items")
    def items(course: str) -> Response:
        granting.check(platform, names.LINE_ITEM_SCOPE, names.LINE_ITEM_READ_SCOPE)
        _course(platform, course)
        wanted = {"resource_id": "resource_id", "tag": "tag", "resource_link_id": "link"}
        found = [
            _told(platform, item)
            for item in platform.line_items_of(course)
            if all(
                request.args.get(asked, getattr(item, name)) == getattr(item, name)
                for asked, name in wanted.items()
            )
        ]
        return json_answer(found, names.LINE_ITEMS_TYPE)

    @app.post("/services/<course>/items")
    def add(course: str) -> Response:
        granting.check(platform, names.LINE_ITEM_SCOPE)
        _course(platform, course)
        item = platform.add_line_item(_item(course))
        return json_answer(_told(platform, item), names.LINE_ITEM_TYPE, 201)

    @app.get("/services/<course>/items/<number>")
    def one(course: str, number: str) -> Response:
        granting.check(platform, names.LINE_ITEM_SCOPE, names.LINE_ITEM_READ_SCOPE)
        return json_answer(_told(platform, _found(platform, course, number)), names.LINE_ITEM_TYPE)


def _add_scores(app: Flask, platform: PlatformState) -> None:
    @app.post("/services/<course>/items/<number>/scores")
    def score(course: str, number: str) -> Response:
        granting.check(platform, names.SCORE_SCOPE)
        item = _found(platform, course, number)
        learners = [person.id for person in platform.members_of(_course(platform, course))]
        keep(platform, item, learners, Sent.of(_json()))
        return Response(status=204)

    @app.get("/services/<course>/items/<number>/results")
    def results(course: str, number: str) -> Response:
        granting.check(platform, names.RESULT_SCOPE)
        item = _found(platform, course, number)
        address = addresses.line_item(platform, item)
        return json_answer(shown_results(platform, item, address), names.RESULTS_TYPE)


def _course(platform: PlatformState, code: str) -> Course:
    course = platform.courses.get(code)
    if course is None:
        raise NotAccepted("There is no such course.", 404)
    return course


def _found(platform: PlatformState, course: str, number: str) -> LineItem:
    item = platform.line_items.get(number)
    if item is None or item.course != course:
        raise NotAccepted("There is no such line item.", 404)
    return item


def _number(name: str) -> int:
    return request.args.get(name, 0, int)


def _json() -> dict[str, Any]:
    found = request.get_json(force=True, silent=True)
    if not isinstance(found, dict):
        raise NotAccepted("The body is not a JSON object.")
    return found


def _item(course: str) -> LineItem:
    given = _json()
    maximum = given.get("scoreMaximum")
    if not isinstance(maximum, int | float) or maximum <= 0 or not given.get("label"):
        raise NotAccepted("A line item needs a label, and a scoreMaximum above zero.")
    texts = [str(given.get(name) or "") for name in ("resourceId", "tag", "resourceLinkId")]
    return LineItem("", course, str(given["label"]), float(maximum), *texts)


def _told(platform: PlatformState, item: LineItem) -> dict[str, Any]:
    found = {
        "id": addresses.line_item(platform, item),
        "label": item.label,
        "scoreMaximum": item.maximum,
        "resourceId": item.resource_id,
        "tag": item.tag,
        "resourceLinkId": item.link,
    }
    return {name: value for name, value in found.items() if value != ""}
