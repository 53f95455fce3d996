"""Chosen resources: deep linking items from which a centre's new offerings are made.

Source: Deep Linking 2.0, section 3.2.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select, update

from lms_bridge.domain.model import Flow, Kind, centre_system
from lms_bridge.lti import json_parts
from lms_bridge.lti.platform.storage import AnyRow, Rows
from lms_bridge.store import run_requests
from lms_bridge.store.bulk import upsert
from lms_bridge.store.lti_tables import chosen_resource, registration
from lms_bridge.store.tables import link

OURS = "itu_"
"""Prefix of custom parameters that describe the offering and do not select a resource."""
_LINK_FIELDS = (
    "title",
    "description",
    "address",
    "custom",
    "target",
    "label",
    "tag",
    "resource_id",
)
_CHOSEN = select(chosen_resource.c.registration_id, chosen_resource.c.code, chosen_resource.c.item)


def store(
    tx: Connection, registration_id: int, items: Mapping[str, Mapping[str, Any]], now: datetime
) -> None:
    """Upserts chosen resources, {code: item}."""
    rows = [
        {"registration_id": registration_id, "code": code, "item": dict(item), "created_at": now}
        for code, item in items.items()
    ]
    upsert(tx, chosen_resource, rows, ["code"], ["registration_id", "item"])
    _ask_for_run(tx, registration_id, now)


def forget(tx: Connection, code: str, now: datetime) -> None:
    """Deletes a chosen resource. Offerings and links made from it stay."""
    gone = delete(chosen_resource).where(chosen_resource.c.code == code)
    for number in tx.scalars(gone.returning(chosen_resource.c.registration_id)).all():
        _ask_for_run(tx, number, now)


def _ask_for_run(tx: Connection, registration_id: int, now: datetime) -> None:
    """What was chosen is an offering after the next run of its centre, which begins at once."""
    of = select(registration.c.centre).where(registration.c.id == registration_id)
    centres = [centre for centre in tx.scalars(of) if centre]
    run_requests.request_run(tx, centres, (Flow.OFFERINGS,), now, "choice of resources")


def of_centre(tx: Connection, centre: str) -> Rows:
    """What was chosen from a centre's tools, with ``registration_id``, ``code`` and ``item``."""
    query = _CHOSEN.join(registration, registration.c.id == chosen_resource.c.registration_id)
    return tx.execute(
        query.where(registration.c.centre == centre).order_by(chosen_resource.c.id)
    ).all()


def of_offering(tx: Connection, offering_id: int, centre: str) -> AnyRow | None:
    """The chosen resource from which a centre's offering was made, if there is one."""
    return tx.execute(
        _CHOSEN.join(link, link.c.external_id == chosen_resource.c.code).where(
            link.c.system == centre_system(centre),
            link.c.kind == Kind.OFFERING,
            link.c.record_id == offering_id,
        )
    ).first()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Items by the code of their offering. ``alike`` are (title, code of an offering) of new items
    that have the title of an offering from the same tool: a person knows whether it is the same."""

    by_code: Mapping[str, Mapping[str, Any]]
    alike: tuple[tuple[str, str], ...]


def by_code(
    tx: Connection, registration_id: int, centre: str, items: Iterable[Mapping[str, Any]]
) -> Chosen:
    """Items from a tool, each with its code. What opens the same as a resource that the tool has
    already keeps the code of that one, also where the tool has moved since."""
    query = _CHOSEN.where(chosen_resource.c.registration_id == registration_id)
    stored = tx.execute(query.order_by(chosen_resource.c.id)).all()
    known = {_opens(row.item): row.code for row in reversed(stored)}
    titles = {row.item["title"]: row.code for row in stored if row.item["title"]}
    found: dict[str, Mapping[str, Any]] = {}
    new: dict[str, str] = {}
    for item in items:
        code = known.get(_opens(item))
        if code is None:
            code = _new_code(centre, item)
            new[code] = item["title"]
        found[code] = item
    again = found.keys() - new.keys()
    alike = (
        (title, titles[title])
        for title in new.values()
        if title in titles and titles[title] not in again
    )
    return Chosen(found, tuple(alike))


def correct(
    tx: Connection,
    offering_id: int,
    centre: str,
    registration_id: int,
    item: Mapping[str, Any],
    now: datetime,
) -> None:
    """What a person chose for an offering that was made of a resource is that resource now."""
    made_of = of_offering(tx, offering_id, centre)
    if made_of is not None:
        store(tx, registration_id, {made_of.code: to_json(item)}, now)


def move(tx: Connection, registration_id: int, moved: Callable[[str], str]) -> None:
    """The tool is at another address: so are the resources that were chosen there."""
    query = _CHOSEN.where(chosen_resource.c.registration_id == registration_id)
    for row in tx.execute(query).all():
        item = {**row.item, "address": moved(row.item["address"])}
        same = chosen_resource.c.code == row.code
        tx.execute(update(chosen_resource).where(same).values(item=item))


def _opens(item: Mapping[str, Any]) -> bytes:
    opens = {name: text for name, text in item["custom"].items() if not name.startswith(OURS)}
    whole = [item["address"], opens, item["resource_id"]]
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def _new_code(centre: str, item: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(orjson.dumps(centre) + _opens(item)).digest()
    return f"lti-{base64.b32encode(digest[:10]).decode().lower()}"


def dates(item: Mapping[str, Any], error_code: str) -> dict[str, str]:
    """When a content item is available, else when work can be submitted. ISO 8601, or empty."""
    found = {}
    for name, bound in (("starts_at", "startDateTime"), ("ends_at", "endDateTime")):
        moments = (
            json_parts.moment(json_parts.section(item, part, error_code), bound, error_code)
            for part in ("available", "submission")
        )
        moment = next(filter(None, moments), None)
        found[name] = moment.isoformat() if moment else ""
    return found


def to_json(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "maximum": None if item["maximum"] is None else str(item["maximum"])}


def link_values(stored: Mapping[str, Any], title: str) -> dict[str, Any]:
    """A stored item as arguments of ``resources.add``; ``title`` is for items without one."""
    maximum = stored["maximum"]
    return {name: stored[name] for name in _LINK_FIELDS} | {
        "title": stored["title"] or title,
        "maximum": None if maximum is None else Decimal(maximum),
    }
