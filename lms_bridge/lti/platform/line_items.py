"""The line items service: the columns of an offering's gradebook.

Source: Assignment and Grade Services 2.0, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import plain
from lms_bridge.lti import json_parts
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, resources, storage
from lms_bridge.lti.platform.services import (
    LARGEST_ID,
    ServiceContext,
    ServicePage,
    context,
    next_page,
    page_bounds,
    selected,
)
from lms_bridge.lti.platform.storage import AnyRow
from lms_bridge.lti.registrations import LtiRegistration

BAD = "line-item-invalid"
MOST_ITEMS = 500
_FILTERS = {"resource_link_id": "resource_code", "resource_id": "resource_id", "tag": "tag"}


def list_page(
    lti: LtiContext, caller: LtiRegistration, offering_id: int, query: Mapping[str, str]
) -> ServicePage:
    """Sections 3.2.4 and 3.2.5: filters, and pages if there is a limit."""
    after, size = page_bounds(query, MOST_ITEMS)
    filters = {_FILTERS[name]: value for name, value in selected(query, *_FILTERS).items()}
    with lti.database.reading() as tx:
        own = _keys(context(tx, caller, offering_id))
        rows = storage.line_items(tx, after=after, most=size + 1, **own, **filters)
    body = [_body(lti, row) for row in rows[:size]]
    return ServicePage(body, next_page(rows, size, query, *_FILTERS, "limit"))


def show(
    lti: LtiContext, caller: LtiRegistration, offering_id: int, line_item_id: int
) -> dict[str, Any]:
    with lti.database.reading() as tx:
        return _body(lti, find(tx, context(tx, caller, offering_id), line_item_id))


def create(
    lti: LtiContext, caller: LtiRegistration, offering_id: int, body: bytes
) -> dict[str, Any]:
    sent = json_parts.json_object(body, BAD)
    with lti.database.writing() as tx:
        course = context(tx, caller, offering_id)
        own = _keys(course)
        storage.lock_links(tx, course.id)
        if len(storage.line_items(tx, most=MOST_ITEMS, **own)) >= MOST_ITEMS:
            raise LtiRefused("line-item-too-many", "This course has too many line items.")
        values = _values(tx, course, sent)
        id_ = storage.add_line_item(tx, {**own, **values, "created_at": lti.now()})
        return _body(lti, find(tx, course, id_))


def change(
    lti: LtiContext, caller: LtiRegistration, offering_id: int, line_item_id: int, body: bytes
) -> dict[str, Any]:
    """Section 3.2.8: a PUT replaces everything but the resource link."""
    sent = json_parts.json_object(body, BAD)
    with lti.database.writing() as tx:
        course = context(tx, caller, offering_id)
        before = find(tx, course, line_item_id)
        values = _values(tx, course, sent)
        if sent.get("resourceLinkId") is None:
            values["resource_link_id"] = before.resource_link_id
        if values["resource_link_id"] != before.resource_link_id:
            raise LtiRefused("line-item-moved", "A line item stays with its resource link.")
        storage.change_line_item(tx, line_item_id, values)
        return _body(lti, find(tx, course, line_item_id))


def delete(lti: LtiContext, caller: LtiRegistration, offering_id: int, line_item_id: int) -> None:
    """The main line item holds the results of the offering, and cannot be deleted."""
    with lti.database.writing() as tx:
        course = context(tx, caller, offering_id)
        if find(tx, course, line_item_id).main:
            raise LtiRefused(
                "line-item-main", "The course's own line item cannot be deleted.", status=403
            )
        storage.drop_line_item(tx, line_item_id)


def find(
    tx: Connection, course: ServiceContext, line_item_id: int, *, lock: bool = False
) -> AnyRow:
    """With ``lock`` no other transaction can delete it, or post scores to it.

    Raises:
        LtiRefused: 404, also for another tool's line item.
    """
    exists = line_item_id < LARGEST_ID
    if lock and exists:
        storage.lock_line_item(tx, line_item_id)
    rows = storage.line_items(tx, id=line_item_id, **_keys(course)) if exists else []
    if not rows:
        raise LtiRefused("line-item-unknown", "There is no such line item.", status=404)
    return rows[0]


def _keys(course: ServiceContext) -> dict[str, Any]:
    return {"registration_id": course.registration.id, "offering_id": course.id}


def _body(lti: LtiContext, row: AnyRow) -> dict[str, Any]:
    optional = {
        "resourceId": row.resource_id,
        "tag": row.tag,
        "resourceLinkId": row.resource_code,
        "startDateTime": plain(row.starts_at),
        "endDateTime": plain(row.ends_at),
    }
    return {
        "id": endpoints.line_item(lti.address, row.offering_id, row.id),
        "label": row.label,
        "scoreMaximum": json_parts.json_number(row.score_maximum),
        **{name: value for name, value in optional.items() if value},
    }


def _values(tx: Connection, course: ServiceContext, sent: Mapping[str, Any]) -> dict[str, Any]:
    maximum = json_parts.number(sent, "scoreMaximum", BAD)
    if maximum is None or maximum <= Decimal(0):
        raise json_parts.wrong(BAD, "scoreMaximum", "is not above zero")
    starts, ends = (json_parts.moment(sent, name, BAD) for name in ("startDateTime", "endDateTime"))
    if starts and ends and ends < starts:
        raise json_parts.wrong(BAD, "endDateTime", "is before startDateTime")
    link = json_parts.text(sent, "resourceLinkId", BAD)
    resource = resources.by_code(tx, course.registration, course.id, link) if link else None
    if link and resource is None:
        raise LtiRefused("link-unknown", "There is no such resource link here.", status=404)
    return {
        "label": json_parts.text(sent, "label", BAD, required=True),
        "score_maximum": maximum,
        "resource_id": json_parts.label(sent, "resourceId", BAD),
        "tag": json_parts.label(sent, "tag", BAD),
        "resource_link_id": resource.id if resource else None,
        "starts_at": starts,
        "ends_at": ends,
    }
