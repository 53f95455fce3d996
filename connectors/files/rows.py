"""Rows of the exchanged files: read offering by offering, and merged into a file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import orjson

from lms_bridge.connectors.files.folder import ExchangeFolder
from lms_bridge.domain.desired_state import REMOVED
from lms_bridge.domain.errors import NotUnderstood, RecordRefused
from lms_bridge.domain.ports import (
    Action,
    Page,
    Pages,
    RawRecord,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)
from lms_bridge.schemas.csv.reader import CsvRow, read_offerings, read_results
from lms_bridge.schemas.csv.writer import write_offerings, write_results

UNREADABLE = "unreadable rows"
"""The scope of rows that stand for no record."""

ReadRows = Callable[[BinaryIO], Iterator[CsvRow]]

# ---- reading ----------------------------------------------------------------------------------


def by_offering(
    folder: ExchangeFolder,
    file: str,
    read: ReadRows,
    names: Mapping[str, str],
    unknown: Callable[[CsvRow], CsvRow | None] = lambda _: None,
) -> Pages:
    """One answer per offering in ``names``, then one for the stray rows.

    ``names`` maps each name that a row may use for an offering to its external id. The rows pass
    through a temporary file, so that only one offering's rows are in memory at a time. If any row
    names no record, no answer is ``whole``: the row may belong to every offering. ``unknown`` says
    what becomes of a row that names no offering of these.
    """
    with tempfile.TemporaryFile() as spool:
        with folder.reading(file) as stream:
            offsets, whole = _spool_rows(read(stream), names, unknown, spool)
        for offering in dict.fromkeys(names.values()):
            yield _answer(offering, _lines(spool, offsets.get(offering, ())), whole=whole)
        yield _answer(UNREADABLE, _lines(spool, offsets.get(UNREADABLE, ())), whole=True)


def _spool_rows(
    rows: Iterable[CsvRow],
    names: Mapping[str, str],
    unknown: Callable[[CsvRow], CsvRow | None],
    spool: BinaryIO,
) -> tuple[dict[str, array[int]], bool]:
    """The offsets of each scope's rows in the spool, and whether every row names its record."""
    offsets: dict[str, array[int]] = {}
    whole = True
    for each in rows:
        whole = whole and each.known
        name = each.raw.external_id.rpartition("/")[0]
        row = each if each.stray or name in names else unknown(each)
        if row is not None:
            scope = UNREADABLE if row.stray else names[name]
            offsets.setdefault(scope, array("Q")).append(spool.tell())
            record = [row.raw.external_id, row.raw.fields]
            spool.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return offsets, whole


def _lines(spool: BinaryIO, offsets: Iterable[int]) -> Iterator[bytes]:
    for offset in offsets:
        spool.seek(offset)
        yield spool.readline()


def _answer(scope: str, lines: Iterable[bytes], *, whole: bool) -> Page:
    body = tuple(sorted(lines))  # a file in another order is the same file
    return Page(scope, body, partial(_records, body), whole=whole)


def _records(lines: Iterable[bytes]) -> Iterator[RawRecord]:
    for line in lines:
        external_id, fields = orjson.loads(line)
        yield RawRecord(external_id, fields)


# ---- writing ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the bridge writes. ``external_id`` gives the id of a record, or ""."""

    file: str
    read: ReadRows
    write: Callable[[BinaryIO, Iterable[RawRecord]], int]
    external_id: Callable[[WriteRequest], str]


def merge(
    folder: ExchangeFolder, target: WrittenFile, requests: Sequence[WriteRequest]
) -> WriteResults:
    """Writes all requests into the file, then acknowledges them. A removed record loses its row.

    Raises:
        NotUnderstood: the file has rows that the bridge cannot read. Writing would lose them.
        Unreachable, AccessDenied: the folder cannot be written. Nothing was changed.
    """
    rows: dict[str, RawRecord | None] = {}
    named: list[tuple[int, str]] = []
    for request in requests:
        external_id = request.external_id or target.external_id(request)
        if not external_id:
            yield WriteFailed(request.key, RecordRefused("no-id", "The record has no identity."))
            continue
        named.append((request.key, external_id))
        gone = request.action is Action.REMOVE or request.desired.get("state") == REMOVED
        rows[external_id] = None if gone else RawRecord(external_id, request.desired)
    if named:
        with folder.locked(target.file):
            _replace(folder, target, rows)
    for key, external_id in named:
        yield Written(key, external_id)


def _replace(
    folder: ExchangeFolder, target: WrittenFile, rows: Mapping[str, RawRecord | None]
) -> None:
    with folder.replacing(target.file) as new:
        if folder.has(target.file):
            with folder.reading(target.file) as old:
                target.write(new, _with_changes(target.read(old), rows, target.file))
        else:
            target.write(new, (raw for raw in rows.values() if raw is not None))


def _with_changes(
    old: Iterator[CsvRow], rows: Mapping[str, RawRecord | None], file: str
) -> Iterator[RawRecord]:
    left = dict(rows)
    for row in old:
        if row.problem:
            raise NotUnderstood(
                "file-spoiled",
                f"{file}: {row.problem} Replacing the file would lose that row.",
                "Correct the row. Or move the file away, and send everything again.",
            )
        raw = left.pop(row.raw.external_id, row.raw)
        if raw is not None:
            yield raw
    yield from (raw for raw in left.values() if raw is not None)


def _code(request: WriteRequest) -> str:
    return str(request.desired.get("code") or "")


def _result_id(request: WriteRequest) -> str:
    offering, learner = request.desired.get("offering"), request.desired.get("learner")
    return f"{offering}/{learner}" if offering and learner else ""


CATALOGUE = WrittenFile("catalogue.csv", read_offerings, write_offerings, _code)
RESULTS = WrittenFile("results.csv", read_results, write_results, _result_id)
