"""A centre's schedule as it is now, to be read, changed and pushed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from icalendar import Calendar, Event, Todo, vBinary
from sqlalchemy import Connection

from lms_bridge import __version__
from lms_bridge.catalogue.ical import ICalText, categories, in_pieces, rendered
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.event import OWN, STATUSES
from lms_bridge.intake.exports import offering_rows
from lms_bridge.schemas.csv.cells import cell_of
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.store import offerings

VERSION = 1
"""Raised when a schedule is shown in another form, so that copies of the old one are outdated."""


def schedule_state(tx: Connection, centre: str) -> str:
    """A text that changes whenever any offering of the centre does."""
    many, revisions = offerings.state_of(tx, centre)
    return f"{VERSION}-{many}-{revisions}"


def schedule_rows(tx: Connection, centre: str) -> Iterator[RawRecord]:
    """The offerings that are listed, with the fields that a push may have."""
    for raw in offering_rows(tx, centre):
        fields = dict(raw.fields)
        for name in ("code", "listed", "centre"):
            fields.pop(name)
        yield RawRecord(raw.external_id, fields)


# The schedule as iCalendar (RFC 5545) keeps every field, so that it can be pushed again.
#
# What has a property there is written as such; everything else as properties of our own, as
# ``lms_bridge.intake.event`` reads them. What has no start is a VTODO, which needs
# none. Moments are instants in UTC, so that no VTIMEZONE is needed.


_TEXTS = {
    "title": "SUMMARY",
    "location": "LOCATION",
    "description": "DESCRIPTION",
    "address": "URL",
}
_ELSEWHERE = {"id", "centre", "starts_at", "ends_at", "topics", *_TEXTS}
_OWN = [column for column in OFFERINGS.columns if column.name not in _ELSEWHERE]
_STATUSES = {status: name for name, status in STATUSES.items()}
_STAMP = datetime(1970, 1, 1, tzinfo=UTC)
"""An event has to have a stamp; it says nothing here."""


def schedule_calendar(records: Iterable[RawRecord]) -> Iterator[bytes]:
    """The calendar in pieces of one offering each; fields as those of ``OfferingSchema``."""
    head = Calendar()
    head.add("VERSION", "2.0")
    head.add("PRODID", f"-//lms_bridge//{__version__}//EN")
    events = (rendered(_event(each.external_id, each.fields)) for each in records)
    return in_pieces(head, events)


def _event(external_id: str, fields: Mapping[str, object]) -> Event | Todo:
    event: Event | Todo = Event() if fields.get("starts_at") else Todo()
    event.add("UID", _text(external_id))
    event.add("DTSTAMP", _STAMP)
    _add_times(event, fields)
    for name, property_name in _TEXTS.items():
        if fields.get(name):
            event.add(property_name, _text(str(fields[name])))
    topics = fields.get("topics")
    if isinstance(topics, list) and topics:
        event.add("CATEGORIES", categories(map(str, topics)))
    if isinstance(event, Event):
        event.add("STATUS", _STATUSES.get(str(fields.get("status")), "CONFIRMED"))
    for column in _OWN:
        text = cell_of(fields.get(column.name), column.shape)
        if text:
            event.add(OWN + column.name.upper().replace("_", "-"), _text(text))
    return event


def _add_times(event: Event | Todo, fields: Mapping[str, object]) -> None:
    starts, ends = (str(fields.get(name) or "") for name in ("starts_at", "ends_at"))
    if starts:
        event.add("DTSTART", datetime.fromisoformat(starts))
    if ends > starts:
        event.add("DTEND" if starts else "DUE", datetime.fromisoformat(ends))
    elif ends:  # an event may not end as it begins (section 3.8.2.2)
        event.add(f"{OWN}ENDS-AT", ICalText(ends))


def _text(text: str) -> ICalText | vBinary:
    """A text as it is; one with carriage returns, which TEXT cannot hold, in base 64."""
    return vBinary(text) if "\r" in text else ICalText(text)
