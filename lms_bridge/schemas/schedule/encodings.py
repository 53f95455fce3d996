"""Which encoding bytes that are not UTF-8 are likely to be in: told, never used."""

from __future__ import annotations

import re

_LOOK = 65_536
_C1 = re.compile(rb"[\x80-\x9f]")


def guess(octets: bytes) -> str:
    """The likely name of the encoding of bytes that are not UTF-8, for a person."""
    start = octets[:_LOOK]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or start.count(0) > len(start) // 8:
        return "UTF-16"
    bad = _first_bad(octets)
    around = octets[max(0, bad - 200) : bad + 200]
    return "Windows-1252" if _C1.search(around) else "Latin-1 or Windows-1252"


def _first_bad(octets: bytes) -> int:
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def line_of_first_bad(octets: bytes) -> int:
    return octets.count(b"\n", 0, _first_bad(octets)) + 1
