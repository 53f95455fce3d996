"""Schedules as iCalendar (RFC 5545): each VEVENT is an offering; one without dates is a VTODO.

The calendar is cut into its events here, so that few of them are in memory at once and a broken
one does not spoil the others. The library reads each event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, ClassVar

from icalendar import Component, ComponentFactory, TypesFactory, vCategory, vText
from icalendar.parser import Parameters
from icalendar.parser.ical import ComponentIcalParser

from lms_bridge.domain.errors import Problem, Refused
from lms_bridge.domain.rules import RuleFinding
from lms_bridge.intake.event import OWN, PROPERTIES, id_of, offering_fields
from lms_bridge.intake.rows import (
    LONGEST_ROW,
    MOST_VALUES,
    Octets,
    PushedRow,
    bad_row,
    guess,
    row_too_long,
    without_id,
)

EVENTS = frozenset({"VEVENT", "VTODO"})
METHODS = frozenset({"PUBLISH", "REQUEST"})
"""Both say what there is. Some programs write REQUEST where nobody is invited to anything."""
_LINE_END = re.compile(rb"(?<!\r)\r*\n(?![ \t])")
_FOLD = re.compile(rb"(?<!\r)\r*\n[ \t]")
_OLD_LINE_END, _OLD_FOLD = re.compile(rb"\r(?![ \t])"), re.compile(rb"\r[ \t]")
"""Those of old programs, which know no line feed."""
_OF_REVISION = re.compile(
    rb"^(BEGIN:VEVENT|BEGIN:VTODO|UID[;:][^\r\n]*(?:\r*\n[ \t][^\r\n]*)*|SEQUENCE[;:][^\r\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_COMPONENTS = ComponentFactory()
_MARK = b"\xef\xbb\xbf"
_BLANKS = re.compile(r"[ \t]+")
_PIECE = 256 * 1024
_X_NAME = re.compile(r"X-[A-Z0-9-]{0,60}")
MOST_LINES = 2_000_000
"""Content lines, and line ends between them: a hundred for each of 20,000 events."""
MOST_CATEGORIES = 400_000
"""Of a whole calendar: twenty for each of 20,000 events."""
MOST_BROKEN = 3
"""Lines of one event that a warning names."""
MOST_PARTS = 16
"""Parts inside each other; a calendar has three."""
_CUT_OFF = Problem("", "cut-off", "has no end: the next event begins, or the file ends")


def read_ical(octets: Octets, time_zone: str) -> Iterator[PushedRow]:
    """The events, numbered from 1.

    Raises:
        Refused: this is no calendar, or one that cancels.
    """
    calendar = _Calendar(time_zone, _newest_revisions(octets))
    for number, line in enumerate(_content_lines(octets)):
        if number == MOST_LINES:
            raise _too_many_lines()
        yield from calendar.read(line)
    if not calendar.began:
        raise _no_calendar("It does not begin with BEGIN:VCALENDAR")
    yield from calendar.end_event(_CUT_OFF)
    if calendar.parts:
        ended = Problem("", "cut-off", "is missing: the calendar ends before END:VCALENDAR")
        yield bad_row(calendar.events + 1, ended)


class _Calendar:
    """A calendar while it is read: the parts that are open, and the lines of the event there."""

    def __init__(self, time_zone: str, newest: Mapping[bytes, int]) -> None:
        self._newest = newest
        self.parts: list[str] = []
        self.events = 0
        self.began = False
        self._time_zone = time_zone
        self._own_zone = ""
        self._lines: list[bytes] | None = None
        self._broken: dict[str, None] = {}
        self._size = 0
        self._categories = 0

    def read(self, line: bytes) -> Iterator[PushedRow]:
        """Reads one content line; returns the row of the event that it ends."""
        name, colon, value = line.decode(errors="replace").partition(":")
        # As the library finds the name, so that no part begins there that did not begin here.
        key = _BLANKS.sub("", name.partition(";")[0].strip()).upper()
        part = value.strip().upper()
        if not self.parts:
            self._begin(key, part)
        elif key == "BEGIN":
            if part in EVENTS:
                yield from self.end_event(_CUT_OFF)
                self.events += 1
                self._lines, self._broken, self._size = [], {}, 0
            self._open(part)
        elif key == "END":
            if part in EVENTS:
                yield from self.end_event()
            elif self.parts[-1] == part:
                self.parts.pop()
        elif len(self.parts) == 1:
            self._read_property(key, value.strip())
        elif self._lines is not None and len(self.parts) == 2:  # those of an alarm are deeper
            self._read_line(self._lines, key, line, whole=bool(colon))

    def _read_line(self, lines: list[bytes], key: str, line: bytes, *, whole: bool) -> None:
        if _is_used(key, whole):
            self._keep(lines, line)
            if key == "CATEGORIES":
                self._count(line.partition(b":")[2])
        elif not whole and len(self._broken) < MOST_BROKEN:
            self._broken |= dict.fromkeys(_X_NAME.findall(key)[:1])

    def _open(self, part: str) -> None:
        if len(self.parts) == MOST_PARTS:
            raise _no_calendar(f"It is nested more than {MOST_PARTS} parts deep")
        self.parts.append(part)

    def _keep(self, lines: list[bytes], line: bytes) -> None:
        lines.append(line)
        self._size += len(line)
        if self._size > LONGEST_ROW or len(lines) > MOST_VALUES:
            raise row_too_long(f"Event {self.events}")

    def _count(self, categories: bytes) -> None:
        self._categories += categories.count(b",") + 1
        if self._categories > MOST_CATEGORIES:
            raise Refused(
                "too-large",
                f"The calendar has more than {MOST_CATEGORIES:,} categories. Nothing was changed.",
                "Send it in parts, with PATCH.",
            )

    def _begin(self, key: str, part: str) -> None:
        if (key, part) == ("BEGIN", "VCALENDAR"):
            self.parts.append(part)
            self.began = True
        elif not self.began:  # what follows the end of a calendar is none of it
            raise _no_calendar("It does not begin with BEGIN:VCALENDAR")

    def _read_property(self, key: str, value: str) -> None:
        if key == "X-WR-TIMEZONE":
            self._own_zone = value
        if key == "CALSCALE" and value.upper() not in ("", "GREGORIAN"):
            raise Refused(
                "file-unreadable",
                "The calendar counts its days by another CALSCALE than GREGORIAN. "
                "Nothing was changed.",
                "Send a calendar with Gregorian dates.",
            )
        if key == "METHOD" and value and value.upper() not in METHODS:
            raise Refused(
                "file-unreadable",
                "A schedule is a calendar without METHOD, or with METHOD:PUBLISH or REQUEST. "
                "Nothing was changed.",
                "Take the line METHOD out, and say by the events' STATUS what is cancelled.",
            )

    def end_event(self, problem: Problem | None = None) -> Iterator[PushedRow]:
        """The row of the event that is open, if one is."""
        if self._lines is not None:
            octets = b"\n".join(self._lines)
            if not _is_superseded(octets, self._newest):
                yield self._row(octets, problem)
            self._lines, self.parts = None, ["VCALENDAR"]

    def _row(self, octets: bytes, problem: Problem | None) -> PushedRow:
        event = _parsed_ical(octets)
        external_id = id_of(event)
        problem = _unreadable(octets, event) or problem
        if problem is not None:
            return bad_row(self.events, problem, external_id)
        if not external_id:
            return without_id(self.events)
        fields = offering_fields(event, self._own_zone, self._time_zone)
        if isinstance(fields, Problem):
            return bad_row(self.events, fields, external_id)
        return PushedRow(self.events, external_id, fields, warnings=self._warnings())

    def _warnings(self) -> tuple[RuleFinding, ...]:
        if not self._broken:
            return ()
        listed = ", ".join(self._broken)
        message = f"These lines are no properties of iCalendar, and are not used here: {listed}."
        return (RuleFinding("line-not-used", message, warning=True),)


class _EventParser(ComponentIcalParser):
    """The library's parser, but times stay as they are written. The library itself silently changes
    a time that the clocks of its zone skip."""

    datetime_names: ClassVar[tuple[str, ...]] = ()

    def get_factory_for_property(self, name: str, params: Parameters) -> Any:
        return vCategory if name == "CATEGORIES" else vText


def _is_used(key: str, whole: bool) -> bool:
    """Whether the library has to read a line: what is not used here takes no time and cannot spoil
    its event, unless it is no property at all."""
    if key.startswith("X-"):
        return key.startswith(OWN)
    return key in PROPERTIES or not whole


def _parsed_ical(octets: bytes) -> Component:
    whole = b"BEGIN:VEVENT\n%b\nEND:VEVENT\n" % octets
    [event] = _EventParser(whole, _COMPONENTS, TypesFactory.instance()).parse()
    return event


def _unreadable(octets: bytes, event: Component) -> Problem | None:
    try:
        octets.decode()
    except UnicodeDecodeError:
        likely = guess(octets)
        message = f"holds bytes that are not UTF-8; they look like {likely}"
        return Problem("", "wrong-encoding", message)
    if any(name is None for name, _ in event.errors):
        return Problem("", "not-icalendar", "has a line that is not a property of iCalendar")
    return None


def _content_lines(octets: Octets) -> Iterator[bytes]:
    """Content lines, each with its folds (section 3.1) joined before it is decoded: not every
    program folds between characters."""
    old = _is_old(octets)
    line_end, fold = (_OLD_LINE_END, _OLD_FOLD) if old else (_LINE_END, _FOLD)
    start = len(_MARK) if octets[: len(_MARK)] == _MARK else 0
    ends = (
        end for first, stop in _pieces(octets) for end in line_end.finditer(octets, first, stop)
    )
    for number, end in enumerate(ends):
        if number > MOST_LINES:
            raise _too_many_lines()
        if end.start() > start:
            yield fold.sub(b"", _folded(octets, start, end.start()))
        start = end.end()
    if octets[start : start + LONGEST_ROW].strip():
        yield fold.sub(b"", _folded(octets, start, len(octets)))


def _is_old(octets: Octets) -> bool:
    return octets.find(b"\n") < 0


def _pieces(octets: Octets) -> Iterator[tuple[int, int]]:
    """Where pieces begin and end that are searched at once. Each ends with a content line. A search
    keeps Python's lock, so that of a whole calendar without an end of a line would stop others.

    Raises:
        Refused: a line is too long.
    """
    mark, start = b"\r" if _is_old(octets) else b"\n", 0
    while start < len(octets):
        end = octets.find(mark, start + _PIECE)
        while end >= 0 and octets[end + 1 : end + 2] in (b" ", b"\t"):
            _check_length(start + _PIECE, end)
            end = octets.find(mark, end + 1)
        stop = len(octets) if end < 0 else end + 1
        _check_length(start + _PIECE, stop)
        yield start, stop
        start = stop


def _folded(octets: Octets, start: int, end: int) -> bytes:
    _check_length(start, end)
    return octets[start:end]


def _check_length(start: int, end: int) -> None:
    if end - start > 2 * LONGEST_ROW:  # each fold takes room, too
        raise row_too_long("A line with its folds")


def _newest_revisions(octets: Octets) -> Mapping[bytes, int]:
    """{line with the UID: its highest SEQUENCE} of the events that come in different revisions. Of
    these the highest counts (section 3.8.7.4)."""
    found: dict[bytes, set[int]] = {}
    twice: set[bytes] = set()
    uid, sequence = b"", 0
    pieces = _pieces(octets)
    lines = (each[1] for span in pieces for each in _OF_REVISION.finditer(octets, *span))
    for line in chain(lines, [b"BEGIN:VEVENT"]):
        start = line[:4].upper()
        if start == b"BEGI":
            if uid:
                known = found.setdefault(uid, set())
                if known:
                    twice.add(uid)
                known.add(sequence)
            uid, sequence = b"", 0
        elif start[:3] == b"UID":
            uid = _FOLD.sub(b"", line)
        else:
            sequence = max(_sequence(line), 0)
    return {each: max(found[each]) for each in twice if len(found[each]) > 1}


def _is_superseded(event: bytes, newest: Mapping[bytes, int]) -> bool:
    """Whether the calendar holds a later revision of the event with these lines."""
    if not newest:
        return False
    lines = event.split(b"\n")
    uid = next((each.rstrip(b"\r") for each in lines if each[:3].upper() == b"UID"), b"")
    if uid not in newest:
        return False
    begins = (b"SEQUENCE:", b"SEQUENCE;")
    own = next((each for each in lines if each[:9].upper() in begins), b"SEQUENCE:0")
    return _sequence(own) < newest[uid]


def _sequence(line: bytes) -> int:
    """What a line says of the sequence; -1 if it is no number."""
    number = line.rpartition(b":")[2].strip()
    return int(number) if number.isdigit() and len(number) < 10 else -1


def _too_many_lines() -> Refused:
    message = f"The calendar has more than {MOST_LINES:,} lines. Nothing was changed."
    return Refused("too-large", message, "Send it in parts, with PATCH.")


def _no_calendar(why: str) -> Refused:
    return Refused(
        "file-unreadable",
        f"This is not a calendar. {why}. Nothing was changed.",
        "Send iCalendar as UTF-8, or another format with its own Content-Type.",
    )
