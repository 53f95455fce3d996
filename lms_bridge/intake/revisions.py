"""Revisions of events in one calendar: of several with one UID, the highest SEQUENCE counts
(RFC 5545, section 3.8.7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lms_bridge.intake.rows import Octets

_LINE = re.compile(
    rb"^(BEGIN:VEVENT|BEGIN:VTODO|UID[;:][^\r\n]*|SEQUENCE:\d{1,9})", re.MULTILINE | re.IGNORECASE
)


def newest_revisions(octets: Octets) -> Mapping[bytes, int]:
    """{line with the UID: its highest SEQUENCE} of the events that come in different revisions."""
    found: dict[bytes, set[int]] = {}
    twice: set[bytes] = set()
    uid, sequence = b"", 0
    for line in [*(each.group(1) for each in _LINE.finditer(octets)), b"BEGIN:VEVENT"]:
        start = line[:4].upper()
        if start == b"BEGI":
            if uid:
                known = found.setdefault(uid, set())
                if known:
                    twice.add(uid)
                known.add(sequence)
            uid, sequence = b"", 0
        elif start[:3] == b"UID":
            uid = line
        else:
            sequence = int(line.partition(b":")[2])
    return {each: max(found[each]) for each in twice if len(found[each]) > 1}


def is_superseded(event: bytes, newest: Mapping[bytes, int]) -> bool:
    """Whether the calendar holds a later revision of the event with these lines."""
    if not newest:
        return False
    lines = event.split(b"\n")
    uid = next((each.rstrip(b"\r") for each in lines if each[:3].upper() == b"UID"), b"")
    if uid not in newest:
        return False
    own = next((each for each in lines if each[:9].upper() == b"SEQUENCE:"), b"SEQUENCE:0")
    number = own.partition(b":")[2].strip()
    return not number.isdigit() or int(number) < newest[uid]
