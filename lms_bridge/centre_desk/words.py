"""Words of the desk in the reader's language: names of fields, values, and what errors say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Any

from markupsafe import Markup

from lms_bridge.centre_desk.offering_forms import MOMENTS
from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.errors import BridgeError
from lms_bridge.web import filters
from lms_bridge.web.languages import is_translated, word
from lms_bridge.web.languages import said as said_html

FIELDS: Mapping[str, str] = {
    "title": "Title",
    "course_code": "Course code",
    "modality": "Modality",
    "level": "Level",
    "status": "Status",
    "starts_at": "Begins",
    "ends_at": "Ends",
    "time_zone": "Time zone",
    "hours": "Hours of work",
    "registration": "Registration",
    "registration_opens": "Registration opens",
    "registration_closes": "Registration closes",
    "seats": "Seats",
    "price": "Price",
    "currency": "Currency",
    "payment_methods": "Ways to pay",
    "languages": "Languages",
    "topics": "Topics",
    "coordinators": "Coordinators",
    "organisers": "Organisers",
    "location": "Location",
    "description": "Description",
    "audience": "For whom",
    "requirements": "Entry requirements",
    "objectives": "Objectives",
    "address": "Web address",
    "lms_course": "Course in the learning system",
    "meetings": "Sessions of the course",
    "translations": "Translations",
    "id": "Id",
}
LONGEST = 300
_LAST = time(23, 59, 59)
"""Of a day: an end that a file writes without a time."""
_HALF = re.compile("[\ud800-\udfff]")
"""Of a character: JSON can hold it, and no page can."""


def field_name(name: str) -> str:
    """What the reader calls a field; its own name where it has no other."""
    return word(FIELDS.get(name, "")) or name


def shown(value: Any, field: str = "", zone: str = "") -> str:
    """A value of a field, on one line. A code of this field is in the reader's words, and a moment
    is in this time zone, if one is named."""
    if value in (None, "", [], {}):
        return "—"
    if zone and field in MOMENTS:
        return _moment(value, field, zone)
    if words := filters.coded(value, field):
        return words
    if isinstance(value, list):
        text = "; ".join(shown(each) for each in value)
    elif isinstance(value, Mapping):
        text = " ".join(shown(each) for each in value.values())
    else:
        text = _HALF.sub("\ufffd", str(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _moment(value: Any, field: str, zone: str) -> str:
    """A day alone where the moment is its beginning, or its end for one that ends something."""
    at = filters.moment(value)
    clock = at.astimezone(zone_of(zone)).time() if at is not None else None
    if clock in (time.min, _LAST) and field in ("ends_at", "registration_closes"):
        return str(filters.last_day(at, zone).striptags())
    if clock == time.min:
        return str(filters.day(at, zone).striptags())
    text = filters.day_and_time(at, zone).striptags()
    return text if zone == "UTC" else f"{text} {zone}"


def sentence(text: str) -> tuple[Markup, str]:
    """A sentence of the code as the reader gets it, and its language where that is another."""
    return (said_html(text), "" if is_translated(text) else "en")


def said(error: BridgeError) -> list[tuple[Markup, str]]:
    """The sentences of an error."""
    return [sentence(text) for text in (error.message, error.remedy) if text]
