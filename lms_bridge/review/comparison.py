"""An outline side by side with the last edition of its course, with what differs."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from flask_babel import gettext

from lms_bridge.domain.document import document
from lms_bridge.domain.model import Offering
from lms_bridge.domain.reviews import Outline
from lms_bridge.web import filters

FIELDS = {
    "title": "Title",
    "mandate": "Relevance to the ITU mandate",
    "membership": "Relevance to the membership",
    "modality": "Modality",
    "level": "Level",
    "starts_at": "Starts",
    "ends_at": "Ends",
    "hours": "Effort in hours",
    "registration": "Registration",
    "registration_opens": "Registration opens",
    "registration_closes": "Registration closes",
    "seats": "Seats",
    "price": "Price",
    "payment_methods": "Ways to pay",
    "languages": "Languages",
    "topics": "Topics",
    "location": "Location",
    "organisers": "Organisers",
    "coordinators": "Coordinators",
    "instructors": "Instructors",
    "grading": "Grading",
    "description": "Description",
    "audience": "For whom",
    "requirements": "Entry requirements",
    "objectives": "Objectives",
    "notes": "Notes",
}
"""The fields of an outline with their labels, in the order of the page."""
_WRITTEN = frozenset(
    {
        *("title", "mandate", "membership", "topics", "location", "organisers", "grading"),
        *("description", "audience", "requirements", "objectives", "notes"),
    }
)
MOST_WORDS = 2_000
"""Words of a text that are compared one by one: longer ones are shown as replaced."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a text; ``differs`` where the other edition does not have them there."""

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class ComparedField:
    name: str
    label: str
    before: tuple[Piece, ...]
    now: tuple[Piece, ...]

    @property
    def written(self) -> bool:
        """Whether its text is the centre's own, in the language of the course."""
        return self.name in _WRITTEN

    @property
    def changed(self) -> bool:
        return any(each.differs for each in (*self.before, *self.now))


Edition = tuple[Offering, Outline]


def compared(now: Edition, before: Edition | None) -> list[ComparedField]:
    """The fields that either edition has. Without a last edition nothing is marked."""
    new, old = _texts(now), _texts(before) if before else {}
    found = []
    for name, label in FIELDS.items():
        one, two = old.get(name, ""), new[name]
        if one or two:
            pieces = differences(one, two) if before else ((), (Piece(two, False),))
            found.append(ComparedField(name, label, *pieces))
    return found


def differences(before: str, now: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The words of two texts, with those marked that only one of them has."""
    one, two = before.split(), now.split()
    if one == two:
        return (Piece(before, False),), (Piece(now, False),)
    if not (one and two) or len(one) + len(two) > MOST_WORDS:
        return _whole(before), _whole(now)
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        differs = kind != "equal"
        if b > a:
            left.append(Piece(" ".join(one[a:b]), differs))
        if d > c:
            right.append(Piece(" ".join(two[c:d]), differs))
    return tuple(left), tuple(right)


def _whole(text: str) -> tuple[Piece, ...]:
    return (Piece(text, True),) if text else ()


def _texts(edition: Edition) -> dict[str, str]:
    """{field: its value as the reader sees it}"""
    record, stated = edition
    values: dict[str, Any] = {**document(record), **document(stated)}
    return {name: _text(name, values.get(name), values) for name in FIELDS}


def _text(name: str, value: Any, values: dict[str, Any]) -> str:
    if value is None or value == "" or value == []:
        return ""
    if words := filters.coded(value, name):
        return words
    if name in ("starts_at", "registration_opens"):
        zone = values["time_zone"] or "UTC"
        return str(filters.day_and_time(value, zone).striptags())
    if name in ("ends_at", "registration_closes"):
        return str(filters.last_day(value, values["time_zone"] or "UTC").striptags())
    if name == "price":
        return filters.price(values)
    if isinstance(value, list):
        return str(gettext(", ")).join(map(str, value))
    return str(filters.rich(str(value)).striptags())
