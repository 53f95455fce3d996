"""Rows of iCalendar (RFC 5545): each VEVENT, or VTODO for what has no dates, is an offering.

Content lines are read one by one, so that few events are in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from icalendar.parser import Contentline

from lms_bridge.domain.errors import Problem, Refused
from lms_bridge.schemas.schedule.encodings import guess
from lms_bridge.schemas.schedule.events import Property, offering_fields
from lms_bridge.schemas.schedule.rows import PushedRow, bad_row, without_id

EVENTS = frozenset({"VEVENT", "VTODO"})


@dataclass(slots=True)
class _Event:
    number: int
    properties: dict[str, list[Property]] = field(default_factory=dict)
    problem: Problem | None = None


def read_ical(octets: bytes, time_zone: str) -> Iterator[PushedRow]:
    """The events, numbered from 1.

    Raises:
        Refused: this is no calendar, or one that cancels.
    """
    place = _Place()
    for line in _unfolded(octets):
        for event in place.goes_on(line):
            yield _row(event, time_zone)
    if not place.began:
        raise _no_calendar("It does not begin with BEGIN:VCALENDAR")
    for event in place.ends():
        yield _row(event, time_zone)
    if place.parts:
        ended = Problem("", "cut-off", "is missing: the calendar ends before END:VCALENDAR")
        yield bad_row(place.events + 1, ended)


class _Place:
    """Where in a calendar its reader is: the parts that are open, and the event among them."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.events = 0
        self.began = False
        self._event: _Event | None = None

    def goes_on(self, line: bytes) -> Iterator[_Event]:
        """Takes one content line; gives the event that it ends."""
        name, _, value = line.partition(b":")
        key, part = name.strip().upper(), value.strip().upper().decode("ascii", "replace")
        if not self.parts:
            if (key, part) != (b"BEGIN", "VCALENDAR"):
                raise _no_calendar("It does not begin with BEGIN:VCALENDAR")
            self.parts.append(part)
            self.began = True
        elif key == b"BEGIN":
            if part in EVENTS:
                yield from self.ends()
                self.events += 1
                self._event = _Event(self.events)
            self.parts.append(part)
        elif key == b"END":
            yield from self._end(part)
        elif len(self.parts) == 1:
            _check_calendar(key, part)
        elif self._event is not None and len(self.parts) == 2:  # those of an alarm are deeper
            _add(self._event, line)

    def _end(self, part: str) -> Iterator[_Event]:
        if part in EVENTS and self._event is not None:
            yield self._event
            self._event, self.parts = None, ["VCALENDAR"]
        elif self.parts[-1] == part:
            self.parts.pop()

    def ends(self) -> Iterator[_Event]:
        """The event that is still open where none may be."""
        if self._event is not None:
            message = "has no end: the next event begins, or the file ends"
            self._event.problem = Problem("", "cut-off", message)
            yield self._event
            self._event, self.parts = None, ["VCALENDAR"]


def _unfolded(octets: bytes) -> Iterator[bytes]:
    """Content lines; folded ones (RFC 5545, section 3.1) are joined before they are decoded."""
    parts: list[bytes] = []
    for line in BytesIO(octets.removeprefix(b"\xef\xbb\xbf")):
        plain = line.rstrip(b"\r\n")
        if plain[:1] in (b" ", b"\t"):
            parts.append(plain[1:])
            continue
        if any(parts):
            yield b"".join(parts)
        parts = [plain]
    if any(parts):
        yield b"".join(parts)


def _no_calendar(why: str) -> Refused:
    return Refused(
        "file-unreadable",
        f"This is not a calendar. {why}. Nothing was changed.",
        "Send iCalendar as UTF-8, or another format with its own Content-Type.",
    )


def _check_calendar(key: bytes, value: str) -> None:
    if key == b"METHOD" and value != "PUBLISH":
        raise Refused(
            "file-unreadable",
            "A schedule is a calendar without METHOD, or with METHOD:PUBLISH. Nothing was changed.",
            "Say by the events' STATUS what is cancelled.",
        )


def _add(event: _Event, line: bytes) -> None:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        event.problem = Problem(
            "",
            "wrong-encoding",
            f"holds bytes that are not UTF-8; they look like {guess(line)}",
        )
        return
    try:
        line_of_text = Contentline(text)  # type: ignore[no-untyped-call]  # the library forgot it
        name, parameters, value = line_of_text.raw_parts()
    except ValueError:
        event.problem = Problem(
            "", "not-icalendar", "has a line that is not a property of iCalendar"
        )
        return
    given = {str(key).upper(): str(values) for key, values in parameters.items()}
    event.properties.setdefault(name.upper(), []).append(Property(value, given))


def _row(event: _Event, time_zone: str) -> PushedRow:
    uid = event.properties.get("UID", ())
    external_id = uid[0].text.strip() if uid else ""
    if event.problem is not None:
        return bad_row(event.number, event.problem, external_id)
    if not external_id:
        return without_id(event.number)
    fields = offering_fields(event.properties, time_zone)
    if isinstance(fields, Problem):
        return bad_row(event.number, fields, external_id)
    return PushedRow(event.number, external_id, fields)
