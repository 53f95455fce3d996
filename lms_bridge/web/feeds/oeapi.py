"""``/oeapi/v5``: the catalogue in the shape of the Open Education API, version 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from flask import Blueprint, Response

from lms_bridge.domain.errors import NotFound
from lms_bridge.feeds import oeapi
from lms_bridge.feeds.entry import Giver
from lms_bridge.feeds.ids import Of, academy_id, course_id, giver_id, number_in, offering_id
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.errors import problem_of
from lms_bridge.web.feeds.answering import answer
from lms_bridge.web.feeds.asking import addresses
from lms_bridge.web.feeds.oeapi_asking import (
    Page,
    asked_page,
    check_names,
    expanded,
    wanted_courses,
    wanted_offerings,
)
from lms_bridge.web.queries import feeds as queries
from lms_bridge.web.queries import oeapi as lists

routes = Blueprint("oeapi", __name__, url_prefix="/oeapi/v5")
MEDIA_TYPE = "application/json"


@routes.errorhandler(Exception)
def _problem(error: Exception) -> Response:
    """As the specification's schema ``Problem`` has it."""
    problem = problem_of(error)
    detail = " ".join(part for part in (problem.message, problem.remedy) if part)
    body = {"status": str(problem.status), "title": problem.title, "detail": detail}
    text = orjson.dumps(body)
    return Response(text, problem.status, content_type="application/problem+json")


@routes.get("/courses")
def courses() -> Response:
    return _courses()


@routes.get("/courses/<identifier>")
def course(identifier: str) -> Response:
    check_names("expand")
    expand = expanded("organization")
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
        found = lists.course_entry(tx, centres, number_in(identifier, Of.COURSE) or 0)
    if found is None or str(course_id(found)) != identifier.lower():
        raise NotFound("no-such-course", "The catalogue has no such course, or no longer.")
    node = oeapi.course(found, addresses())
    if "organization" in expand:
        node["organization"] = oeapi.organization(found.giver)
    return _answer(node, state)


@routes.get("/courses/<identifier>/offerings")
def offerings_of_course(identifier: str) -> Response:
    with the_bridge().database.reading() as tx:
        number = number_in(identifier, Of.COURSE) or 0
        found = lists.course_entry(tx, queries.givers(tx), number)
    if found is None or str(course_id(found)) != identifier.lower():
        raise NotFound("no-such-course", "The catalogue has no such course, or no longer.")
    return _offerings(course_number=number)


@routes.get("/offerings")
def offerings() -> Response:
    return _offerings()


@routes.get("/offerings/<identifier>")
def offering(identifier: str) -> Response:
    check_names("expand")
    expand = expanded("course", "organization")
    number = number_in(identifier, Of.OFFERING) or 0
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
        found = queries.entries_with(tx, centres, [number]).get(number)
    if found is None or str(offering_id(found)) != identifier.lower():
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    node = oeapi.offering(found, addresses())
    if "course" in expand:
        node["course"] = oeapi.course(found, addresses())
    if "organization" in expand:
        node["organization"] = oeapi.organization(found.giver)
    return _answer(node, state)


@routes.get("/organizations")
def organizations() -> Response:
    check_names("pageSize", "pageNumber")
    page = asked_page()
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
    by_name = sorted(centres.values(), key=lambda each: (each.name, each.code))
    nodes = [oeapi.root(), *map(oeapi.organization, by_name)]
    shown = nodes[page.offset : page.offset + page.size]
    return _list(shown, page, len(nodes), state)


@routes.get("/organizations/<identifier>")
def organization(identifier: str) -> Response:
    check_names()
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
    if identifier.lower() == str(academy_id()):
        return _answer(oeapi.root(), state)
    return _answer(oeapi.organization(_centre(centres, identifier)), state)


@routes.get("/organizations/<identifier>/courses")
def courses_of_organization(identifier: str) -> Response:
    return _courses(identifier)


@routes.get("/organizations/<identifier>/offerings")
def offerings_of_organization(identifier: str) -> Response:
    return _offerings(identifier)


def _courses(of: str = "") -> Response:
    wanted, page = wanted_courses(lists.COURSE_ORDERS), asked_page()
    here = addresses()
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
        wanted = _only(wanted, centres, of)
        total, found = lists.courses_page(tx, centres, wanted, limit=page.size, offset=page.offset)
    return _list([oeapi.course(each, here) for each in found], page, total, state)


def _offerings(of: str = "", *, course_number: int = 0) -> Response:
    wanted, page = wanted_offerings(lists.OFFERING_ORDERS), asked_page()
    wanted = replace(wanted, course_id=course_number)
    here = addresses()
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
        wanted = _only(wanted, centres, of)
        total, found = lists.offerings_page(
            tx, centres, wanted, limit=page.size, offset=page.offset
        )
    # The list is another one tomorrow, though nothing changed.
    state = queries.State(None, f"{state.mark} {wanted.since}")
    return _list([oeapi.offering(each, here) for each in found], page, total, state)


def _only(wanted: lists.Wanted, centres: Mapping[str, Giver], of: str) -> lists.Wanted:
    """What is wanted, of one organization alone where it is named."""
    if not of:
        return wanted
    return replace(wanted, asked=replace(wanted.asked, centre=_centre(centres, of).code))


def _centre(centres: Mapping[str, Giver], identifier: str) -> Giver:
    wanted_id = identifier.lower()
    for each in centres.values():
        if str(giver_id(each.code)) == wanted_id:
            return each
    raise NotFound("no-such-organization", "There is no such organization.")


def _list(nodes: Sequence[oeapi.Node], page: Page, total: int, state: queries.State) -> Response:
    return _answer(oeapi.page(nodes, number=page.number, size=page.size, total=total), state)


def _answer(node: Any, state: queries.State) -> Response:
    return answer(lambda: [orjson.dumps(node)], MEDIA_TYPE, state)
