"""Reading: the rows of a file, one at a time, the unreadable ones included."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv.cells import restored, value_of
from lms_bridge.schemas.csv.header import header_columns
from lms_bridge.schemas.csv.tables import GROUP, OFFERINGS, REGISTRATIONS, RESULTS, Column, Table
from lms_bridge.schemas.csv.text import Text, opened
from lms_bridge.schemas.load import UNREADABLE


class Trouble(StrEnum):
    """Why a row cannot be read."""

    NOT_CSV = "not-csv"
    CELLS = "wrong-number-of-cells"
    NO_ID = "no-id"
    REPEATED = "duplicate-id"
    ENCODING = "wrong-encoding"


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``number`` is the one that a spreadsheet shows: the header is row 1.

    ``problem`` is empty, or says why the row cannot be used; ``raw`` then has fields that the
    schema refuses, so that the row is quarantined and never counts as removed. ``known`` is False
    where it cannot even be said which record the row is about: then no record may be taken for
    removed because the file does not show it. ``stray`` rows, which include those, stand for no
    record; their external id is ``row <number>``. ``trouble`` is the kind of the problem, and
    ``repeats`` the id that an earlier row has.

    Of the rows before it a reading keeps the ids alone, to find those that repeat one.
    """

    number: int
    raw: Raw
    problem: str = ""
    known: bool = True
    stray: bool = False
    trouble: Trouble | None = None
    repeats: str = ""


def read_offerings(source: str | Path | BinaryIO, *, time_zone: str = "") -> Iterator[Row]:
    """The rows of a schedule (docs/files.md). ``time_zone`` is that of rows which name none.

    Raises:
        NotUnderstood: the header has a column too many or too few, or is none.
    """
    return _rows(source, OFFERINGS, time_zone)


def read_registrations(source: str | Path | BinaryIO) -> Iterator[Row]:
    """The rows of a file of registrations; ids are ``<offering>/<learner>``. Raises as above."""
    return _rows(source, REGISTRATIONS, "")


def read_results(source: str | Path | BinaryIO) -> Iterator[Row]:
    """The rows of a file of results; ids are ``<offering>/<learner>``. Raises as above."""
    return _rows(source, RESULTS, "")


def read_group(source: str | Path | BinaryIO) -> Iterator[Row]:
    """The rows of a group of people; ids are the Academy's. Raises as above."""
    return _rows(source, GROUP, "")


def _rows(source: str | Path | BinaryIO, table: Table, time_zone: str) -> Iterator[Row]:
    with opened(source) as text:
        reader = csv.reader(text.lines, delimiter=text.delimiter, strict=True)
        columns = header_columns(next(reader, []), table)
        seen: set[str] = set()
        number = 1
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # Never the reader's own message alone: which rows an open quotation mark swallowed
                # is unknown, hence "known=False".
                problem = f"is not CSV ({_plain(error)})"
                yield _stray(number, table, Trouble.NOT_CSV, problem)
                continue
            if any(cell.strip() for cell in cells):
                row = _row(number, cells, columns, _Context(table, text, time_zone, seen))
                if row.raw.external_id not in table.remarks:
                    yield row


@dataclass(frozen=True, slots=True)
class _Context:
    table: Table
    text: Text
    time_zone: str
    seen: set[str]


def _row(number: int, cells: Sequence[str], columns: Sequence[Column], at: _Context) -> Row:
    if len(cells) != len(columns):
        problem = f"has {len(cells)} cells where the header has {len(columns)}"
        return _stray(number, at.table, Trouble.CELLS, problem)
    named = {c.name: cell for c, cell in zip(columns, cells, strict=True)}
    identity = [restored(named[name]).strip() for name in at.table.identity]
    if not all(identity):
        empty = at.table.identity[identity.index("")]
        problem = f'has nothing in the column "{empty}"'
        return _stray(number, at.table, Trouble.NO_ID, problem)
    if any(at.text.damaged(part) for part in identity):
        return _stray(number, at.table, Trouble.ENCODING, at.text.damage)
    external_id = "/".join(identity)
    if external_id in at.seen:
        # The first row stands for the record: this one is shown under its own number.
        problem = "repeats the id of an earlier row"
        return _stray(number, at.table, Trouble.REPEATED, problem, repeats=external_id)
    at.seen.add(external_id)
    if at.text.damaged("".join(cells)):
        name = next(name for name, cell in named.items() if at.text.damaged(cell))
        problem = f'{at.text.damage}, in the column "{name}"'
        return _refused(number, external_id, at.table, Trouble.ENCODING, problem)
    return Row(number, Raw(external_id, _fields(named, columns, at.time_zone)))


def _fields(
    named: Mapping[str, str], columns: Sequence[Column], time_zone: str
) -> dict[str, object]:
    zone = named.get("time_zone", "").strip() or time_zone
    fields: dict[str, object] = {}
    for column in columns:
        cell = restored(named[column.name])
        if not cell.strip():
            continue  # an empty cell says nothing: the schema's default holds
        *parents, last = column.path
        place = fields
        for parent in parents:
            inner = place.setdefault(parent, {})
            place = inner if isinstance(inner, dict) else {}
        place[last] = value_of(cell, column.shape, zone)
    return fields


def _stray(number: int, table: Table, trouble: Trouble, problem: str, *, repeats: str = "") -> Row:
    row = _refused(number, f"row {number}", table, trouble, problem)
    return replace(row, known=bool(repeats), stray=True, repeats=repeats)


def _refused(number: int, external_id: str, table: Table, trouble: Trouble, problem: str) -> Row:
    text = f"Row {number} {problem}."
    raw = Raw(external_id, {UNREADABLE: text, **table.refused})
    return Row(number, raw, text, trouble=trouble)


def _plain(error: csv.Error) -> str:
    return re.sub(r"[^\w ',\"]", "", str(error))
