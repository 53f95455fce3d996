"""The token of the request, centres, courses, and checks of a centre against the rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from flask import Response
from sqlalchemy import Connection, case, func, select

from lms_bridge.api import pagination, queries
from lms_bridge.api.auth import caller
from lms_bridge.api.documents import NO_PROFILE, centre_document, token_document
from lms_bridge.api.pagination import paged_response
from lms_bridge.api.responses import json_response
from lms_bridge.api.route import route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre, Modality, OfferingStatus
from lms_bridge.domain.network import MembershipStatus, Standing, area_key, status_of
from lms_bridge.domain.rules import RuleFinding, check_areas, check_year
from lms_bridge.schemas.params import CentresParams, OfCentreParams
from lms_bridge.schemas.responses import (
    CentreResponse,
    ChecksResponse,
    CourseResponse,
    TokenResponse,
    page_of,
)
from lms_bridge.store import centres as store
from lms_bridge.store import cycles, memberships
from lms_bridge.store.tables import offering
from lms_bridge.web.access import the_bridge


def no_such_centre() -> NotFound:
    return NotFound("no-such-centre", "There is no such centre.")


@route("/token", scope=None, response=TokenResponse, tag="token", name="show_token")
def show_token() -> Response:
    """The scopes and the data scope of the token of this request."""
    token = caller().token
    if token is None:
        most = the_bridge().settings.api.open_requests_per_minute
        return json_response({"token": "", "purpose": "", "scopes": [], "per_minute": most})
    return json_response(token_document(token, the_bridge().settings.api.requests_per_minute))


@route("/centres", scope=None, response=page_of(CentreResponse), query=CentresParams, tag="centres")
def list_centres(params: dict[str, Any]) -> Response:
    """The training centres, by region, cycle, status and priority area."""
    begin, most = pagination.cursor_id(params["cursor"]), params["limit"]
    today = utc_now().date()
    with the_bridge().database.reading() as tx:
        known = memberships.by_centre(tx)
        former = cycles.former_names(tx)
        profiles = store.profiles(tx)
        found = [
            each
            for each in store.all_centres(tx)
            if _asked_for(params, each, Standing(tuple(known.get(each.code, ())), former), today)
        ]
    documents = [
        centre_document(
            *(each, known.get(each.code, ()), profiles.get(each.code, NO_PROFILE)), today=today
        )
        for each in found[begin : begin + most]
    ]
    last = begin + most if len(found) > begin + most else None
    return json_response(pagination.page(documents, last))


def _asked_for(params: dict[str, Any], centre: Centre, standing: Standing, today: date) -> bool:
    cycle, status, area = (params.get(name) for name in ("cycle", "status", "area"))
    if params.get("region") and centre.region != params["region"]:
        return False
    mine = [each for each in standing.memberships if not cycle or each.cycle == cycle]
    if (cycle and not mine) or (status and status_of(mine, today) != status):
        return False
    if not area:
        return True
    if status or not cycle:
        wanted = status or MembershipStatus.ACTIVE
        mine = [each for each in mine if each.period.status(today) is wanted]
    return any(area_key(area) in standing.keys_of(each) for each in mine)


@route("/centres/<code>", scope=None, response=CentreResponse, tag="centres")
def show_centre(code: str) -> Response:
    """One centre."""
    with the_bridge().database.reading() as tx:
        found = store.find(tx, code)
        if found is None:
            raise no_such_centre()
        return json_response(whole_centre_document(tx, found))


def whole_centre_document(tx: Connection, record: Centre) -> dict[str, Any]:
    """A centre with its memberships and its profile."""
    members = memberships.memberships_of(tx, record.code)
    return centre_document(record, members, store.profile_of(tx, record.code))


@route("/centres/<code>/checks", scope=Scope.READ_OFFERINGS, response=ChecksResponse, tag="centres")
def check_centre(code: str) -> Response:
    """Checks a centre against the programme's rules: courses of this year, priority areas."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())
        # A self-paced course counts in the year of its publication, another in that of its start.
        self_paced = offering.c.modality == Modality.SELF_PACED
        published = func.coalesce(offering.c.published_at, offering.c.starts_at)
        at = case((self_paced, published), else_=offering.c.starts_at)
        counted = select(func.count()).where(
            offering.c.centre == code,
            offering.c.listed,
            offering.c.status != OfferingStatus.CANCELLED,
            at >= datetime(now.year, 1, 1, tzinfo=UTC),
            at < datetime(now.year + 1, 1, 1, tzinfo=UTC),
        )
        courses = tx.scalar(counted) or 0
        known = cycles.all_cycles(tx)
        mine = memberships.memberships_of(tx, centre.code)
    found = check_year(courses, bridge.settings.rules)
    for each in mine:
        if each.period.holds(now.date()):
            found += check_areas(each.priority_areas, known[each.cycle])
    return json_response({"findings": findings_document(found)})


def findings_document(found: list[RuleFinding]) -> list[Any]:
    return [each.as_json() for each in found]


@route(
    "/courses",
    scope=Scope.READ_OFFERINGS,
    response=page_of(CourseResponse),
    query=OfCentreParams,
    tag="offerings",
)
def list_courses(params: dict[str, Any]) -> Response:
    """The courses that offerings are editions of."""
    return paged_response(
        params,
        lambda tx, after, most, reach: queries.courses(tx, params, after, most, reach),
        lambda _, rows: [
            {"centre": row.centre, "code": row.code, "title": row.title} for row in rows
        ],
    )
