"""A centre's own schedule as iCalendar (RFC 5545), to be pushed again: no field is lost.

What has a property there is written as such; everything else as properties of our own, as
``lms_bridge.schemas.schedule.events`` reads them. What has no start is a VTODO, which needs none.
Moments are instants in UTC, so that no VTIMEZONE is needed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping

from lms_bridge import __version__
from lms_bridge.domain.ports import Raw
from lms_bridge.feeds.content_lines import content_line, text_line
from lms_bridge.schemas.csv import OFFERINGS
from lms_bridge.schemas.csv.cells import cell_of
from lms_bridge.schemas.schedule.events import OWN, STATUSES

_TEXTS = {
    "title": "SUMMARY",
    "location": "LOCATION",
    "description": "DESCRIPTION",
    "address": "URL",
}
_ELSEWHERE = {"id", "centre", "starts_at", "ends_at", "topics", *_TEXTS}
_OWN = [column for column in OFFERINGS.columns if column.name not in _ELSEWHERE]
_STATUSES = {status: name for name, status in STATUSES.items()}


def schedule_calendar(records: Iterable[Raw]) -> Iterator[bytes]:
    """The calendar in pieces of one offering each; fields as those of ``OfferingSchema``."""
    head = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"
    yield head + text_line("PRODID", f"-//lms_bridge//{__version__}//EN")
    for record in records:
        yield b"".join(_event(record.external_id, record.fields))
    yield b"END:VCALENDAR\r\n"


def _event(external_id: str, fields: Mapping[str, object]) -> Iterator[bytes]:
    part = "VEVENT" if fields.get("starts_at") else "VTODO"
    yield content_line("BEGIN", part)
    yield _text("UID", external_id)
    yield content_line("DTSTAMP", "19700101T000000Z")  # required; nothing is said by it here
    yield from _when(fields)
    for name, property_name in _TEXTS.items():
        if fields.get(name):
            yield _text(property_name, str(fields[name]))
    topics = fields.get("topics")
    if isinstance(topics, list) and topics:
        yield content_line("CATEGORIES", ",".join(_escaped(str(topic)) for topic in topics))
    if part == "VEVENT":
        yield content_line("STATUS", _STATUSES.get(str(fields.get("status")), "CONFIRMED"))
    for column in _OWN:
        text = cell_of(fields.get(column.name), column.shape)
        if text:
            yield _text(OWN + column.name.upper().replace("_", "-"), text)
    yield content_line("END", part)


def _when(fields: Mapping[str, object]) -> Iterator[bytes]:
    starts, ends = (str(fields.get(name) or "") for name in ("starts_at", "ends_at"))
    if starts:
        yield content_line("DTSTART", _instant(starts))
    if ends > starts:
        yield content_line("DTEND" if starts else "DUE", _instant(ends))
    elif ends:  # an event may not end as it begins (section 3.8.2.2)
        yield _text(f"{OWN}ENDS-AT", ends)


def _text(name: str, text: str) -> bytes:
    """A text as it is; one with carriage returns, which TEXT cannot hold, in base 64."""
    if "\r" in text:
        octets = base64.b64encode(text.encode()).decode()
        return content_line(f"{name};ENCODING=BASE64;VALUE=BINARY", octets)
    return content_line(name, _escaped(text))


def _escaped(text: str) -> str:
    """TEXT of section 3.3.11, tabs and all."""
    for mark in ("\\", ";", ","):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", "\\n")


def _instant(moment: str) -> str:
    return moment.replace("-", "").replace(":", "")
