"""Resources: the links of an offering into a tool, and the line item that each comes with."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform.items import restored
from lms_bridge.store import lti_courses, lti_services

WHOLE = Decimal(100)
MOODLE = "/enrol/lti/launch.php"
"""How the target of a Moodle ends. It opens published courses alone, by the custom parameter that
comes with a choice; a launch of anything else ends in an error of its own (seen in 4.5)."""


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
    values: dict[str, Any] = {"title": title[:500], "description": description, "address": address}
    values |= {"target": target, "custom": dict(custom or {})}
    own = {"party_id": party.id, "offering_id": offering_id, "created_at": now}
    code = secrets.token_urlsafe(12)
    id_ = lti_services.add_resource(tx, {**own, **values, "code": code})
    if maximum is not None:
        column = _column(maximum, label or title, tag, resource_id)
        _add_line_item(tx, {**own, **column, "resource_link_id": id_})
    return _resource(tx, lti_services.resources(tx, id=id_)[0])


def _column(maximum: Decimal, label: str, tag: str, resource_id: str) -> dict[str, Any]:
    values = {"label": label[:500], "score_maximum": maximum}
    return {**values, "tag": tag, "resource_id": resource_id}


def _add_line_item(tx: Connection, values: Mapping[str, Any]) -> None:
    offering_id = values["offering_id"]
    first = not lti_services.line_items(tx, most=1, offering_id=offering_id, main=True)
    lti_services.add_line_item(tx, {**values, "main": first})


def choose(
    tx: Connection,
    party: Party,
    offering_id: int,
    items: Iterable[Mapping[str, Any]],
    now: datetime,
) -> tuple[Resource, ...]:
    """Attaches what was chosen for an offering, each item with the arguments of ``add``.

    The first item is what learners open: it takes the place of what the offering's first link
    opened before, so that a wrong choice is mended by another one. The link keeps its code and its
    line item, and with them the scores. Of the others, one that a link opens already changes that
    link.
    """
    lti_services.lock_links(tx, offering_id)
    own = {"party_id": party.id, "offering_id": offering_id}
    there = list(lti_services.resources(tx, **own))
    attached: list[Resource] = []
    for item in items:
        same = [row for row in there if (row.address, row.custom) == _opened(item)]
        if there and not attached:
            same = there[:1]
        if same:
            there.remove(same[0])
            attached.append(_change(tx, same[0].id, {**own, "created_at": now}, item))
        else:
            attached.append(add(tx, party, offering_id, **item, now=now))
    return tuple(attached)


def _opened(item: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    return item["address"], dict(item["custom"])


def _change(tx: Connection, id_: int, own: Mapping[str, Any], item: Mapping[str, Any]) -> Resource:
    values = {name: item[name] for name in ("title", "description", "address", "custom", "target")}
    lti_services.change_resource(tx, id_, values)
    if item["maximum"] is not None:
        label = item["label"] or item["title"]
        column = _column(item["maximum"], label, item["tag"], item["resource_id"])
        coupled = lti_services.line_items(tx, resource_link_id=id_, most=1)
        if coupled:
            lti_services.change_line_item(tx, coupled[0].id, column)
        else:
            _add_line_item(tx, {**own, **column, "resource_link_id": id_})
    return _resource(tx, lti_services.resources(tx, id=id_)[0])


def find(tx: Connection, resource_id: int) -> Resource | None:
    row = lti_services.resource_with_line_item(tx, resource_id)
    if row is None:
        return None
    *link, line_item_id = row
    values = dict(zip(lti_services.LINK, link, strict=True))
    return Resource(**values, line_item_id=line_item_id)


def by_code(tx: Connection, party: Party, offering_id: int, code: str) -> Resource | None:
    rows = lti_services.resources(tx, party_id=party.id, offering_id=offering_id, code=code)
    return _resource(tx, rows[0]) if rows else None


def of_offering(
    tx: Connection, party: Party, offering_id: int, offering: Offering, now: datetime
) -> Resource:
    """The first link of an offering into a tool; made when there is none, of the resource that
    the offering was made of, if it came about so.

    Raises:
        LtiRefused: there is none, and the tool opens only what was chosen.
    """
    own = {"party_id": party.id, "offering_id": offering_id}
    rows = lti_services.resources(tx, **own)
    if not rows:  # of several first launches at once, one makes the link
        lti_services.lock_links(tx, offering_id)
        rows = lti_services.resources(tx, **own)
    if rows:
        return _resource(tx, rows[0])
    chosen = lti_courses.chosen_for(tx, offering_id, offering.centre)
    if chosen is not None and chosen.party_id == party.id:
        item = restored(chosen.item, offering.title)
        return choose(tx, party, offering_id, [item], now)[0]
    if party.target_link_uri.endswith(MOODLE):
        raise LtiRefused(
            "nothing-chosen",
            "It has not been said yet which course of the learning system this is.",
            "Please tell the training centre: a course has to be chosen there and attached.",
            status=404,
        )
    return add(tx, party, offering_id, title=offering.title, now=now)


def _resource(tx: Connection, row: Any) -> Resource:
    coupled = lti_services.line_items(tx, resource_link_id=row.id, most=1)
    values = {name: row._mapping[name] for name in lti_services.LINK}
    return Resource(**values, line_item_id=coupled[0].id if coupled else 0)
