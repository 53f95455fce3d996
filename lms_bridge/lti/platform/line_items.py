"""The line items service: the columns of an offering's gradebook.

Source: Assignment and Grade Services 2.0, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Row

from lms_bridge.lti import reading
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, resources
from lms_bridge.lti.platform.granting import Access
from lms_bridge.lti.platform.services import (
    MOST_NUMBER,
    Context,
    Page,
    asked_number,
    context,
    json_moment,
    json_number,
)
from lms_bridge.lti.room import Room
from lms_bridge.store import lti_services

BAD = "line-item-invalid"
MOST_ITEMS = 500
_FILTERS = {"resource_link_id": "resource_code", "resource_id": "resource_id", "tag": "tag"}


def listed(room: Room, access: Access, offering_id: int, query: Mapping[str, str]) -> Page:
    """Section 3.2.4 and 3.2.5: filters, and pages where a limit is asked for."""
    after = asked_number(query.get("from", ""), "from")
    size = min(asked_number(query.get("limit", ""), "limit") or MOST_ITEMS, MOST_ITEMS)
    filters = {_FILTERS[name]: query[name] for name in _FILTERS if query.get(name)}
    with room.database.reading() as tx:
        here = context(tx, access, offering_id)
        own: dict[str, Any] = {"party_id": here.party.id, "offering_id": here.id}
        rows = lti_services.line_items(tx, after=after, most=size + 1, **own, **filters)
    kept = {name: query[name] for name in (*_FILTERS, "limit") if query.get(name)}
    following = urlencode({**kept, "from": rows[size - 1].id}) if len(rows) > size else ""
    return Page([shown(room, row) for row in rows[:size]], next=following)


def shown(room: Room, row: Row[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": endpoints.line_item(room.address, row.offering_id, row.id),
        "label": row.label,
        "scoreMaximum": json_number(row.score_maximum),
    }
    optional = {
        "resourceId": row.resource_id,
        "tag": row.tag,
        "resourceLinkId": row.resource_code,
        "startDateTime": json_moment(row.starts_at),
        "endDateTime": json_moment(row.ends_at),
    }
    return found | {name: value for name, value in optional.items() if value}


def find(tx: Connection, here: Context, line_item_id: int, *, lock: bool = False) -> Row[Any]:
    """With ``lock`` nobody else deletes it, or posts scores to it, in the meantime.

    Raises:
        LtiRefused: 404 for another party's line item as for one that does not exist.
    """
    own: dict[str, Any] = {"id": line_item_id, "party_id": here.party.id, "offering_id": here.id}
    exists = line_item_id < MOST_NUMBER
    if lock and exists:
        lti_services.lock_line_item(tx, line_item_id)
    rows = lti_services.line_items(tx, **own) if exists else []
    if not rows:
        raise LtiRefused("line-item-unknown", "There is no such line item.", status=404)
    return rows[0]


def one(room: Room, access: Access, offering_id: int, line_item_id: int) -> dict[str, Any]:
    with room.database.reading() as tx:
        return shown(room, find(tx, context(tx, access, offering_id), line_item_id))


def create(room: Room, access: Access, offering_id: int, body: bytes) -> dict[str, Any]:
    given = reading.json_object(body, BAD)
    with room.database.writing() as tx:
        here = context(tx, access, offering_id)
        own: dict[str, Any] = {"party_id": here.party.id, "offering_id": here.id}
        lti_services.lock_links(tx, here.id)
        if len(lti_services.line_items(tx, most=MOST_ITEMS, **own)) >= MOST_ITEMS:
            raise LtiRefused("line-item-too-many", "This course has too many line items.")
        values = _values(tx, here, given)
        id_ = lti_services.add_line_item(tx, {**own, **values, "created_at": room.now()})
        return shown(room, find(tx, here, id_))


def change(
    room: Room, access: Access, offering_id: int, line_item_id: int, body: bytes
) -> dict[str, Any]:
    """Section 3.2.8: a PUT replaces what a tool may change; the link it belongs to it may not."""
    given = reading.json_object(body, BAD)
    with room.database.writing() as tx:
        here = context(tx, access, offering_id)
        before = find(tx, here, line_item_id)
        values = _values(tx, here, given)
        if given.get("resourceLinkId") is None:
            values["resource_link_id"] = before.resource_link_id
        if values["resource_link_id"] != before.resource_link_id:
            raise LtiRefused("line-item-moved", "A line item stays with its resource link.")
        lti_services.change_line_item(tx, line_item_id, values)
        return shown(room, find(tx, here, line_item_id))


def delete(room: Room, access: Access, offering_id: int, line_item_id: int) -> None:
    """The main line item carries the results of the offering: it cannot be deleted."""
    with room.database.writing() as tx:
        here = context(tx, access, offering_id)
        if find(tx, here, line_item_id).main:
            raise LtiRefused(
                "line-item-main", "The course's own line item cannot be deleted.", status=403
            )
        lti_services.drop_line_item(tx, line_item_id)


def _values(tx: Connection, here: Context, given: Mapping[str, Any]) -> dict[str, Any]:
    maximum = reading.number(given, "scoreMaximum", BAD)
    if maximum is None or maximum <= Decimal(0):
        raise LtiRefused(BAD, "scoreMaximum is not above zero.", detail="scoreMaximum")
    starts, ends = (reading.moment(given, name, BAD) for name in ("startDateTime", "endDateTime"))
    if starts and ends and ends < starts:
        raise LtiRefused(BAD, "endDateTime is before startDateTime.", detail="endDateTime")
    link = reading.text(given, "resourceLinkId", BAD)
    resource = resources.by_code(tx, here.party, here.id, link) if link else None
    if link and resource is None:
        raise LtiRefused("link-unknown", "There is no such resource link here.", status=404)
    return {
        "label": reading.text(given, "label", BAD, required=True),
        "score_maximum": maximum,
        "resource_id": reading.label(given, "resourceId", BAD),
        "tag": reading.label(given, "tag", BAD),
        "resource_link_id": resource.id if resource else None,
        "starts_at": starts,
        "ends_at": ends,
    }
