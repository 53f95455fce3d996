"""A sample platform that stands for the Academy's, and launches its learners into one tool.

Source of deep linking: Deep Linking 2.0, sections 2 to 4.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.platform_launch import (
    add_launches,
    add_sign_in,
    begin,
    sign_in_page,
    signed_in,
    signed_in_person,
)
from lms_bridge.devtools.lti.platform_services import add_services, add_token_endpoint
from lms_bridge.devtools.lti.platform_state import (
    PlatformState,
    SampleLink,
    SamplePerson,
    StartedLaunch,
)
from lms_bridge.devtools.lti.signatures import Claims, verified
from lms_bridge.devtools.lti.site import NotAccepted, new_application, page


def add_courses(app: Flask, platform: PlatformState) -> None:
    @app.get("/")
    def my_courses() -> Response:
        person = signed_in(platform)
        if person is None:
            return sign_in_page(platform)
        courses = [
            (course, platform.links_of(course.code)) for course in platform.courses_of(person)
        ]
        return page("courses.html", person=person, courses=courses, storage=_storage(platform))

    @app.get("/here/<link_id>")
    def here(link_id: str) -> Response:
        """The tool inside this platform's page."""
        person = signed_in_person(platform)
        link = platform.link_for(person, link_id)
        course = platform.courses[link.course]
        return page(
            "here.html", person=person, course=course, link=link, storage=_storage(platform)
        )


def _storage(platform: PlatformState) -> str:
    """The origin whose pages may keep values in this platform's; empty where none may."""
    if not platform.offers_storage or platform.registered is None:
        return ""
    parts = urlsplit(platform.registered.login_address)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class _GradeRow:
    """``score`` is empty where there is none."""

    course: str
    item: str
    person: str
    score: str
    at: str


def add_grades(app: Flask, platform: PlatformState) -> None:
    @app.get("/grades")
    def grades() -> Response:
        person = signed_in_person(platform)
        return page("grades.html", person=person, rows=rows_for(platform, person))


def rows_for(platform: PlatformState, person: SamplePerson) -> list[_GradeRow]:
    shown = []
    with platform.lock:
        for (item_id, learner), score in platform.scores.items():
            item = platform.line_items.get(item_id)
            if item is None or not (person.teaches or learner == person.id):
                continue
            course, who = platform.courses[item.course], platform.people[learner]
            shown_score = "" if score.given is None else f"{score.given:g} of {score.maximum:g}"
            shown.append(_GradeRow(course.title, item.label, who.name, shown_score, score.at))
    return shown


def add_deep_linking(app: Flask, platform: PlatformState) -> None:
    @app.get("/choose/<code>")
    def choose(code: str) -> AnyResponse:
        person = signed_in_person(platform)
        if not person.teaches or code not in platform.courses:
            raise NotAccepted("Only whoever teaches may choose content.", 403)
        begun = StartedLaunch(person.id, code, secrets.token_urlsafe(12))
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
        links = [_added_link(platform, course, item) for item in _chosen_items(claims)]
        return page("chosen.html", course=platform.courses[course], links=links)


def _chosen_items(claims: Claims) -> list[dict[str, Any]]:
    given = claims.get(names.CONTENT_ITEMS, [])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise NotAccepted("The chosen content is no list.")
    return [item for item in given if item.get("type") == names.RESOURCE_LINK_TYPE]


def _added_link(platform: PlatformState, course: str, item: dict[str, Any]) -> SampleLink:
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


PARTS = (
    add_sign_in,
    add_courses,
    add_grades,
    add_launches,
    add_deep_linking,
    add_token_endpoint,
    add_services,
)


class SamplePlatform(PlatformState):
    """The site and what it holds, open to read and to change."""

    def application(self) -> Flask:
        app = new_application(self.name, "stands for the Academy's platform")
        for add in PARTS:
            add(app, self)
        return app
