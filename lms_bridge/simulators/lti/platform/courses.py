"""The page "My courses", and a course's page with the tool in a frame."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response

from lms_bridge.simulators.lti.platform.people import ask, needs, signed_in
from lms_bridge.simulators.lti.platform.state import Link, Person, PlatformState
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.showing import page


def add_to(app: Flask, platform: PlatformState) -> None:
    @app.get("/")
    def my_courses() -> Response:
        person = signed_in(platform)
        if person is None:
            return ask(platform)
        courses = [
            (course, platform.links_of(course.code)) for course in platform.courses_of(person)
        ]
        return page("courses.html", person=person, courses=courses, storage=_storage(platform))

    @app.get("/here/<link_id>")
    def here(link_id: str) -> Response:
        """The tool inside this platform's page."""
        person = needs(platform)
        link = own_link(platform, person, link_id)
        course = platform.courses[link.course]
        return page(
            "here.html", person=person, course=course, link=link, storage=_storage(platform)
        )


def own_link(platform: PlatformState, person: Person, link_id: str) -> Link:
    """Raises NotAccepted unless the link is in a course of that person's."""
    link = platform.links.get(link_id)
    if link is None or platform.courses[link.course] not in platform.courses_of(person):
        raise NotAccepted("There is no such link in your courses.", 404)
    return link


def _storage(platform: PlatformState) -> str:
    """The origin whose pages may keep values in this platform's; empty where none may."""
    if not platform.offers_storage or platform.registered is None:
        return ""
    parts = urlsplit(platform.registered.login_address)
    return f"{parts.scheme}://{parts.netloc}"
