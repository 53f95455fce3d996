"""From an event of a calendar (RFC 5545) to the fields of an offering.

What iCalendar has a property for is taken from it; everything else from properties of our own,
``X-LMS-BRIDGE-<COLUMN>``, whose values are written as the cells of that column of a CSV file.
"""

from __future__ import annotations

import quopri
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Component, vDDDTypes
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON
from marshmallow import ValidationError

from lms_bridge.domain.errors import Problem
from lms_bridge.intake.recurrence import NotBounded, occurrences
from lms_bridge.schemas.codes import may_be_shown, refusal
from lms_bridge.schemas.csv.cells import CellUnclear, misread, value_of
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.schemas.fields import zone as zone_of

_WITHOUT_SECONDS = re.compile(r"^\d{8}T\d{4}(?=Z?$)")
OWN = "X-LMS-BRIDGE-"
STATUSES = {"CONFIRMED": "published", "TENTATIVE": "planned", "CANCELLED": "cancelled"}
_TEXTS = {
    "SUMMARY": "title",
    "DESCRIPTION": "description",
    "LOCATION": "location",
    "URL": "address",
}
_MOMENTS = ("DTSTART", "DTEND", "DUE")
_ONE_OF_SEVERAL = ("RDATE", "EXRULE", "RECURRENCE-ID", "RELATED-TO")
_ONCE = ("UID", *_TEXTS, *_MOMENTS, "DURATION", "RRULE", "STATUS", "CLASS")
_REPEATING = ("RRULE", "EXDATE", *_ONE_OF_SEVERAL)
PROPERTIES = frozenset(
    {
        "UID",
        "SEQUENCE",
        "CATEGORIES",
        "STATUS",
        "CLASS",
        *_TEXTS,
        *_MOMENTS,
        "DURATION",
        *_REPEATING,
    }
)
"""What is used of an event, apart from properties of our own."""

_SOFT_BREAK = re.compile("=(?![0-9A-F]{2})", re.IGNORECASE)
"""What a line of quoted-printable ends with that goes on in the next one."""


def _of_quoted_printable(text: str) -> bytes:
    return quopri.decodestring(_SOFT_BREAK.sub("", text))


_of_base64 = partial(b64decode, validate=True)
_DECODERS: Mapping[str, Callable[[str], bytes]] = {
    "BASE64": _of_base64,
    "B": _of_base64,
    "QUOTED-PRINTABLE": _of_quoted_printable,
    "Q": _of_quoted_printable,
    **dict.fromkeys(("", "7BIT", "8BIT"), str.encode),
}


def id_of(event: Component) -> str:
    """The event's UID; none where it cannot be read."""
    try:
        return _text(event, "UID").strip()
    except _Bad:
        return ""


def known_zone(name: str) -> str:
    """The time zone of the IANA database that a TZID means; empty where it means none.

    It may be a name of Windows, or follow a vendor's prefix (RFC 5545, section 3.2.19).
    """
    parts = name.rsplit("/", 3) if name.startswith("/") else []
    ends = ["/".join(parts[start:]) for start in range(1, len(parts))]
    for each in [*ends, WINDOWS_TO_OLSON.get(name, name)]:
        try:
            return zone_of(each).key
        except ValidationError:
            continue
    return ""


def offering_fields(
    event: Component, calendar_zone: str, time_zone: str
) -> dict[str, object] | Problem:
    """The fields of an offering, for the schema; or why the event can be none.

    ``calendar_zone`` is that of the whole calendar, if it names one; ``time_zone`` the centre's.
    """
    for name in _ONE_OF_SEVERAL:
        if name in event:
            return _repeating(name)
    for name in _ONCE:
        if len({str(value) for value in _all(event, name)}) > 1:
            return Problem(name.lower(), "not-taken", "comes twice, with two values")
    if "DURATION" in event and any(name in event for name in ("DTEND", "DUE")):
        return Problem("duration", "not-taken", "comes with DTEND or DUE: an event has one of them")
    try:
        return _fields(event, calendar_zone, time_zone)
    except _Bad as bad:
        return bad.problem


def _repeating(name: str) -> Problem:
    return Problem(
        name.lower(),
        "repeating-event",
        "is not taken: send one event for the offering. It may repeat by one RRULE of days, weeks "
        "or months (BYDAY) up to COUNT or UNTIL, less its EXDATE. Other meetings stand in "
        f"{OWN}MEETINGS; or send JSON or CSV",
    )


class _Bad(Exception):
    """Carries a problem out of the depths."""

    def __init__(self, field: str, code: str, message: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problem = Problem(field, code, message, tuple(allowed))


def _fields(event: Component, calendar_zone: str, time_zone: str) -> dict[str, object]:
    if _text(event, "CLASS").strip().upper() not in ("", "PUBLIC"):
        message = "says that the event is not for everybody, but a schedule is public: leave it out"
        raise _Bad("class", "not-taken", message)
    fields: dict[str, object] = {
        field: _text(event, name) for name, field in _TEXTS.items() if name in event
    }
    for field, text in fields.items():
        if problem := misread(str(text)):
            raise _Bad(field, "not-a-text", problem)
    if "CATEGORIES" in event:
        fields["topics"] = [str(topic) for each in _all(event, "CATEGORIES") for topic in each.cats]
    status = _text(event, "STATUS").strip().upper()
    if status:
        fields["status"] = STATUSES.get(status) or _no_status(status)
    _add_zone(event, fields, calendar_zone)
    zone = str(fields.get("time_zone") or time_zone)
    _add_times(event, fields, zone)
    _add_own(event, fields, zone)
    return fields


def _no_status(status: str) -> str:
    message = f"is not one of: {', '.join(STATUSES)}"
    if may_be_shown(status):
        what = message
        message = f'is "{status}", which {what}'
    raise _Bad("status", "not-one-of", message, list(STATUSES))


def _all(event: Component, name: str) -> list[Any]:
    """The values of a property, as often as it comes."""
    value = event.get(name, [])
    return value if isinstance(value, list) else [value]


def _text(event: Component, name: str) -> str:
    """The first value as a text, empty without one. What TEXT cannot hold comes in base 64, and
    from older programs as quoted-printable."""
    for value in _all(event, name):
        return _text_of(value, name)
    return ""


def _text_of(value: Any, name: str) -> str:
    encoding = str(value.params.get("ENCODING", "")).upper()
    try:
        return _DECODERS[encoding](value).decode()
    except (ValueError, KeyError):
        message = f"is said to be {encoding} of a text in UTF-8, and is not"
        raise _Bad(name.lower(), "not-a-text", message) from None


def _add_zone(event: Component, fields: dict[str, object], calendar_zone: str) -> None:
    """One zone for all times: that of the times, or our own property, or the calendar's."""
    for name in _MOMENTS:
        for value in _all(event, name)[:1]:
            tzid = str(value.params.get("TZID") or "")
            zone = known_zone(tzid)
            if tzid and not zone:
                raise _no_zone(tzid, name)
            if zone and fields.setdefault("time_zone", zone) != zone:
                raise _Bad(name.lower(), "two-zones", "is in another time zone than DTSTART")
    own = _text(event, f"{OWN}TIME-ZONE").strip() or fields.get("time_zone")
    if not own and calendar_zone:
        own = known_zone(calendar_zone)
        if not own and not all(_text(event, n).endswith("Z") for n in _MOMENTS if n in event):
            raise _no_zone(calendar_zone, "X-WR-TIMEZONE")
    if own and fields.setdefault("time_zone", own) != own:
        raise _Bad("time_zone", "two-zones", "is another time zone than the TZID of DTSTART")


def _add_times(event: Component, fields: dict[str, object], zone: str) -> None:
    starts = _moment(event, "DTSTART")
    end = "DTEND" if "DTEND" in event else "DUE"
    ends = _moment(event, end)
    if ends is None and "DURATION" in event:
        ends = _end_after(event, starts, zone)
    if ends is None or isinstance(ends, datetime):
        # Without an end, a day lasts a day.
        ends = ends if ends or isinstance(starts, datetime) else starts
    elif isinstance(starts, datetime):
        message = "is a day, but DTSTART is a time: the end is a time, too"
        raise _Bad(end.lower(), "not-a-date", message)
    elif ends != starts and ends != date.min:
        ends -= timedelta(days=1)  # the first day that is not included any more (section 3.6.1)
    if "RRULE" in event:
        starts, ends = _add_meetings(event, fields, zone, starts, ends)
    if starts is not None:
        fields["starts_at"] = _written(_settled(starts, zone))
    if ends is not None:
        fields["ends_at"] = _written(_settled(ends, zone))


def _add_meetings(
    event: Component, fields: dict[str, object], zone: str, starts: date | None, ends: date | None
) -> tuple[date, date]:
    """The meetings of an event that repeats. Returns the start of the first and the last end."""
    problem = _repeating("RRULE")
    refused = _Bad(problem.field, problem.code, problem.message)
    if starts is None or ends is None or type(ends) is not type(starts):
        raise refused
    here = ZoneInfo(known_zone(zone) or "UTC")
    meant = starts.tzinfo if isinstance(starts, datetime) and starts.tzinfo else here
    without = [
        (_text_of(value, "EXDATE"), _zone_of(value) or meant) for value in _all(event, "EXDATE")
    ]
    rule = _text(event, "RRULE")
    try:
        found = occurrences(rule, starts, here, without)
        is_first = starts in found or starts in occurrences(rule, starts, here, [])
    except NotBounded:
        raise refused from None
    if found and not is_first:
        raise _Bad(
            problem.field, "not-taken", "makes no meeting at DTSTART: correct one of the two"
        )
    if not found:
        raise _Bad(problem.field, "not-taken", "leaves no meeting: see its UNTIL, and EXDATE")
    length = _moment_of(ends, zone) - _moment_of(starts, zone)
    last = [each + length for each in found]
    if len(found) > 1:
        fields["meetings"] = [
            {"starts_at": _written(_settled(first, zone)), "ends_at": _written(_settled(end, zone))}
            for first, end in zip(found, last, strict=True)
        ]
    return found[0], last[-1]


def _zone_of(value: Any) -> ZoneInfo | None:
    tzid = str(value.params.get("TZID") or "")
    name = known_zone(tzid)
    if tzid and not name:
        raise _no_zone(tzid, "EXDATE")
    return ZoneInfo(name) if name else None


def _no_zone(tzid: str, name: str) -> _Bad:
    message = (
        f'is "{tzid[:60]}" in {name}, which is no name of the IANA database such as Africa/Nairobi'
    )
    return _Bad("time_zone", "no-such-zone", message)


def _moment_of(moment: date, zone: str) -> date:
    """A day as it is, and a moment with its offset."""
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=ZoneInfo(known_zone(zone) or "UTC"))


def _settled(moment: date, zone: str) -> date:
    """A local time that comes twice is the first of the two; one that the clocks skip has the
    offset from before (section 3.3.5)."""
    here = _moment_of(moment, zone)
    if not isinstance(moment, datetime) or not isinstance(here, datetime) or here is moment:
        return moment
    is_plain = here.utcoffset() == here.replace(fold=1).utcoffset()
    return moment if is_plain else here.astimezone(UTC)


def _moment(event: Component, name: str) -> date | None:
    """The first value as a day or a moment, local where it is not in UTC."""
    if name not in event:
        return None
    moment = _parsed(_text(event, name))
    if not isinstance(moment, date):
        message = "is not a date such as 20260331 or 20260331T090000Z"
        message = refusal(_text(event, name), message)
        raise _Bad(name.lower(), "not-a-date", message)
    return moment


def _parsed(text: str) -> object:
    """A day, a moment or a duration; None where it is none of them."""
    try:
        return vDDDTypes.from_ical(_WITHOUT_SECONDS.sub(r"\g<0>00", text.strip()))  # type: ignore[no-untyped-call]  # forgotten there
    except (ValueError, OverflowError):
        return None


def _end_after(event: Component, starts: date | None, zone: str) -> date:
    """The end of a duration (section 3.3.6): its days are the calendar's, its hours exact."""
    duration = _parsed(_text(event, "DURATION"))
    if starts is None or not isinstance(duration, timedelta):
        raise _Bad("duration", "not-taken", "is no duration after a DTSTART, such as PT2H or P5D")
    try:
        if not isinstance(starts, datetime):
            return starts + duration
        local = starts + timedelta(days=duration.days)
        if local.tzinfo is None:
            local = local.replace(tzinfo=ZoneInfo(known_zone(zone) or "UTC"))
        return local.astimezone(UTC) + timedelta(seconds=duration.seconds)
    except OverflowError:
        raise _Bad("duration", "out-of-range", "ends after the year 9999") from None


def _written(moment: date) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _add_own(event: Component, fields: dict[str, object], zone: str) -> None:
    for name in event:
        if not name.startswith(OWN):
            continue
        column = OFFERINGS.column(name[len(OWN) :])
        if column is None or column.name == "id":
            allowed = [f"{OWN}{each.upper().replace('_', '-')}" for each in OFFERINGS.names[1:]]
            raise _Bad(name.lower(), "unknown-field", "is not known here", allowed)
        if len({str(value) for value in _all(event, name)}) > 1:
            raise _Bad(column.name, "not-taken", "comes twice, with two values")
        text = _text(event, name)
        if text.strip():
            try:
                fields[column.name] = value_of(text, column.shape, zone)
            except CellUnclear as error:
                raise _Bad(column.name, "cell-unclear", str(error)) from None
