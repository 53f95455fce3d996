"""Offerings as courses of an Academy's Moodle: the rows to send, and what its courses show.

A field goes into the custom course field that the option ``fields`` names, if the site has it. A
choice (modality, level, ...) may be a text field, or a menu with the choices in the bridge's order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from html import escape
from typing import Any

from lms_bridge.connectors.moodle.client import Parameter, epoch, without_tags
from lms_bridge.connectors.moodle.courses import custom_fields
from lms_bridge.connectors.moodle.deleted_courses import read_course
from lms_bridge.connectors.moodle.site import COURSES, MoodleSite, is_course
from lms_bridge.domain.dates import first_day, last_day, zone_of
from lms_bridge.domain.document import Json, plain
from lms_bridge.domain.errors import IncompleteRead
from lms_bridge.domain.model import Level, Modality, OfferingStatus, RegistrationType
from lms_bridge.domain.ports import CENTRE_NAME, Page, Pages, RawRecord, WriteRequest

LONGEST_TITLE = 254
LONGEST_CODE = 100
LONGEST_TEXT = 1333
"""Characters of a custom field of the kind *short text*."""

CHOICES: dict[str, type[StrEnum]] = {
    "modality": Modality,
    "level": Level,
    "registration": RegistrationType,
    "status": OfferingStatus,
}
AMOUNTS = frozenset({"hours", "price"})
MOMENTS = frozenset({"registration_opens", "registration_closes"})
DATES = frozenset({"starts_at", "ends_at", "time_zone"})
"""They are sent together: a course without a start has no end, and the zone tells its last day."""
LISTS = frozenset({"languages", "topics", "coordinators", "organisers", "payment_methods"})

# ---- to Moodle --------------------------------------------------------------------------------


def course_row(
    site: MoodleSite, document: Mapping[str, Any], names: Collection[str]
) -> dict[str, Parameter]:
    """The members of a course's row that hold the named fields of an offering's document."""
    fields, types = site.settings["fields"], site.custom_field_types
    row: dict[str, Parameter] = {}
    custom: list[Parameter] = []
    for name in names:
        value = document.get(name)
        if name == "title":
            text = without_tags(str(value or "")[:LONGEST_TITLE])
            row["fullname"] = text.strip() or str(document.get("code"))
        elif name == "code":
            row["idnumber"] = str(value)[:LONGEST_CODE]
        elif name in ("description", "address"):
            row["summary"] = with_link(document)
        elif fields.get(name) in types:
            shortname = fields[name]
            text = _custom_value(name, value, types[shortname])
            custom.append({"shortname": shortname, "value": text})
    if DATES & set(names):
        row.update(_dates(document))
        # A course in weeks computes an end of its own unless it is told not to.
        row["courseformatoptions"] = [{"name": "automaticenddate", "value": 0}]
    if custom:
        row["customfields"] = custom
    return row


def _dates(document: Mapping[str, Any]) -> dict[str, Parameter]:
    """Moodle refuses an end without a start, and an end that is not later."""
    starts = epoch(str(document["starts_at"])) if document.get("starts_at") else 0
    ends = epoch(str(_shown_end(document))) if document.get("ends_at") else 0
    return {"startdate": starts, "enddate": ends if starts and ends > starts else 0}


def shown_as(request: WriteRequest) -> dict[str, Json]:
    """The fields that a course holds in Moodle's own form."""
    document = request.desired
    if not DATES & _sent(request) or not document.get("ends_at"):
        return {}
    end = _shown_end(document)
    return {"ends_at": end} if end != document["ends_at"] else {}


def _shown_end(document: Mapping[str, Any]) -> str:
    """The end as people at a Moodle read and write it: in whole minutes, and on the last day. An
    end at midnight is the end of the day before."""
    end = datetime.fromtimestamp(epoch(str(document["ends_at"])) // 60 * 60, UTC)
    zone = zone_of(str(document.get("time_zone") or "UTC"))
    if last_day(end, zone) != first_day(end, zone):
        end -= timedelta(minutes=1)
    return str(plain(end))


def _sent(request: WriteRequest) -> frozenset[str]:
    """The names of the fields that a request writes."""
    names = frozenset(request.changed or request.desired) - {"state"}
    return names | DATES if names & DATES else names


def _custom_value(name: str, value: Any, kind: str) -> str:
    if kind == "checkbox":
        return "1" if value else "0"
    if kind == "date":
        return str(epoch(str(value))) if value else "0"
    if kind == "select":
        return str(_menu_position(CHOICES[name], value)) if name in CHOICES else "0"
    if isinstance(value, (list, tuple)):
        text = "; ".join(str(item) for item in value)
    else:
        text = "" if value is None else str(value)
    return without_tags(text[:LONGEST_TEXT]) if kind == "text" else text


def _menu_position(choices: type[StrEnum], value: Any) -> int:
    """The position of a choice in a menu, from 1. No choice is 0."""
    return next((position for position, one in enumerate(choices, 1) if one == value), 0)


_LINK = re.compile(r'<p class="lms-bridge-centre">.*?</p>\s*\Z', re.DOTALL)


def with_link(document: Mapping[str, Any]) -> str:
    """The description, and after it the centre's name as a link to the course there."""
    description = str(document.get("description") or "")
    address = str(document.get("address") or "")
    words = escape(str(document.get(CENTRE_NAME) or address))
    if not words:
        return description
    link = f'<a href="{escape(address)}">{words}</a>' if address else words
    return f'{description}<p class="lms-bridge-centre">{link}</p>'


def without_link(summary: str) -> str:
    return _LINK.sub("", summary)


# ---- from Moodle ------------------------------------------------------------------------------


def show_offerings(site: MoodleSite, external_ids: Sequence[str]) -> Pages:
    """The courses, read back as the documents from which they were made."""
    types = site.custom_field_types
    return site.pool.each(
        lambda external_id: read_course(site, external_id, lambda: _read(site, types, external_id)),
        external_ids,
    )


def _read(site: MoodleSite, types: Mapping[str, str], external_id: str) -> Page:
    reply = site.client.call(COURSES, {"field": "id", "value": external_id})
    rows = [row for row in reply.rows("courses") if is_course(row)]
    if not rows:
        raise IncompleteRead(
            "courses-missing",
            f"Moodle shows no course {external_id} to the service account.",
            "It was deleted, or the account lacks moodle/course:viewhiddencourses.",
        )
    return Page(
        external_id,
        (reply.body,),
        lambda: (RawRecord(external_id, _document(site, row, types)) for row in rows),
    )


def held_otherwise(
    site: MoodleSite, row: Mapping[str, Any], request: WriteRequest
) -> dict[str, Json]:
    """The fields that a course shows otherwise than they were just sent: what it cannot hold."""
    shown, names = _document(site, row, site.custom_field_types), _sent(request)
    expected = {**request.desired, **shown_as(request)}
    return {
        name: value
        for name, value in shown.items()
        if name in names and name in expected and expected[name] != value
    }


def _document(
    site: MoodleSite, row: Mapping[str, Any], types: Mapping[str, str]
) -> dict[str, Json]:
    """What a course shows of an offering, in the form of ``domain.wanted.offering_document``."""
    document: dict[str, Json] = {}
    if site.settings["show"]:  # else people show and hide courses, which the bridge ignores
        if not row.get("visible", 1):
            return {"state": "removed"}
        document["state"] = "active"
    document |= {
        "code": row.get("idnumber") or "",
        "title": row.get("fullname") or "",
        "description": without_link(row.get("summary") or ""),
        "starts_at": _moment(row.get("startdate")),
        "ends_at": _moment(row.get("enddate")),
    }
    custom = custom_fields(row)
    for name, shortname in site.settings["fields"].items():
        if shortname in types:
            document[name] = _field_value(name, custom.get(shortname))
    return document


def _moment(seconds: Any) -> Json:
    return plain(datetime.fromtimestamp(int(seconds), UTC)) if seconds else None


def _field_value(name: str, value: Any) -> Json:
    if name in CHOICES:
        key = re.sub(r"[^a-z]+", "_", str(value or "").casefold()).strip("_")
        return key or None
    if name in LISTS:
        return [item.strip() for item in str(value or "").split(";") if item.strip()]
    if name in MOMENTS:
        return _moment(value) if isinstance(value, int) else (value or None)
    if name in AMOUNTS:
        return _amount(value)
    if name == "seats":
        return int(value) if str(value or "").isdecimal() else None
    return "" if value is None else str(value)


def _amount(value: Any) -> Json:
    try:
        return None if value in (None, "") else plain(Decimal(str(value).strip()))
    except InvalidOperation:
        return str(value)
