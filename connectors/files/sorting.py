"""One file with the rows of many offerings, answered offering by offering."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import BinaryIO

import orjson

from connectors.files.folder import Folder
from lms_bridge.domain.ports import Answer, Raw, Reading
from lms_bridge.schemas.csv import Row

UNREADABLE = "unreadable rows"
"""The scope of stray rows: those that stand for no record."""


def by_offering(
    folder: Folder, file: str, read: Callable[[BinaryIO], Iterator[Row]], names: Mapping[str, str]
) -> Reading:
    """One answer per offering of the values of ``names``, then one for the stray rows.

    ``names`` is {what a row may call the offering: its external id}. The rows go through a file
    of their own, so that only one offering's are in memory at a time. Where any row does not say
    which record it is about, no answer is ``whole``: it could be one of every offering.
    """
    with tempfile.TemporaryFile() as spool:
        with folder.reading(file) as stream:
            places, whole = _spooled(read(stream), names, spool)
        for offering in dict.fromkeys(names.values()):
            yield _answer(offering, _lines(spool, places.get(offering, ())), whole=whole)
        yield _answer(UNREADABLE, _lines(spool, places.get(UNREADABLE, ())), whole=True)


def _spooled(
    rows: Iterable[Row], names: Mapping[str, str], spool: BinaryIO
) -> tuple[dict[str, array[int]], bool]:
    """Where in the spool the rows of each scope are, and whether all rows are of known records."""
    places: dict[str, array[int]] = {}
    whole = True
    for row in rows:
        whole = whole and row.known
        called = row.raw.external_id.rpartition("/")[0]
        scope = UNREADABLE if row.stray else names.get(called)
        if scope is not None:
            places.setdefault(scope, array("Q")).append(spool.tell())
            record = [row.raw.external_id, row.raw.fields]
            spool.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return places, whole


def _lines(spool: BinaryIO, places: Iterable[int]) -> tuple[bytes, ...]:
    lines = []
    for place in places:
        spool.seek(place)
        lines.append(spool.readline())
    return tuple(lines)


def _answer(scope: str, lines: tuple[bytes, ...], *, whole: bool) -> Answer:
    # The order of the rows says nothing: a file that was sorted anew is the same.
    body = tuple(sorted(lines))
    return Answer(scope, body, partial(_records, body), whole=whole)


def _records(lines: Iterable[bytes]) -> Iterator[Raw]:
    for line in lines:
        external_id, fields = orjson.loads(line)
        yield Raw(external_id, fields)
