"""The catalogue as iCalendar (RFC 5545 and RFC 7986)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from icalendar import Calendar, Component, Event, vCategory, vText

from lms_bridge import __version__
from lms_bridge.catalogue.entry import Addresses, CatalogueEntry, stable_id
from lms_bridge.catalogue.text import allowed, first_and_last_day, line, plain
from lms_bridge.domain.model import OfferingStatus

MEDIA_TYPE = "text/calendar; charset=utf-8"
LONGEST_DESCRIPTION = 1_000
REFRESH = timedelta(hours=6)
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_REVISION = datetime(2020, 1, 1, tzinfo=UTC)


class ICalText(vText):
    """A text that stays as it is: the library takes a backslash before an N for a line's end."""

    def to_ical(self) -> bytes:
        return rb"\\N".join(vText(part).to_ical() for part in self.split(r"\N"))


def categories(texts: Iterable[str]) -> vCategory:
    value = vCategory([])
    value.cats = [ICalText(text) for text in texts]  # given at once, they become the library's own
    return value


def in_pieces(head: Calendar, components: Iterable[bytes]) -> Iterator[bytes]:
    """A calendar around components that are written one by one, so that few are in memory."""
    end = b"END:VCALENDAR\r\n"
    yield rendered(head).removesuffix(end)
    yield from components
    yield end


def rendered(component: Component) -> bytes:
    octets: bytes = component.to_ical(sorted=False)
    return octets


def calendar(
    entries: Iterable[CatalogueEntry],
    addresses: Addresses,
    *,
    name: str,
    source: str,
    at: datetime | None,
) -> Iterator[bytes]:
    """A calendar in pieces of one offering each.

    ``source`` is the address that it is read from, ``at`` when it changed last.
    """
    events = (b"".join(_events(entry, addresses)) for entry in entries)
    return in_pieces(_head(name, source, addresses, at), events)


def _head(name: str, source: str, addresses: Addresses, at: datetime | None) -> Calendar:
    head = Calendar()
    head.add("VERSION", "2.0")
    head.add("PRODID", f"-//lms_bridge//{__version__}//EN")
    head.add("CALSCALE", "GREGORIAN")
    head.add("UID", str(stable_id("calendar", source)))
    head.add("NAME", ICalText(allowed(name)))
    head.add("X-WR-CALNAME", ICalText(allowed(name)))  # what older clients look for instead of NAME
    head.add("REFRESH-INTERVAL", REFRESH, {"VALUE": "DURATION"})
    head.add("X-PUBLISHED-TTL", "PT6H")  # the same for older clients
    head.add("SOURCE", source, {"VALUE": "URI"})
    head.add("URL", addresses.catalogue)
    if at is not None:
        head.add("LAST-MODIFIED", at)
    return head


def _events(entry: CatalogueEntry, addresses: Addresses) -> Iterator[bytes]:
    offering, days = entry.offering, first_and_last_day(entry)
    if not offering.meetings and days is None:
        return
    shared = _shared(entry, addresses)
    for number, meeting in enumerate(offering.meetings, 1):
        # By its number, so that a meeting that moves stays the same event.
        uid = stable_id("meeting", offering.code, str(number))
        starts, ends = meeting.starts_at.astimezone(UTC), meeting.ends_at.astimezone(UTC)
        yield _event(shared, uid, starts, ends, meeting.place or offering.location)
    if not offering.meetings and days is not None:
        first, last = days
        after = last + timedelta(days=1)  # the end is not included
        uid = stable_id("offering", offering.code)
        yield _event(shared, uid, first, after, offering.location)


def _event(shared: bytes, uid: UUID, starts: date, ends: date, place: str) -> bytes:
    event = Event()
    event.add("UID", str(uid))
    event.add("DTSTART", starts)
    event.add("DTEND", ends)
    if not isinstance(starts, datetime):
        event.add("TRANSP", "TRANSPARENT")  # weeks of a course do not make anybody busy all day
    if place:
        event.add("LOCATION", ICalText(line(place)))
    return rendered(event).removesuffix(b"END:VEVENT\r\n") + shared


def _shared(entry: CatalogueEntry, addresses: Addresses) -> bytes:
    """What all events of an offering have in common, and their end. It is written once for all of
    them, since folding its texts takes longest."""
    offering, changed = entry.offering, entry.changed_at
    status, mark = _status(entry)
    event = Event()
    event.add("DTSTAMP", changed or _UNKNOWN)
    if changed is not None:
        event.add("LAST-MODIFIED", changed)
    event.add("SEQUENCE", _revision(changed))
    event.add("STATUS", status)
    event.add("SUMMARY", ICalText(f"{mark}{line(offering.title)}"))
    event.add("DESCRIPTION", ICalText(_description(entry)))
    if not entry.withdrawn:
        event.add("URL", addresses.offering(offering.code))
    if offering.topics:
        event.add("CATEGORIES", categories(map(line, offering.topics)))
    return rendered(event).removeprefix(b"BEGIN:VEVENT\r\n")


def _status(entry: CatalogueEntry) -> tuple[str, str]:
    """The status of section 3.8.1.11, and what readers see before the title: many clients show a
    tentative event like any other."""
    status = entry.offering.status
    if entry.withdrawn or status is OfferingStatus.CANCELLED:
        return "CANCELLED", "Cancelled: "
    if status is OfferingStatus.POSTPONED:
        return "TENTATIVE", "Postponed: "
    return "CONFIRMED", ""


def _revision(changed: datetime | None) -> int:
    """The number of the revision (3.8.7.4): it has to grow with each change and fit 31 bits, so it
    is the second of the change."""
    if changed is None:
        return 0
    return max(0, int((changed - _FIRST_REVISION).total_seconds()))


def _description(entry: CatalogueEntry) -> str:
    sample = "\nA sample, invented for demonstration." if entry.provider.sample else ""
    text = plain(entry.offering.description, longest=LONGEST_DESCRIPTION)
    return f"{line(entry.provider.name)}{sample}\n\n{text}".strip()
