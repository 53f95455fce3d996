"""The figures of a year: what is counted, and how cells are added up.

A course that several centres give counts in the row of each, and once in a region and in the total.
So rows are not sums of each other: each is made of the cells that belong to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lms_bridge.domain.model import Modality

COURSES = ("planned", "given", "cancelled", "postponed")
"""``planned`` counts every course of the year, whatever became of it."""
PEOPLE = ("registered", "participants", "completed", "certificates")
"""``registered`` counts registrations for all courses; the others those who were in a course that
was given."""
PAPERS = (
    *("outlines", "outlines_in_time", "outlines_late"),
    *("reports_due", "reports_in_time", "reports_late", "reports_missing"),
)
"""Outlines submitted for courses of the year, and end-of-course reports of courses that ended."""
MODALITIES = tuple(each.value for each in Modality)
NAMES = (
    *COURSES,
    *(f"given_{each}" for each in MODALITIES),
    *PEOPLE,
    *("countries", "completion_percent"),
    *PAPERS,
)
"""All figures, in the order in which tables show them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the year's courses that have the same givers: ``places`` is {centre: the region
    that it was in}."""

    places: Mapping[str, str]
    counts: Counter[str]
    countries: frozenset[str] = frozenset()


@dataclass(slots=True)
class Figures:
    """A row of the report."""

    counts: Counter[str] = field(default_factory=Counter)
    countries: set[str] = field(default_factory=set)

    def add(self, cell: Cell) -> None:
        self.counts.update(cell.counts)
        self.countries |= cell.countries

    def document(self) -> dict[str, int | float | None]:
        """{name of the figure: value}; a percentage is None where nobody took part."""
        people = self.counts["participants"]
        percent = round(self.counts["completed"] * 100 / people, 1) if people else None
        values: dict[str, int | float | None] = {name: self.counts[name] for name in NAMES}
        return values | {"countries": len(self.countries), "completion_percent": percent}


@dataclass(slots=True)
class Year:
    """The rows of a report: by centre, by region, and in all."""

    centres: dict[str, Figures] = field(default_factory=dict)
    regions: dict[str, Figures] = field(default_factory=dict)
    total: Figures = field(default_factory=Figures)


def added_up(cells: Iterable[Cell], *, region: str = "", centres: frozenset[str] | None) -> Year:
    """The rows of these centres (None: all), for what they gave while they were in ``region``
    (empty: any)."""
    year = Year()
    for cell in cells:
        mine = {
            code: place
            for code, place in cell.places.items()
            if (centres is None or code in centres) and region in ("", place)
        }
        for code in mine:
            year.centres.setdefault(code, Figures()).add(cell)
        for place in set(mine.values()):
            year.regions.setdefault(place, Figures()).add(cell)
        if mine:
            year.total.add(cell)
    return year
