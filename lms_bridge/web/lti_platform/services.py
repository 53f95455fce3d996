"""The services of a course: members, line items, scores, results.

Liberal in media types: tools ask for all kinds, and there is one form of each answer.
"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

from lms_bridge.domain.document import Json
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, line_items, memberships, scores
from lms_bridge.lti.platform.granting import Access, access
from lms_bridge.lti.platform.services import Page
from lms_bridge.web.lti_platform.parts import given, the_room
from lms_bridge.web.lti_platform.refusals import as_json
from lms_bridge.web.lti_platform.taking import send_soon

services = Blueprint("lti_services", __name__, url_prefix=endpoints.SERVICES)
services.register_error_handler(LtiRefused, as_json)
_ITEMS = "/<int:offering>/lineitems"
_ITEM = f"{_ITEMS}/<int:item>"


def _access(*scopes: str) -> Access:
    return access(the_room(), request.headers.get("Authorization", ""), *scopes)


def _answer(value: Json, content_type: str, status: int = 200) -> Response:
    answer = Response(orjson.dumps(value), status, content_type=content_type)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _paged(page: Page, address: str, content_type: str) -> Response:
    """RFC 8288: where the other pages are. Existing parameters of the address are kept."""
    answer = _answer(page.body, content_type)
    links = {"next": page.next, "differences": page.differences}
    told = [f'<{address}?{query}>; rel="{name}"' for name, query in links.items() if query]
    if told:
        answer.headers["Link"] = ", ".join(told)
    return answer


@services.get("/<int:offering>/memberships")
def members(offering: int) -> Response:
    page = memberships.memberships(the_room(), _access(lti.MEMBERSHIP_READ), offering, given())
    address = endpoints.memberships(the_room().address, offering)
    return _paged(page, address, lti.MEMBERS_TYPE)


@services.get(_ITEMS)
def list_items(offering: int) -> Response:
    allowed = _access(lti.LINE_ITEM, lti.LINE_ITEM_READ)
    page = line_items.listed(the_room(), allowed, offering, given())
    address = endpoints.line_items(the_room().address, offering)
    return _paged(page, address, lti.LINE_ITEMS_TYPE)


@services.post(_ITEMS)
def add_item(offering: int) -> Response:
    body = request.get_data(cache=False)
    made = line_items.create(the_room(), _access(lti.LINE_ITEM), offering, body)
    answer = _answer(made, lti.LINE_ITEM_TYPE, 201)
    answer.headers["Location"] = made["id"]
    return answer


@services.get(_ITEM)
def show_item(offering: int, item: int) -> Response:
    allowed = _access(lti.LINE_ITEM, lti.LINE_ITEM_READ)
    return _answer(line_items.one(the_room(), allowed, offering, item), lti.LINE_ITEM_TYPE)


@services.put(_ITEM)
def change_item(offering: int, item: int) -> Response:
    body = request.get_data(cache=False)
    changed = line_items.change(the_room(), _access(lti.LINE_ITEM), offering, item, body)
    return _answer(changed, lti.LINE_ITEM_TYPE)


@services.delete(_ITEM)
def drop_item(offering: int, item: int) -> Response:
    line_items.delete(the_room(), _access(lti.LINE_ITEM), offering, item)
    return Response(status=204)


@services.post(f"{_ITEM}/scores")
def post_score(offering: int, item: int) -> Response:
    body = request.get_data(cache=False)
    centre = scores.post(the_room(), _access(lti.SCORE), offering, item, body)
    if centre:
        send_soon(centre)
    return Response(status=204)


@services.get(f"{_ITEM}/results")
def list_results(offering: int, item: int) -> Response:
    page = scores.results(the_room(), _access(lti.RESULT_READ), offering, item, given())
    address = endpoints.line_item(the_room().address, offering, item)
    return _paged(page, f"{address}/results", lti.RESULTS_TYPE)
