"""The three CSV files: their columns, their headers, and the key of a row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

from lms_bridge.domain.errors import NotUnderstood


class Shape(StrEnum):
    """How one cell holds its value."""

    TEXT = "text"
    AMOUNT = "amount"
    """A decimal with a point, and without a mark between thousands."""
    LIST = "list"
    """Several short texts: ``;`` between them, or one per line."""
    MEETINGS = "meetings"
    """One per line: ``2026-03-02T09:00/2026-03-02T12:30 Room 4``."""


@dataclass(frozen=True, slots=True)
class CsvColumn:
    """``name`` is the path of the field: ``learner.email`` is the e-mail of the learner."""

    name: str
    shape: Shape = Shape.TEXT

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))


@dataclass(frozen=True, slots=True)
class CsvTable:
    """One kind of file.

    ``identity`` are the columns that together name a row; joined with ``/`` they are the external
    id. ``required`` are the columns that the header must have. ``refused`` are field values that
    the table's schema never takes: they stand in for those of a row that cannot be read.
    ``remarks`` are the ids of rows that are there for people, and not looked at. ``person`` are the
    columns with the id and the address of a person who may have several rows.
    """

    file: str
    columns: tuple[CsvColumn, ...]
    identity: tuple[str, ...]
    required: tuple[str, ...]
    refused: Mapping[str, object] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    person: tuple[str, str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, header: str) -> CsvColumn | None:
        """The column that a header cell means, whatever its case, spaces and punctuation."""
        wanted = header_key(header)
        return next((c for c in self.columns if header_key(c.name) == wanted), None)


def header_key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")


def _columns(
    texts: str, amounts: Collection[str] = (), lists: str = "", meetings: str = ""
) -> tuple[CsvColumn, ...]:
    return (
        *(
            CsvColumn(name, Shape.AMOUNT if name in amounts else Shape.TEXT)
            for name in texts.split()
        ),
        *(CsvColumn(name, Shape.LIST) for name in lists.split()),
        *(CsvColumn(name, Shape.MEETINGS) for name in meetings.split()),
    )


OFFERINGS = CsvTable(
    file="offerings.csv",
    columns=_columns(
        texts="id title centre course_code modality level status starts_at ends_at time_zone hours"
        " registration registration_opens registration_closes seats price currency location"
        " description audience requirements objectives address lms_course",
        amounts=("hours", "price", "seats"),
        lists="payment_methods languages topics coordinators organisers",
        meetings="meetings",
    ),
    identity=("id",),
    required=("id", "title"),
    remarks=("#allowed", "#sample"),
)
"""A schedule or a catalogue. ``id`` is the external id; the other columns are the fields of
``OfferingSchema``; ``centre`` is written into a catalogue and ignored in a schedule."""

REGISTRATIONS = CsvTable(
    file="registrations.csv",
    columns=_columns(
        texts="offering learner.id learner.email learner.given_name learner.family_name"
        " learner.language learner.country status starts_at ends_at"
    ),
    identity=("offering", "learner.id"),
    required=("offering", "learner.id", "learner.email", "status"),
    person=("learner.id", "learner.email"),
)

GROUP = CsvTable(
    file="group.csv",
    columns=_columns(texts="id email given_name family_name language country"),
    identity=("id",),
    required=("id", "email"),
)
"""People whom somebody registers together, all in one offering."""

RESULTS = CsvTable(
    file="results.csv",
    columns=_columns(
        texts="offering learner score scale_min scale_max completed completed_at graded_at"
    ),
    identity=("offering", "learner"),
    required=("offering", "learner"),
    # ResultSchema requires nothing, so an empty record would load: this one does not.
    refused={"score": "unreadable"},
)


# A file without a header has a person's data in its first line, which no error may hold: only
# what looks like a column's name is repeated.
_NAME_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,39}")
MOST_COLUMNS = 200


def header_columns(cells: Sequence[str], table: CsvTable) -> list[CsvColumn]:
    """The column of each header cell.

    Raises:
        NotUnderstood: a column is unknown, appears twice or is missing, or there is no header.
    """
    if len(cells) > MOST_COLUMNS:
        number = f"has {len(cells):,} columns, which is more than {MOST_COLUMNS}."
        raise _error(table, "csv-unknown-column", number)
    found = [table.column(cell) for cell in cells]
    if not any(found):
        problem = "names none of the columns in its first line, with , ; or a tab between them."
        raise _error(table, "csv-no-header", problem)
    unknown = [
        _shown(cell, place)
        for place, (cell, column) in enumerate(zip(cells, found, strict=True), start=1)
        if column is None
    ]
    if unknown:
        meant = _meant(
            [cell for cell, column in zip(cells, found, strict=True) if not column], table
        )
        problem = f"has unknown columns: {', '.join(unknown)}."
        raise _error(table, "csv-unknown-column", problem, meant)
    columns = [column for column in found if column is not None]
    names = [column.name for column in columns]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise _error(table, "csv-column-twice", f"has columns twice: {', '.join(twice)}.")
    missing = [name for name in table.required if name not in names]
    if missing:
        raise _error(table, "csv-missing-column", f"lacks columns: {', '.join(missing)}.")
    return columns


def names_columns(cells: Sequence[str], table: CsvTable) -> bool:
    """Whether a row is a header, though perhaps that of another table with such columns."""
    named = [cell for cell in cells if cell.strip()]
    return len(named) > 1 and all(table.column(cell) for cell in named)


def _shown(cell: str, place: int) -> str:
    name = cell.strip()
    return f'"{name}"' if _NAME_LIKE.fullmatch(name) else f"#{place}"


def _meant(cells: Iterable[str], table: CsvTable) -> str:
    near = [
        name for cell in cells for name in get_close_matches(header_key(cell), table.names, n=1)
    ]
    return f"Perhaps meant: {', '.join(near)}." if near else ""


def _error(table: CsvTable, code: str, problem: str, meant: str = "") -> NotUnderstood:
    kind, allowed = _title(table), f"Allowed: {', '.join(table.names)}."
    return NotUnderstood(code, f"The file of {kind} {problem}", f"{meant} {allowed}".strip())


def _title(table: CsvTable) -> str:
    return table.file.removesuffix(".csv")
