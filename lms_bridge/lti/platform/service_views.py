"""The services of a course over HTTP: memberships, line items, scores, results.

The ``Accept`` header is ignored: tools ask for all kinds of media types, and there is only one.
"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

from lms_bridge.domain.document import Json
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import params, refusal_json, the_lti
from lms_bridge.lti.platform import endpoints, line_items, names_and_roles, scores
from lms_bridge.lti.platform.access_tokens import authenticate_caller
from lms_bridge.lti.platform.score_sender import send_soon
from lms_bridge.lti.platform.services import ServicePage
from lms_bridge.lti.registrations import LtiRegistration

services = Blueprint("lti_services", __name__, url_prefix=endpoints.SERVICES)
services.register_error_handler(LtiRefused, refusal_json)
_ITEMS = "/<int:offering>/lineitems"
_ITEM = f"{_ITEMS}/<int:item>"


def _caller(*scopes: str) -> LtiRegistration:
    return authenticate_caller(the_lti(), request.headers.get("Authorization", ""), *scopes)


def _response(value: Json, content_type: str, status: int = 200) -> Response:
    response = Response(orjson.dumps(value), status, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _page_response(page: ServicePage, address: str, content_type: str) -> Response:
    """Addresses of other pages are in the ``Link`` header (RFC 8288)."""
    response = _response(page.body, content_type)
    queries = {"next": page.next, "differences": page.differences}
    links = [f'<{address}?{query}>; rel="{rel}"' for rel, query in queries.items() if query]
    if links:
        response.headers["Link"] = ", ".join(links)
    return response


@services.get("/<int:offering>/memberships")
def list_members(offering: int) -> Response:
    page = names_and_roles.memberships(the_lti(), _caller(lti.MEMBERSHIP_READ), offering, params())
    address = endpoints.memberships(the_lti().address, offering)
    return _page_response(page, address, lti.MEMBERS_TYPE)


@services.get(_ITEMS)
def list_line_items(offering: int) -> Response:
    caller = _caller(lti.LINE_ITEM, lti.LINE_ITEM_READ)
    page = line_items.list_page(the_lti(), caller, offering, params())
    address = endpoints.line_items(the_lti().address, offering)
    return _page_response(page, address, lti.LINE_ITEMS_TYPE)


@services.post(_ITEMS)
def add_line_item(offering: int) -> Response:
    body = request.get_data(cache=False)
    created = line_items.create(the_lti(), _caller(lti.LINE_ITEM), offering, body)
    response = _response(created, lti.LINE_ITEM_TYPE, 201)
    response.headers["Location"] = created["id"]
    return response


@services.get(_ITEM)
def show_line_item(offering: int, item: int) -> Response:
    caller = _caller(lti.LINE_ITEM, lti.LINE_ITEM_READ)
    return _response(line_items.show(the_lti(), caller, offering, item), lti.LINE_ITEM_TYPE)


@services.put(_ITEM)
def change_line_item(offering: int, item: int) -> Response:
    body = request.get_data(cache=False)
    changed = line_items.change(the_lti(), _caller(lti.LINE_ITEM), offering, item, body)
    return _response(changed, lti.LINE_ITEM_TYPE)


@services.delete(_ITEM)
def delete_line_item(offering: int, item: int) -> Response:
    line_items.delete(the_lti(), _caller(lti.LINE_ITEM), offering, item)
    return Response(status=204)


@services.post(f"{_ITEM}/scores")
def post_score(offering: int, item: int) -> Response:
    body = request.get_data(cache=False)
    centre = scores.post_score(the_lti(), _caller(lti.SCORE), offering, item, body)
    if centre:
        send_soon(centre)
    return Response(status=204)


@services.get(f"{_ITEM}/results")
def list_results(offering: int, item: int) -> Response:
    page = scores.list_results(the_lti(), _caller(lti.RESULT_READ), offering, item, params())
    address = endpoints.line_item(the_lti().address, offering, item)
    return _page_response(page, f"{address}/results", lti.RESULTS_TYPE)
