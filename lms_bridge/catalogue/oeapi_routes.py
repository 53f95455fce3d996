"""`/oeapi/v5`: the catalogue as Open Education API, version 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from flask import Blueprint, Response

from lms_bridge.catalogue import feed_queries as queries
from lms_bridge.catalogue import oeapi
from lms_bridge.catalogue import oeapi_queries as lists
from lms_bridge.catalogue.entry import (
    IdentifierKind,
    Provider,
    academy_id,
    course_id,
    offering_id,
    provider_id,
    record_id_of,
)
from lms_bridge.catalogue.oeapi_params import (
    NumberedPage,
    check_names,
    courses_of_request,
    expanded,
    offerings_of_request,
    page_of_request,
)
from lms_bridge.catalogue.oeapi_queries import OeapiParams
from lms_bridge.catalogue.requests import addresses, cacheable_response
from lms_bridge.domain.errors import NotFound
from lms_bridge.web.access import the_bridge
from lms_bridge.web.error_pages import error_page

routes = Blueprint("oeapi", __name__, url_prefix="/oeapi/v5")
MEDIA_TYPE = "application/json"


@routes.errorhandler(Exception)
def _problem(error: Exception) -> Response:
    """As the specification's schema ``Problem`` has it."""
    problem = error_page(error)
    detail = " ".join(part for part in (problem.message, problem.remedy) if part)
    body = {"status": str(problem.status), "title": problem.title, "detail": detail}
    body["reference"] = problem.reference
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
        centres = queries.providers(tx)
        state = queries.state(tx, centres)
        found = lists.course_entry(
            tx, centres, record_id_of(identifier, IdentifierKind.COURSE) or 0
        )
    if found is None or str(course_id(found)) != identifier.lower():
        raise NotFound("no-such-course", "The catalogue has no such course, or no longer.")
    node = oeapi.course(found, addresses())
    if "organization" in expand:
        node["organization"] = oeapi.organization(found.provider)
    return _answer(node, state)


@routes.get("/courses/<identifier>/offerings")
def offerings_of_course(identifier: str) -> Response:
    with the_bridge().database.reading() as tx:
        number = record_id_of(identifier, IdentifierKind.COURSE) or 0
        found = lists.course_entry(tx, queries.providers(tx), number)
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
    number = record_id_of(identifier, IdentifierKind.OFFERING) or 0
    with the_bridge().database.reading() as tx:
        centres = queries.providers(tx)
        state = queries.state(tx, centres)
        found = queries.entries_with(tx, centres, [number]).get(number)
    if found is None or str(offering_id(found)) != identifier.lower():
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    node = oeapi.offering(found, addresses())
    if "course" in expand:
        node["course"] = oeapi.course(found, addresses())
    if "organization" in expand:
        node["organization"] = oeapi.organization(found.provider)
    return _answer(node, state)


@routes.get("/organizations")
def organizations() -> Response:
    check_names("pageSize", "pageNumber")
    page = page_of_request()
    with the_bridge().database.reading() as tx:
        centres = queries.providers(tx)
        state = queries.state(tx, centres)
    by_name = sorted(centres.values(), key=lambda each: (each.name, each.code))
    nodes = [oeapi.root(), *map(oeapi.organization, by_name)]
    shown = nodes[page.offset : page.offset + page.size]
    return _list(shown, page, len(nodes), state)


@routes.get("/organizations/<identifier>")
def organization(identifier: str) -> Response:
    check_names()
    with the_bridge().database.reading() as tx:
        centres = queries.providers(tx)
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
    params, page = courses_of_request(lists.COURSE_ORDERS), page_of_request()
    here = addresses()
    with the_bridge().database.reading() as tx:
        centres = queries.providers(tx)
        state = queries.state(tx, centres)
        params = _only(params, centres, of)
        total, found = lists.courses_page(tx, centres, params, limit=page.size, offset=page.offset)
    return _list([oeapi.course(each, here) for each in found], page, total, state)


def _offerings(of: str = "", *, course_number: int = 0) -> Response:
    params, page = offerings_of_request(lists.OFFERING_ORDERS), page_of_request()
    params = replace(params, course_id=course_number)
    here = addresses()
    with the_bridge().database.reading() as tx:
        centres = queries.providers(tx)
        state = queries.state(tx, centres, params.filters)
        params = _only(params, centres, of)
        total, found = lists.offerings_page(
            tx, centres, params, limit=page.size, offset=page.offset
        )
    # The list is another one tomorrow, though nothing changed.
    state = queries.CatalogueState(None, f"{state.mark} {params.since}")
    return _list([oeapi.offering(each, here) for each in found], page, total, state)


def _only(params: OeapiParams, centres: Mapping[str, Provider], of: str) -> OeapiParams:
    """What is params, of one organization alone where it is named."""
    if not of:
        return params
    return replace(params, filters=replace(params.filters, centre=_centre(centres, of).code))


def _centre(centres: Mapping[str, Provider], identifier: str) -> Provider:
    lowered = identifier.lower()
    for each in centres.values():
        if str(provider_id(each.code)) == lowered:
            return each
    raise NotFound("no-such-organization", "There is no such organization.")


def _list(
    nodes: Sequence[oeapi.Node], page: NumberedPage, total: int, state: queries.CatalogueState
) -> Response:
    return _answer(oeapi.page(nodes, number=page.number, size=page.size, total=total), state)


def _answer(node: Any, state: queries.CatalogueState) -> Response:
    return cacheable_response(lambda: [orjson.dumps(node)], MEDIA_TYPE, state)
