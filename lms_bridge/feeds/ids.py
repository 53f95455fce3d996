"""Identifiers that other systems may keep: UUIDs (RFC 9562) of offerings, courses and centres."""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from uuid import UUID, uuid5

from lms_bridge.feeds.entry import Entry

_SPACE = UUID("5d2c4c0e-5f0a-5b6e-9d4b-0c6a1f6b7e21")
"""The name space of this software's own names."""
_NUMBERS = 1 << 48


class Of(IntEnum):
    """What an identifier is of."""

    OFFERING = 1
    COURSE = 2


def lasting(*parts: str) -> UUID:
    """An identifier made of names alone (version 5): the same wherever the names are the same,
    also after the bridge was set up anew."""
    return uuid5(_SPACE, "\n".join(parts))


def findable(of: Of, record_id: int, name: str) -> UUID:
    """An identifier from which the record's number is read back (version 8, section 5.8): 48 bits
    of number, then what it is of, then a hash of the name, so that no two bridges give the same.

    Raises:
        ValueError: the number is negative or has more than 48 bits.
    """
    if not 0 <= record_id < _NUMBERS:
        raise ValueError("the number does not fit an identifier")
    mark = int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    whole = record_id << 80 | 8 << 76 | of << 64 | 2 << 62 | mark >> 2
    return UUID(int=whole)


def number_in(identifier: str, of: Of) -> int | None:
    """The record's number in a findable identifier of that kind; None where it is not one. Whether
    the record's identifier is really this one is for the caller to see."""
    try:
        given = UUID(identifier)
    except ValueError:
        return None
    if given.version != 8 or given.int >> 64 & 0xFFF != of:
        return None
    return given.int >> 80


def academy_id() -> UUID:
    """The Academy itself: what the centres belong to."""
    return lasting("academy")


def giver_id(code: str) -> UUID:
    return lasting("centre", code)


def offering_id(entry: Entry) -> UUID:
    return findable(Of.OFFERING, entry.record_id, entry.offering.code)


def course_id(entry: Entry) -> UUID:
    name = f"{entry.giver.code}\n{entry.offering.course_code}"
    return findable(Of.COURSE, entry.course_id, name)
