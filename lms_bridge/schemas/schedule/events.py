"""From the properties of one event of a calendar to the fields of an offering.

What iCalendar has a property for is taken from it; everything else from properties of our own,
``X-LMS-BRIDGE-<COLUMN>``, whose values are written as the cells of that column of a CSV file.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from icalendar.parser import split_on_unescaped_comma, unescape_backslash
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from lms_bridge.domain.errors import Problem
from lms_bridge.schemas.csv import OFFERINGS
from lms_bridge.schemas.csv.cells import value_of

OWN = "X-LMS-BRIDGE-"
STATUSES = {"CONFIRMED": "published", "TENTATIVE": "planned", "CANCELLED": "cancelled"}
_TEXTS = {
    "SUMMARY": "title",
    "DESCRIPTION": "description",
    "LOCATION": "location",
    "URL": "address",
}
_REPEATING = ("RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "RELATED-TO")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?")


@dataclass(frozen=True, slots=True)
class Property:
    """One property: its value as it stands, and its parameters."""

    value: str
    parameters: Mapping[str, str]

    @property
    def text(self) -> str:
        """The value as a text; one that TEXT cannot hold comes in base 64.

        Raises:
            ValueError: it is not base 64.
        """
        if self.parameters.get("ENCODING", "").upper() == "BASE64":
            try:
                return base64.b64decode(self.value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise ValueError("not base 64") from None
        return str(unescape_backslash(self.value))


Properties = Mapping[str, Sequence[Property]]


def offering_fields(properties: Properties, time_zone: str) -> dict[str, object] | Problem:
    """The fields of an offering, for the schema; or why the event can be none."""
    for name in _REPEATING:
        if name in properties:
            return Problem(
                name.lower(),
                "repeating-event",
                "makes one of several events: send one event for the offering, with its meetings "
                f"in {OWN}MEETINGS, or send JSON or CSV",
            )
    if "DURATION" in properties:
        return Problem("duration", "not-taken", "is not taken here: give DTEND")
    try:
        return _fields(properties, time_zone)
    except _Bad as bad:
        return bad.problem


class _Bad(Exception):
    """Carries a problem out of the depths."""

    def __init__(self, field: str, code: str, message: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problem = Problem(field, code, message, tuple(allowed))


def _fields(properties: Properties, time_zone: str) -> dict[str, object]:
    fields: dict[str, object] = {
        field: _text(properties[name][0], name)
        for name, field in _TEXTS.items()
        if name in properties
    }
    if "CATEGORIES" in properties:
        fields["topics"] = [
            topic
            for each in properties["CATEGORIES"]
            for topic in split_on_unescaped_comma(each.value)
        ]
    if "STATUS" in properties:
        status = properties["STATUS"][0].value.strip().upper()
        fields["status"] = STATUSES.get(status) or _no_status()
    _take_times(properties, fields)
    _take_own(properties, fields, time_zone)
    return fields


def _no_status() -> str:
    raise _Bad("status", "not-one-of", f"is not one of: {', '.join(STATUSES)}", list(STATUSES))


def _text(found: Property, name: str) -> str:
    try:
        return found.text
    except ValueError:
        raise _Bad(name.lower(), "not-a-text", "is said to be base 64, and is not") from None


def _take_times(properties: Properties, fields: dict[str, object]) -> None:
    starts = properties["DTSTART"][0] if "DTSTART" in properties else None
    end = "DTEND" if "DTEND" in properties else "DUE"
    ends = properties[end][0] if end in properties else None
    zones = {zone for each in (starts, ends) if each and (zone := each.parameters.get("TZID"))}
    if len(zones) > 1:
        raise _Bad(end.lower(), "two-zones", "is in another time zone than DTSTART")
    if zones:
        (zone,) = zones
        fields["time_zone"] = WINDOWS_TO_OLSON.get(zone, zone)
    if starts is not None:
        fields["starts_at"] = _moment(starts, "dtstart")
    if ends is not None:
        moment = _moment(ends, end.lower())
        # A day at the end is the first that is not included any more (section 3.6.1).
        fields["ends_at"] = moment if "T" in moment else _day_before(moment)
    elif starts is not None and "T" not in str(fields["starts_at"]):
        fields["ends_at"] = fields["starts_at"]  # without an end, a day lasts a day


def _moment(found: Property, name: str) -> str:
    parts = _DATE.fullmatch(found.value.strip())
    if parts is None:
        raise _Bad(name, "not-a-date", "is not a date such as 20260331 or 20260331T090000Z")
    year, month, day, hour, minute, second, utc = parts.groups()
    text = f"{year}-{month}-{day}"
    return text if hour is None else f"{text}T{hour}:{minute}:{second}{utc}"


def _day_before(text: str) -> str:
    try:
        return (date.fromisoformat(text) - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return text  # the schema says what is wrong with it


def _take_own(properties: Properties, fields: dict[str, object], time_zone: str) -> None:
    columns = [
        (name, OFFERINGS.column(name[len(OWN) :])) for name in properties if name.startswith(OWN)
    ]
    zone = str(fields.get("time_zone") or time_zone)
    own_zone = properties.get(f"{OWN}TIME-ZONE")
    if own_zone:
        own = _text(own_zone[0], f"{OWN}TIME-ZONE").strip()
        if fields.setdefault("time_zone", own) != own:
            raise _Bad("time_zone", "two-zones", "is another time zone than the TZID of DTSTART")
        zone = own
    for name, column in columns:
        if column is None or column.name == "id":
            allowed = [f"{OWN}{each.upper().replace('_', '-')}" for each in OFFERINGS.names[1:]]
            raise _Bad(name.lower(), "unknown-field", "is not known here", allowed)
        text = _text(properties[name][0], name)
        if text.strip():
            fields[column.name] = value_of(text, column.shape, zone)
