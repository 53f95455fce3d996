"""iCalendar (RFC 5545, with the calendar's own properties of RFC 7986).

Meetings are events of their own, at their instants in UTC: single instants need no VTIMEZONE. An
offering without meetings is one event over whole days, in its own time zone, so that no day shifts.
What may be begun at any time has no place in a calendar. There is no METHOD: by RFC 5546, section
3.2.1, it would ask for an organiser's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from lms_bridge import __version__
from lms_bridge.domain.model import Meeting, OfferingStatus
from lms_bridge.feeds.addresses import Addresses
from lms_bridge.feeds.content_lines import content_line, escaped, text_line
from lms_bridge.feeds.entry import Entry
from lms_bridge.feeds.ids import lasting
from lms_bridge.feeds.text import line, plain
from lms_bridge.feeds.times import first_and_last_day

MEDIA_TYPE = "text/calendar; charset=utf-8"
LONGEST_DESCRIPTION = 1_000
REFRESH = "PT6H"
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_REVISION = datetime(2020, 1, 1, tzinfo=UTC)


def calendar(
    entries: Iterable[Entry], addresses: Addresses, *, name: str, source: str, at: datetime | None
) -> Iterator[bytes]:
    """A calendar in pieces of one offering each.

    ``source`` is the address that it is read from, ``at`` when it changed last.
    """
    yield b"".join(_head(name, source, addresses, at))
    for entry in entries:
        yield b"".join(_events(entry, addresses))
    yield b"END:VCALENDAR\r\n"


def _head(name: str, source: str, addresses: Addresses, at: datetime | None) -> Iterator[bytes]:
    yield b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"
    yield text_line("PRODID", f"-//lms_bridge//{__version__}//EN")
    yield b"CALSCALE:GREGORIAN\r\n"
    yield content_line("UID", str(lasting("calendar", source)))
    yield text_line("NAME", name)
    yield text_line("X-WR-CALNAME", name)  # what older clients look for instead of NAME
    yield content_line("REFRESH-INTERVAL;VALUE=DURATION", REFRESH)
    yield content_line("X-PUBLISHED-TTL", REFRESH)
    yield content_line("SOURCE;VALUE=URI", source)
    yield content_line("URL", addresses.catalogue)
    if at is not None:
        yield content_line("LAST-MODIFIED", _instant(at))


def _events(entry: Entry, addresses: Addresses) -> Iterator[bytes]:
    offering = entry.offering
    days = first_and_last_day(entry)
    if not offering.meetings and days is None:
        return
    shared = b"".join(_shared(entry, addresses))
    if offering.meetings:
        for number, meeting in enumerate(offering.meetings, 1):
            # By its number, so that a meeting that moves stays the same event.
            when = _meeting(meeting, offering.location)
            yield from _event(str(lasting("meeting", offering.code, str(number))), when, shared)
    elif days is not None:
        when = _days(*days, offering.location)
        yield from _event(str(lasting("offering", offering.code)), when, shared)


def _event(uid: str, when: Iterable[bytes], shared: bytes) -> Iterator[bytes]:
    yield b"BEGIN:VEVENT\r\n"
    yield content_line("UID", uid)
    yield from when
    yield shared
    yield b"END:VEVENT\r\n"


def _meeting(meeting: Meeting, location: str) -> Iterator[bytes]:
    yield content_line("DTSTART", _instant(meeting.starts_at))
    yield content_line("DTEND", _instant(meeting.ends_at))
    yield from _location(meeting.place or location)


def _days(first: date, last: date, location: str) -> Iterator[bytes]:
    yield content_line("DTSTART;VALUE=DATE", f"{first:%Y%m%d}")
    yield content_line("DTEND;VALUE=DATE", f"{last + timedelta(days=1):%Y%m%d}")  # not included
    yield b"TRANSP:TRANSPARENT\r\n"  # weeks of a course do not make anybody busy all day
    yield from _location(location)


def _location(place: str) -> Iterator[bytes]:
    if place:
        yield text_line("LOCATION", line(place))


def _shared(entry: Entry, addresses: Addresses) -> Iterator[bytes]:
    """What all events of an offering have in common."""
    offering, changed = entry.offering, entry.changed_at
    status, mark = _status(entry)
    yield content_line("DTSTAMP", _instant(changed or _UNKNOWN))
    if changed is not None:
        yield content_line("LAST-MODIFIED", _instant(changed))
    yield content_line("SEQUENCE", str(_revision(changed)))
    yield content_line("STATUS", status)
    yield text_line("SUMMARY", f"{mark}{line(offering.title)}")
    yield text_line("DESCRIPTION", _description(entry))
    if not entry.withdrawn:
        yield content_line("URL", addresses.offering(offering.code))
    if offering.topics:
        yield content_line("CATEGORIES", ",".join(escaped(line(t)) for t in offering.topics))


def _status(entry: Entry) -> tuple[str, str]:
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


def _description(entry: Entry) -> str:
    sample = "\nA sample, invented for demonstration." if entry.giver.sample else ""
    text = plain(entry.offering.description, longest=LONGEST_DESCRIPTION)
    return f"{line(entry.giver.name)}{sample}\n\n{text}".strip()


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
