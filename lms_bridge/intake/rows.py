"""One row of a pushed schedule, and the schema that it goes through."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

from marshmallow import RAISE, fields, post_load

from lms_bridge.domain.errors import Problem, Refused
from lms_bridge.domain.model import Meeting
from lms_bridge.domain.rules import RuleFinding
from lms_bridge.schemas.fields import PageAddress, Zone
from lms_bridge.schemas.records import MeetingSchema, OfferingSchema

Octets = bytes | mmap
"""A file in memory, or one on disk that is looked at in pieces."""

# The likely encoding of bytes that are not UTF-8 is reported, never used.

_LOOK = 65_536


def guess(octets: Octets) -> str:
    """The likely name of the encoding of bytes that are not UTF-8, for a person."""
    start = octets[:_LOOK]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or start.count(0) > len(start) // 8:
        return "UTF-16"
    return "Windows-1252"  # which has the letters of Latin-1, too


def is_utf8(octets: Octets) -> bool:
    return _first_bad(octets) == len(octets)


def _first_bad(octets: Octets) -> int:
    """The position of the first byte that is not UTF-8, or the length. The text is never decoded as
    a whole, since it may take four times the memory of its bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(octets), _LOOK):
        held = len(decoder.getstate()[0])
        piece = octets[start : start + _LOOK]
        try:
            decoder.decode(piece, final=start + len(piece) == len(octets))
        except UnicodeDecodeError as error:
            return start - held + error.start
    return len(octets)


def line_of_first_bad(octets: Octets) -> int:
    return line_at(octets, _first_bad(octets))


def line_at(octets: Octets, position: int) -> int:
    """The number of the line there, from 1."""
    starts = range(0, position, _LOOK)
    return 1 + sum(octets[at : min(at + _LOOK, position)].count(b"\n") for at in starts)


# The work for one row is bounded before it begins.

LONGEST_ROW = 1_000_000
"""Bytes or characters: a row with five texts of the greatest length has half as many."""
MOST_FIELDS, MOST_VALUES = 200, 10_000
"""Of one row; values are also those inside lists and objects."""
MOST_UNKNOWN = 50
"""Fields of one row that no offering and no meeting has: each costs a problem."""
_OF_LIST = 5
"""Values that a list or an object counts for, since each costs a schema as much."""


def row_too_long(what: str) -> Refused:
    return Refused(
        "too-large",
        f"{what} has more than {LONGEST_ROW:,} characters. Nothing was changed.",
        "Send its texts shorter, or mend what should end it.",
    )


ID = "id"


@dataclass(frozen=True, slots=True)
class PushedRow:
    """One offering as it was pushed.

    ``number`` counts as the sender does: from 1, in a table with the header as row 1.
    ``external_id`` is the centre's own id of the offering, empty where the row names none.
    ``problem`` says why the row could not be read. ``known`` is False where it might be about any
    offering: then none may be taken for ended because the schedule does not name it.
    ``warnings`` are about the row as it was sent, whatever becomes of it.
    """

    number: int
    external_id: str
    fields: Mapping[str, object] = field(default_factory=dict)
    problem: Problem | None = None
    known: bool = True
    warnings: tuple[RuleFinding, ...] = ()


def bad_row(number: int, problem: Problem, external_id: str = "") -> PushedRow:
    """A row that cannot be read; with its id, if that at least is known."""
    return PushedRow(number, external_id, {}, problem, known=bool(external_id))


def without_id(number: int) -> PushedRow:
    return bad_row(
        number,
        Problem(
            ID, "missing", "is missing: every row needs the centre's own id (in a calendar its UID)"
        ),
    )


# The sender of a push is there to correct it, so its schema refuses what it would have to guess.


class PushedMeetingSchema(MeetingSchema):
    """A meeting, whose local times are meant in its ``time_zone`` or in its offering's."""

    class Meta:
        unknown = RAISE

    exact_times = True
    time_zone = Zone()

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Meeting:
        data.pop("time_zone", None)
        return Meeting(**data)


class PushedOfferingSchema(OfferingSchema):
    """An offering of a pushed schedule. An unknown field is refused, and so is a local time that
    the clocks show twice."""

    class Meta:
        unknown = RAISE

    exact_times = shows_values = True
    address = PageAddress(longest=2000, load_default="")
    meetings = fields.List(fields.Nested(PushedMeetingSchema), load_default=list)


_KNOWN = frozenset(("id", "centre", *PushedOfferingSchema().fields, *PushedMeetingSchema().fields))
"""Every field that a row or a meeting in it may have."""


@dataclass(frozen=True, slots=True)
class Weight:
    """``values`` of a row, those inside lists and objects too; how many fields are ``unknown``."""

    values: int
    unknown: int = 0


def weighed(row: PushedRow) -> tuple[PushedRow, Weight]:
    """The row and its weight; a row with too much becomes a bad one."""
    if len(row.fields) > MOST_FIELDS:
        message = f"has {len(row.fields):,} fields; at most {MOST_FIELDS} are read"
        return _too_much(row, message), Weight(MOST_FIELDS)
    values = unknown = 0
    waiting: list[Mapping[str, object] | list[object]] = [row.fields]
    while waiting:
        part = waiting.pop()
        values += len(part)
        if values > MOST_VALUES:
            return _too_much(row, f"holds more than {MOST_VALUES:,} values"), Weight(values)
        if isinstance(part, list):
            inner: Collection[object] = part
        else:
            unknown += len(part.keys() - _KNOWN)
            inner = part.values()
        for each in inner:
            if isinstance(each, (dict, list)):
                values += _OF_LIST
                waiting.append(each)
    if unknown > MOST_UNKNOWN:
        message = f"has {unknown:,} fields that are not known; at most {MOST_UNKNOWN} are named"
        row = _too_much(row, message)
    return row, Weight(values, unknown)


def _too_much(row: PushedRow, message: str) -> PushedRow:
    return bad_row(row.number, Problem("", "too-many", message), row.external_id)
