"""Resource links: what an offering opens in a tool, each with its line item."""

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
from lms_bridge.lti.platform import chosen_resources, storage
from lms_bridge.lti.registrations import LtiRegistration

DEFAULT_MAXIMUM = Decimal(100)
MOODLE = "/enrol/lti/launch.php"
"""How the launch address of a Moodle ends. Moodle opens only published courses, by the custom
parameter that deep linking gave; any other launch fails there (seen in 4.5)."""


@dataclass(frozen=True, slots=True)
class Resource:
    """``target`` is where it opens: ``window``, ``iframe`` or "" (the tool decides)."""

    id: int
    code: str
    title: str
    description: str
    address: str
    custom: Mapping[str, str]
    target: str
    line_item_id: int


def find(tx: Connection, resource_id: int) -> Resource | None:
    row = storage.resource_with_line_item(tx, resource_id)
    if row is None:
        return None
    *link, line_item_id = row
    values = dict(zip(storage.LINK, link, strict=True))
    return Resource(**values, line_item_id=line_item_id)


def by_code(
    tx: Connection, registration: LtiRegistration, offering_id: int, code: str
) -> Resource | None:
    own = {"registration_id": registration.id, "offering_id": offering_id}
    rows = storage.resources(tx, **own, code=code)
    return _resource(tx, rows[0]) if rows else None


def first_or_create(
    tx: Connection,
    registration: LtiRegistration,
    offering_id: int,
    offering: Offering,
    now: datetime,
) -> Resource:
    """The first link of an offering into a tool. Without one, it is created: from the chosen
    resource of the offering, else for the tool as a whole.

    Raises:
        LtiRefused: nothing was chosen, and the tool opens only what was.
    """
    own = {"registration_id": registration.id, "offering_id": offering_id}
    rows = storage.resources(tx, **own)
    if not rows:  # of several first launches at once, one creates the link
        storage.lock_links(tx, offering_id)
        rows = storage.resources(tx, **own)
    if rows:
        return _resource(tx, rows[0])
    chosen = chosen_resources.of_offering(tx, offering_id, offering.centre)
    if chosen is not None and chosen.registration_id == registration.id:
        item = chosen_resources.link_values(chosen.item, offering.title)
        return attach(tx, registration, offering_id, [item], now)[0]
    if registration.target_link_uri.endswith(MOODLE):
        raise LtiRefused(
            "nothing-chosen",
            "No course of the learning system has been chosen for this offering yet.",
            "Please tell the training centre. It has to choose a course and attach it.",
            status=404,
        )
    return add(tx, registration, offering_id, title=offering.title, now=now)


def add(
    tx: Connection,
    registration: LtiRegistration,
    offering_id: int,
    *,
    title: str,
    description: str = "",
    address: str = "",
    custom: Mapping[str, str] | None = None,
    target: str = "",
    maximum: Decimal | None = DEFAULT_MAXIMUM,
    label: str = "",
    tag: str = "",
    resource_id: str = "",
    now: datetime,
) -> Resource:
    """Adds a link, and its line item unless ``maximum`` is None. The first line item of an
    offering is its main one: its scores are the learners' results."""
    own = {"registration_id": registration.id, "offering_id": offering_id, "created_at": now}
    values = {
        "code": secrets.token_urlsafe(12),
        "title": title[:500],
        "description": description,
        "address": address,
        "target": target,
        "custom": dict(custom or {}),
    }
    id_ = storage.add_resource(tx, own | values)
    if maximum is not None:
        line_item = _line_item(maximum, label or title, tag, resource_id)
        _add_line_item(tx, {**own, **line_item, "resource_link_id": id_})
    return _resource(tx, storage.resources(tx, id=id_)[0])


def attach(
    tx: Connection,
    registration: LtiRegistration,
    offering_id: int,
    items: Iterable[Mapping[str, Any]],
    now: datetime,
) -> tuple[Resource, ...]:
    """Attaches chosen items to an offering, each with the arguments of ``add``.

    The first item replaces what the offering's first link opens, so that a second choice corrects
    a wrong one. The link keeps its code and its line item, and with them the scores. Any other
    item that a link opens already updates that link.
    """
    storage.lock_links(tx, offering_id)
    own = {"registration_id": registration.id, "offering_id": offering_id}
    unused = list(storage.resources(tx, **own))
    attached: list[Resource] = []
    for item in items:
        opens = item["address"], dict(item["custom"])
        same = [row for row in unused if (row.address, row.custom) == opens]
        if unused and not attached:
            same = unused[:1]
        if same:
            unused.remove(same[0])
            attached.append(_change(tx, same[0].id, {**own, "created_at": now}, item))
        else:
            attached.append(add(tx, registration, offering_id, **item, now=now))
    return tuple(attached)


def _change(tx: Connection, id_: int, own: Mapping[str, Any], item: Mapping[str, Any]) -> Resource:
    values = {name: item[name] for name in ("title", "description", "address", "custom", "target")}
    storage.change_resource(tx, id_, values)
    if item["maximum"] is not None:
        label = item["label"] or item["title"]
        line_item = _line_item(item["maximum"], label, item["tag"], item["resource_id"])
        coupled = storage.line_items(tx, resource_link_id=id_, most=1)
        if coupled:
            storage.change_line_item(tx, coupled[0].id, line_item)
        else:
            _add_line_item(tx, {**own, **line_item, "resource_link_id": id_})
    return _resource(tx, storage.resources(tx, id=id_)[0])


def _line_item(maximum: Decimal, label: str, tag: str, resource_id: str) -> dict[str, Any]:
    return {
        "label": label[:500],
        "score_maximum": maximum,
        "tag": tag,
        "resource_id": resource_id,
    }


def _add_line_item(tx: Connection, values: Mapping[str, Any]) -> None:
    offering_id = values["offering_id"]
    first = not storage.line_items(tx, most=1, offering_id=offering_id, main=True)
    storage.add_line_item(tx, {**values, "main": first})


def _resource(tx: Connection, row: Any) -> Resource:
    coupled = storage.line_items(tx, resource_link_id=row.id, most=1)
    values = {name: row._mapping[name] for name in storage.LINK}
    return Resource(**values, line_item_id=coupled[0].id if coupled else 0)
