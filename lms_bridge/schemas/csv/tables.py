"""The three files: their columns, which of them a file must have, and what names a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Shape(StrEnum):
    """How one cell holds its value."""

    TEXT = "text"
    LIST = "list"
    """Several short texts: ``;`` between them, or one per line."""
    MEETINGS = "meetings"
    """One per line: ``2026-03-02T09:00/2026-03-02T12:30 Room 4``."""


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` is the path of the field: ``learner.email`` is the e-mail of the learner."""

    name: str
    shape: Shape = Shape.TEXT

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of file.

    ``identity`` are the columns that together name a row; joined with ``/`` they are the external
    id. ``required`` are the columns that the header must have. ``refused`` are field values that
    the table's schema never takes: they stand in for those of a row that cannot be read.
    ``remarks`` are the ids of rows that are there for people, and not looked at.
    """

    file: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    required: tuple[str, ...]
    refused: Mapping[str, object] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, header: str) -> Column | None:
        """The column that a header cell means, whatever its case, spaces and punctuation."""
        wanted = header_key(header)
        return next((c for c in self.columns if header_key(c.name) == wanted), None)


def header_key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")


def _columns(texts: str, lists: str = "", meetings: str = "") -> tuple[Column, ...]:
    return (
        *(Column(name) for name in texts.split()),
        *(Column(name, Shape.LIST) for name in lists.split()),
        *(Column(name, Shape.MEETINGS) for name in meetings.split()),
    )


OFFERINGS = Table(
    file="offerings.csv",
    columns=_columns(
        texts="id title centre course_code modality level status starts_at ends_at time_zone hours"
        " registration registration_opens registration_closes seats price currency location"
        " description audience requirements objectives address lms_course",
        lists="payment_methods languages topics coordinators organisers",
        meetings="meetings",
    ),
    identity=("id",),
    required=("id", "title"),
    remarks=("#allowed", "#sample"),
)
"""A schedule or a catalogue. ``id`` is the external id; the other columns are the fields of
``OfferingSchema``; ``centre`` is written into a catalogue and ignored in a schedule."""

REGISTRATIONS = Table(
    file="registrations.csv",
    columns=_columns(
        texts="offering learner.id learner.email learner.given_name learner.family_name"
        " learner.language learner.country status starts_at ends_at"
    ),
    identity=("offering", "learner.id"),
    required=("offering", "learner.id", "learner.email", "status"),
)

GROUP = Table(
    file="group.csv",
    columns=_columns(texts="id email given_name family_name language country"),
    identity=("id",),
    required=("id", "email"),
)
"""People whom somebody registers together, all in one offering."""

RESULTS = Table(
    file="results.csv",
    columns=_columns(
        texts="offering learner score scale_min scale_max completed completed_at graded_at"
    ),
    identity=("offering", "learner"),
    required=("offering", "learner"),
    # ResultSchema requires nothing, so an empty record would load: this one does not.
    refused={"score": "unreadable"},
)
