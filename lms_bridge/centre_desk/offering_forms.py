"""The form of one offering: its texts, what they say as a row of a schedule, and how the texts of
two people are joined.

Each field is one text. A time is written in the offering's own zone, and a list has one entry on
each line. What nobody touched in the form keeps its value exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

import orjson

from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.document import Json, document
from lms_bridge.domain.errors import Problem
from lms_bridge.domain.model import Offering
from lms_bridge.schemas.csv.cells import CellUnclear, value_of
from lms_bridge.schemas.csv.tables import Shape
from lms_bridge.web import typed_text

MOMENTS = ("starts_at", "ends_at", "registration_opens", "registration_closes")
ENDS = frozenset({"ends_at", "registration_closes"})
"""Times of which a day alone means its end."""
LISTS = ("languages", "payment_methods", "topics", "coordinators", "organisers")
CHOICES = ("modality", "level", "registration")
LONG = ("description", "audience", "requirements", "objectives")
LINES = ("title", "course_code", "time_zone", "location", "currency", "address", "lms_course")
NUMBERS = ("hours", "seats", "price")
FIELDS = (*LINES, *CHOICES, *MOMENTS, *NUMBERS, *LISTS, *LONG, "meetings")
"""Every field that the form has."""
TIME = "_time"
"""The end of the name under which the form sends the time of a day."""
_EMPTY: tuple[object, ...] = (None, "", [], ())

Texts = Mapping[str, str]


def texts_of(record: Offering) -> dict[str, str]:
    """{field: its text in the form}"""
    held = document(record)
    return {name: _text(name, held[name], record.time_zone) for name in FIELDS}


def _text(name: str, value: Any, zone: str) -> str:
    if value in _EMPTY:
        return ""
    if name in MOMENTS:
        return local_text(value, zone, is_end=name in ENDS)
    if name in LISTS:
        return "\n".join(value)
    if name == "meetings":
        return "\n".join(_meeting(each, zone) for each in value)
    return str(value).replace("\r\n", "\n").strip()


def local_text(value: str, zone: str, *, is_end: bool = False) -> str:
    """A moment as the form shows it: ``2027-03-01 09:00``, or the day alone where that means the
    same."""
    local = datetime.fromisoformat(value).astimezone(zone_of(zone))
    if local.time() == (time(23, 59, 59) if is_end else time()):
        return f"{local:%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"


def _meeting(each: Mapping[str, str], zone: str) -> str:
    start = local_text(each["starts_at"], zone)
    end = local_text(each["ends_at"], zone, is_end=True)
    return f"{start}/{end} {each['place']}".strip()


def texts_given(get: Callable[[str, str], str]) -> dict[str, str]:
    """The texts of a form that was sent; ``get`` gives a field of it."""

    def one(name: str) -> str:
        return typed_text.lines(get(name, ""))

    texts = {name: one(name) for name in FIELDS if name not in MOMENTS}
    return texts | {name: f"{one(name)} {one(name + TIME)}".strip() for name in MOMENTS}


def row_of(texts: Texts, record: Offering) -> tuple[dict[str, Json], list[Problem]]:
    """The row of a schedule that these texts of the record say, and what cannot be read in them. A
    row with such a problem is refused."""
    before, row = texts_of(record), document(record)
    for name in ("code", "centre", "listed"):
        row.pop(name)
    problems = []
    moved = texts["time_zone"] != before["time_zone"]
    for name in FIELDS:
        if texts[name] == before[name] and not (moved and name in (*MOMENTS, "meetings")):
            continue
        try:
            row[name] = _value(name, texts[name], texts["time_zone"])
        except CellUnclear as error:
            problems.append(Problem(name, "unclear", str(error)))
            row[name] = texts[name]  # which the schema refuses, too: this field is a list
    return row, problems


def _value(name: str, text: str, zone: str) -> Any:
    if name in LISTS:
        return [line.strip() for line in text.split("\n") if line.strip()]
    if name == "meetings":
        return value_of(text, Shape.MEETINGS, zone) if text else []
    if name == "seats" and text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    if name in ("modality", "level", *NUMBERS) and not text:
        return None
    return text


# ---- two people at one offering ------------------------------------------------------------------


def fingerprints(texts: Texts) -> str:
    """What the form remembers of the texts that it showed."""
    return orjson.dumps({name: _print(text) for name, text in texts.items()}).decode()


def _print(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=6).hexdigest()


def _remembered(shown: str) -> Mapping[str, object]:
    try:
        found = orjson.loads(shown)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Joined:
    """The texts of two people in one form. ``theirs`` is {field: the text that it has now} of the
    fields that both wrote in; ``new`` are the fields that only the other one changed."""

    texts: dict[str, str]
    theirs: dict[str, str]
    new: tuple[str, ...]


NOTHING_JOINED = Joined({}, {}, ())


def joined(mine: Texts, now: Texts, shown: str) -> Joined:
    """Joins what somebody wrote with what the offering says now. ``shown`` are the fingerprints of
    the texts that they had before them: what they left alone gives way."""
    remembered = _remembered(shown)
    touched = {name for name in mine if _print(mine[name]) != remembered.get(name)}
    changed = {name for name in now if _print(now[name]) != remembered.get(name)}
    differ = {name for name in mine if mine[name] != now[name]}
    return Joined(
        {name: mine[name] if name in touched else now[name] for name in mine},
        {name: now[name] for name in FIELDS if name in touched & changed & differ},
        tuple(name for name in FIELDS if name in (changed & differ) - touched),
    )


def touched_in(mine: Texts, now: Texts, open_fields: Collection[str]) -> dict[str, str]:
    """{field: text} of the fields that may be written in, and that say something new."""
    return {name: mine[name] for name in FIELDS if name in open_fields and mine[name] != now[name]}
