"""Resources: the links of an offering into a tool, and the line item that each comes with."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering
from lms_bridge.lti.parties import Party
from lms_bridge.store import lti_services

WHOLE = Decimal(100)


@dataclass(frozen=True, slots=True)
class Resource:
    """One link. ``target`` is where it opens: ``window``, ``iframe`` or "" (as the tool likes)."""

    id: int
    code: str
    title: str
    description: str
    address: str
    custom: Mapping[str, str]
    target: str
    line_item_id: int


def add(
    tx: Connection,
    party: Party,
    offering_id: int,
    *,
    title: str,
    description: str = "",
    address: str = "",
    custom: Mapping[str, str] | None = None,
    target: str = "",
    maximum: Decimal | None = WHOLE,
    label: str = "",
    tag: str = "",
    resource_id: str = "",
    now: datetime,
) -> Resource:
    """Adds a link, and its line item unless ``maximum`` is None. The first line item of an
    offering is its main one: its scores are the learners' results."""
    code = secrets.token_urlsafe(12)
    values: dict[str, Any] = {"title": title[:500], "description": description, "address": address}
    values |= {"target": target, "custom": dict(custom or {}), "code": code}
    own = {"party_id": party.id, "offering_id": offering_id, "created_at": now}
    id_ = lti_services.add_resource(tx, {**values, **own})
    if maximum is not None:
        first = not lti_services.line_items(tx, most=1, offering_id=offering_id, main=True)
        lti_services.add_line_item(
            tx,
            {
                **own,
                "resource_link_id": id_,
                "label": (label or title)[:500],
                "score_maximum": maximum,
                "tag": tag,
                "resource_id": resource_id,
                "main": first,
            },
        )
    return _resource(tx, lti_services.resources(tx, id=id_)[0])


def find(tx: Connection, resource_id: int) -> Resource | None:
    row = lti_services.resource_with_line_item(tx, resource_id)
    return None if row is None else _made(row, row.line_item_id)


def by_code(tx: Connection, party: Party, offering_id: int, code: str) -> Resource | None:
    rows = lti_services.resources(tx, party_id=party.id, offering_id=offering_id, code=code)
    return _resource(tx, rows[0]) if rows else None


def of_offering(
    tx: Connection, party: Party, offering_id: int, offering: Offering, now: datetime
) -> Resource:
    """The first link of an offering into a tool; made when there is none."""
    rows = lti_services.resources(tx, party_id=party.id, offering_id=offering_id)
    if rows:
        return _resource(tx, rows[0])
    return add(tx, party, offering_id, title=offering.title, now=now)


def _resource(tx: Connection, row: Any) -> Resource:
    coupled = lti_services.line_items(tx, resource_link_id=row.id, most=1)
    return _made(row, coupled[0].id if coupled else 0)


def _made(row: Any, line_item_id: int) -> Resource:
    names = ("id", "code", "title", "description", "address", "custom", "target")
    values = {name: row._mapping[name] for name in names}
    return Resource(**values, line_item_id=line_item_id)
