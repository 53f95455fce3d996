"""Centres, courses, and what the rules say of a centre."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Response
from sqlalchemy import func, select

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import document, plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre, OfferingStatus
from lms_bridge.domain.rules import RuleFinding, check_areas, check_year
from lms_bridge.reference import reference
from lms_bridge.schemas.asked import AskedOfCentre, AskedPage
from lms_bridge.schemas.shown import (
    ShownCentre,
    ShownChecks,
    ShownCourse,
    ShownToken,
    page_of,
)
from lms_bridge.store import centres as store
from lms_bridge.store.tables import offering
from lms_bridge.sync.work import utc_now
from lms_bridge.web.api import replies
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.listing import paged
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import interface

_FIELDS = tuple(ShownCentre().fields)


def no_such_centre() -> NotFound:
    return NotFound("no-such-centre", "There is no such centre.")


@route("/token", scope=None, answer=ShownToken, tag="token", name="show_token")
def show_token() -> Response:
    """What the token of this request is for, and whom it reaches."""
    token = caller().token
    if token is None:
        most = the_bridge().settings.api.open_requests_per_minute
        return replies.shown({"token": "", "purpose": "", "scopes": [], "per_minute": most})
    return replies.shown(
        {
            "token": token.prefix,
            "purpose": token.purpose,
            "centre": token.reach.centre,
            "region": token.reach.region,
            "scopes": sorted(token.scopes),
            "expires_at": plain(token.expires_at),
            "per_minute": token.per_minute or the_bridge().settings.api.requests_per_minute,
        }
    )


@route("/centres", scope=None, answer=page_of(ShownCentre), query=AskedPage, tag="centres")
def list_centres(asked: dict[str, Any]) -> Response:
    """The training centres that there are."""
    begin, most = replies.after(asked["cursor"]), asked["limit"]
    with the_bridge().database.reading() as tx:
        found = store.all_centres(tx)
    chosen = found[begin : begin + most]
    last = begin + most if len(found) > begin + most else None
    return replies.shown(replies.page([shown_centre(each) for each in chosen], last))


def shown_centre(record: Centre) -> dict[str, Any]:
    """What anybody may know of a centre: nothing of how its LMS is reached."""
    whole = document(record)
    return {name: whole[name] for name in _FIELDS}


@route("/centres/<code>", scope=None, answer=ShownCentre, tag="centres")
def show_centre(code: str) -> Response:
    """One centre."""
    with the_bridge().database.reading() as tx:
        found = store.find(tx, code)
    if found is None:
        raise no_such_centre()
    return replies.shown(shown_centre(found))


@route("/centres/<code>/checks", scope=Scope.READ_OFFERINGS, answer=ShownChecks, tag="centres")
def check_centre(code: str) -> Response:
    """What the programme's rules say of a centre: its courses of this year, its priority areas."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        centre = caller().check_reach(tx, code, no_such_centre())
        counted = select(func.count()).where(
            offering.c.centre == code,
            offering.c.listed,
            offering.c.status != OfferingStatus.CANCELLED,
            offering.c.starts_at >= datetime(now.year, 1, 1, tzinfo=UTC),
            offering.c.starts_at < datetime(now.year + 1, 1, 1, tzinfo=UTC),
        )
        courses = tx.scalar(counted) or 0
    found = check_year(courses, bridge.settings.rules)
    cycles = reference().cycles
    for each in centre.memberships:
        cycle = cycles.get(each.cycle)
        found += check_areas(each.priority_areas, cycle.most_per_centre if cycle else None)
    return replies.shown({"findings": shown_findings(found)})


def shown_findings(found: list[RuleFinding]) -> list[Any]:
    return [each.told() for each in found]


@route(
    "/courses",
    scope=Scope.READ_OFFERINGS,
    answer=page_of(ShownCourse),
    query=AskedOfCentre,
    tag="offerings",
)
def list_courses(asked: dict[str, Any]) -> Response:
    """The courses that offerings are editions of."""
    return paged(
        asked,
        lambda tx, after, most, reach: interface.courses(tx, asked, after, most, reach),
        lambda _, rows: [
            {"centre": row.centre, "code": row.code, "title": row.title} for row in rows
        ],
    )
