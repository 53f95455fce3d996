"""Reads the rows of a CSV file one at a time, including the unreadable ones."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from lms_bridge.domain.errors import NotUnderstood
from lms_bridge.domain.ports import RawRecord
from lms_bridge.schemas.csv.cells import CellUnclear, restored, spoiled, value_of
from lms_bridge.schemas.csv.tables import (
    GROUP,
    OFFERINGS,
    REGISTRATIONS,
    RESULTS,
    CsvColumn,
    CsvTable,
    header_columns,
    names_columns,
)
from lms_bridge.schemas.load import UNREADABLE

LONGEST_HEADER = 16_384
"""Characters: beyond this the first line is no header."""
LONGEST_ROW = 1_000_000
"""Characters: a row with five texts of the greatest length has half as many."""
MOST_EMPTY = 1_050_000
"""Rows without a cell: a sheet of a spreadsheet program has no more."""
_LONGEST_KEPT_ID = 1_000

_DELIMITERS = ",;\t"
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?', re.IGNORECASE)
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How files of spreadsheet programs begin, whatever the name says."""
_FIRST_LINE = "Its first line has to name the columns, such as: id,title,starts_at"


class FileLines:
    """The lines of a file, one at a time. ``row_begins`` is called before each row."""

    def __init__(self, first: str, wrapped: io.TextIOWrapper) -> None:
        self._first, self._wrapped = first, wrapped
        self._number, self._row = 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._first = self._first or self._wrapped.readline(LONGEST_ROW + 1), ""
        if not line:
            raise StopIteration
        self._number += 1
        self._row += len(line)
        if self._row > LONGEST_ROW:
            raise NotUnderstood(
                "csv-row-too-long",
                f"The row that ends in line {self._number:,} or later has more than "
                f"{LONGEST_ROW:,} characters.",
                "Perhaps a quotation mark is not closed before it.",
            )
        return line

    def row_begins(self) -> None:
        self._row = 0


@dataclass(frozen=True, slots=True)
class FileText:
    """The lines of a file, line ends kept; ``encoding`` is its name for people."""

    lines: FileLines
    delimiter: str
    encoding: str
    bad: re.Pattern[str]

    def damage(self, text: str) -> tuple[CsvTrouble, str]:
        if "\x00" in text:
            return CsvTrouble.NUL, "holds a NUL character"
        if self.encoding == "UTF-16":
            return CsvTrouble.ENCODING, "holds bytes that are not UTF-16"
        return CsvTrouble.ENCODING, "holds bytes that are not UTF-8"

    def damaged(self, text: str) -> bool:
        return self.bad.search(text) is not None


@contextmanager
def opened(source: str | Path | BinaryIO) -> Iterator[FileText]:
    """The text of a path or of a binary stream, which stays open.

    Raises:
        NotUnderstood: the file is empty or its first line is too long for a header.
    """
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as stream, opened(stream) as text:
            yield text
        return
    buffered = io.BufferedReader(cast(io.RawIOBase, source))
    start = buffered.peek(4)
    if start.startswith(_WORKBOOKS):
        raise NotUnderstood(
            "csv-workbook",
            "This is a workbook of a spreadsheet program.",
            "Save its sheet as CSV UTF-8, and send that.",
        )
    utf16 = start[:2] in _BYTE_ORDER_MARKS
    # Bytes that are no UTF-8 become lone surrogates and so differ from anything that a person
    # wrote; UTF-16 has no such handler.
    wrapped = io.TextIOWrapper(
        buffered,
        encoding="utf-16" if utf16 else "utf-8-sig",
        errors="replace" if utf16 else "surrogateescape",
        newline="",
    )
    try:
        yield _text(wrapped, utf16=utf16)
    finally:
        with suppress(ValueError):  # the stream was closed before its rows came to an end
            wrapped.detach()
            buffered.detach()


def _text(wrapped: io.TextIOWrapper, *, utf16: bool) -> FileText:
    first = wrapped.readline(LONGEST_HEADER)
    named = _SEPARATOR_LINE.fullmatch(first.strip())
    if named:  # written by spreadsheet programs for each other
        first = wrapped.readline(LONGEST_HEADER)
    if not first.strip():
        raise NotUnderstood(
            "csv-no-header", "The file has no header in its first line.", _FIRST_LINE
        )
    if len(first) == LONGEST_HEADER:
        raise NotUnderstood(
            "csv-no-header", "The first line is too long for a header.", _FIRST_LINE
        )
    if "\x00" in first:
        raise NotUnderstood(
            "csv-encoding",
            "The first line holds NUL characters: it is neither UTF-8 nor UTF-16 with a mark.",
            "Save it as CSV UTF-8.",
        )
    delimiter = named[1] if named else max(_DELIMITERS, key=first.count)
    bad = re.compile("[\x00\ufffd]" if utf16 else "[\x00\ud800-\udfff]")
    return FileText(FileLines(first, wrapped), delimiter, "UTF-16" if utf16 else "UTF-8", bad)


class CsvTrouble(StrEnum):
    """Why a row cannot be read."""

    NOT_CSV = "not-csv"
    CELLS = "wrong-number-of-cells"
    NO_ID = "no-id"
    REPEATED = "duplicate-id"
    ENCODING = "wrong-encoding"
    NUL = "nul-character"
    CELL = "cell-unclear"


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row. ``number`` is the one that a spreadsheet shows: the header is row 1.

    ``problem`` is empty, or says why the row cannot be used; ``raw`` then has fields that the
    schema refuses, so that the row is quarantined and never counts as removed. ``known`` is False
    where it cannot even be said which record the row is about: then no record may be taken for
    removed because the file does not show it. ``stray`` rows, which include those, stand for no
    record; their external id is ``row <number>``. ``trouble`` is the kind of the problem, ``why``
    what goes on from "Row 7" or from the name of the ``field``, and ``repeats`` the id that an
    earlier row has.

    Of the rows before it a reading keeps the ids alone, to find those that repeat one.
    """

    number: int
    raw: RawRecord
    problem: str = ""
    known: bool = True
    stray: bool = False
    trouble: CsvTrouble | None = None
    repeats: str = ""
    field: str = ""
    why: str = ""


def read_offerings(source: str | Path | BinaryIO, *, time_zone: str = "") -> Iterator[CsvRow]:
    """The rows of a schedule (docs/files.md). ``time_zone`` is that of rows which name none.

    Raises:
        NotUnderstood: the header has a column too many or too few, or is none.
    """
    return _rows(source, OFFERINGS, time_zone)


def read_registrations(source: str | Path | BinaryIO) -> Iterator[CsvRow]:
    """The rows of a file of registrations; ids are ``<offering>/<learner>``. Raises as above."""
    return _rows(source, REGISTRATIONS, "")


def read_results(source: str | Path | BinaryIO) -> Iterator[CsvRow]:
    """The rows of a file of results; ids are ``<offering>/<learner>``. Raises as above."""
    return _rows(source, RESULTS, "")


def read_group(source: str | Path | BinaryIO) -> Iterator[CsvRow]:
    """The rows of a group of people; ids are the Academy's. Raises as above."""
    return _rows(source, GROUP, "")


def _rows(source: str | Path | BinaryIO, table: CsvTable, time_zone: str) -> Iterator[CsvRow]:
    with opened(source) as text:
        reader = csv.reader(
            text.lines, delimiter=text.delimiter, strict=True, skipinitialspace=True
        )
        whole_header = _header(reader, text)
        header = _without_empty_end(whole_header)
        columns = header_columns(header, table)
        at = _Context(table, text, time_zone)
        number = 1
        empty = 0
        while True:
            number += 1
            text.lines.row_begins()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # Never the reader's own message alone: which rows an open quotation mark swallowed
                # is unknown, hence "known=False".
                why = _plain(error, text.delimiter)
                problem = f"is not CSV ({why})"
                yield _stray(number, table, CsvTrouble.NOT_CSV, problem)
                continue
            width = len(cells)
            cells = _without_empty_end(cells)
            if width > len(whole_header) and text.delimiter == "," and _splits_decimal(cells):
                problem = f"has {width} cells where the header has {len(whole_header)}"
                yield _stray(number, table, CsvTrouble.CELLS, problem)
            elif not cells:
                empty += 1
                if empty > MOST_EMPTY:
                    raise _too_empty()
            elif names_columns(cells, table):
                if [table.column(cell) for cell in cells] != columns:
                    problem = "names the columns again, in another way than the first line"
                    yield _stray(number, table, CsvTrouble.CELLS, problem)
            else:
                row = _row(number, cells, columns, at)
                if row.raw.external_id not in table.remarks:
                    yield row


def _header(reader: Iterator[list[str]], text: FileText) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error as error:
        why = _plain(error, text.delimiter)
        message = f"The first line is not CSV ({why})."
        raise NotUnderstood("csv-no-header", message, _FIRST_LINE) from None


_DIGITS = re.compile(r"\s*\d{1,9}\s*")


def _splits_decimal(cells: Sequence[str]) -> bool:
    """Whether a decimal comma may have made two cells of one."""
    return any(
        _DIGITS.fullmatch(one) and _DIGITS.fullmatch(next_one) for one, next_one in pairwise(cells)
    )


def _too_empty() -> NotUnderstood:
    return NotUnderstood(
        "csv-too-many-empty-rows",
        f"The file has more than {MOST_EMPTY:,} empty rows.",
        "Delete the empty rows.",
    )


def _without_empty_end(cells: list[str]) -> list[str]:
    """The cells up to the last one that says something: programs leave out empty ones at the end,
    or add some."""
    width = len(cells)
    while width and not cells[width - 1].strip():
        width -= 1
    return cells[:width]


@dataclass(frozen=True, slots=True)
class _Context:
    table: CsvTable
    text: FileText
    time_zone: str
    seen: set[str] = field(default_factory=set)
    people: dict[str, tuple[int, int]] = field(default_factory=dict)
    """{id of a person: (row, hash of the address)}"""


def _row(number: int, cells: Sequence[str], columns: Sequence[CsvColumn], at: _Context) -> CsvRow:
    if len(cells) > len(columns):
        problem = f"has {len(cells)} cells where the header has {len(columns)}"
        return _stray(number, at.table, CsvTrouble.CELLS, problem)
    cells = [*cells, *[""] * (len(columns) - len(cells))]
    named = {c.name: cell for c, cell in zip(columns, cells, strict=True)}
    identity = [restored(named[name]).strip() for name in at.table.identity]
    if stray := _of_no_record(number, named, identity, at):
        return stray
    external_id = "/".join(identity)
    if external_id in at.seen:
        # The first row stands for the record: this one is shown under its own number.
        problem = "repeats the id of an earlier row"
        return _stray(number, at.table, CsvTrouble.REPEATED, problem, repeats=external_id)
    if len(external_id) <= _LONGEST_KEPT_ID:  # a longer one is refused by everybody
        at.seen.add(external_id)
    if at.text.damaged("".join(cells)):
        name = next(name for name, cell in named.items() if at.text.damaged(cell))
        trouble, damage = at.text.damage(named[name])
        problem = f'{damage}, in the column "{name}"'
        return _refused(number, external_id, at.table, trouble, problem)
    if problem := _of_somebody_else(number, named, at):
        return _refused(number, external_id, at.table, CsvTrouble.CELL, problem)
    try:
        fields = _fields(named, columns, at.time_zone)
    except CellUnclear as error:
        row = _refused(number, external_id, at.table, CsvTrouble.CELL, f"{error.column} {error}")
        return replace(row, field=error.column, why=str(error))
    return CsvRow(number, RawRecord(external_id, fields))


def _of_no_record(
    number: int, named: Mapping[str, str], identity: Sequence[str], at: _Context
) -> CsvRow | None:
    if not all(identity):
        empty = at.table.identity[identity.index("")]
        problem = f'has nothing in the column "{empty}"'
        return _stray(number, at.table, CsvTrouble.NO_ID, problem)
    if any(at.text.damaged(part) for part in identity):
        return _stray(number, at.table, *at.text.damage("".join(identity)))
    for name in at.table.identity:
        if problem := spoiled(named[name]):
            return _stray(number, at.table, CsvTrouble.CELL, f"{name} {problem}")
    return None


_ADDRESS = re.compile(r"[^\s<>:]+@[^\s<>]+")


def _of_somebody_else(number: int, named: Mapping[str, str], at: _Context) -> str:
    """Says so where an earlier row gives the same id another e-mail address: applied in turn, one
    person would take the place of the other. Which of them is meant nobody can say."""
    if at.table.person is None:
        return ""
    id_, address = (restored(named[name]).strip() for name in at.table.person)
    found = _ADDRESS.search(address)
    key = hash(found[0].casefold() if found else address)
    row, known = at.people.setdefault(id_, (number, key))
    if known == key:
        return ""
    return f"gives its learner another e-mail address than row {row}: an id stands for one person"


_CODES = ("course_code", "lms_course")
"""Columns beside the identity that a spreadsheet may take for numbers."""


def _fields(
    named: Mapping[str, str], columns: Sequence[CsvColumn], time_zone: str
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
        if problem := spoiled(named[column.name], is_id=column.name in _CODES):
            error = CellUnclear(problem)
            error.column = column.name
            raise error
        try:
            place[last] = value_of(cell, column.shape, zone)
        except CellUnclear as error:
            error.column = column.name
            raise
    return fields


def _stray(
    number: int, table: CsvTable, trouble: CsvTrouble, problem: str, *, repeats: str = ""
) -> CsvRow:
    row = _refused(number, f"row {number}", table, trouble, problem)
    return replace(row, known=bool(repeats), stray=True, repeats=repeats)


def without_offering(row: CsvRow) -> CsvRow:
    """A row of results whose offering nobody knows."""
    problem = "names an offering that does not exist"
    return _stray(row.number, RESULTS, CsvTrouble.NO_ID, problem)


def _refused(
    number: int, external_id: str, table: CsvTable, trouble: CsvTrouble, problem: str
) -> CsvRow:
    text = f"Row {number} {problem}."
    raw = RawRecord(external_id, {UNREADABLE: text, **table.refused})
    return CsvRow(number, raw, text, trouble=trouble, why=problem)


def _plain(error: csv.Error, delimiter: str) -> str:
    if "unexpected end" in str(error):
        return "a quotation mark is not closed"
    if "expected after" in str(error):
        return "a quotation mark ends inside a cell: double quotation marks that belong to the text"
    return re.sub(r"[^\w ',\"]", "", str(error))
