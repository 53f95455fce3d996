"""The report of a year: courses, people, and whether outlines and reports came in time."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Centre
from lms_bridge.domain.rules import Rules
from lms_bridge.network import year_queries
from lms_bridge.network.figures import NAMES, PAPERS, Cell, Figures, added_up
from lms_bridge.schemas.csv.cells import neutralised
from lms_bridge.store import centres, memberships

FIRST_YEAR, LAST_YEAR = 1990, 2099
Key = tuple[str, str, int]
"""The centre, its organisers as JSON, and the part of the year."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows a report has: of one region, of one centre, and within ``reach`` (None: all)."""

    year: int
    region: str = ""
    centre: str = ""
    reach: frozenset[str] | None = None

    @property
    def centres(self) -> frozenset[str] | None:
        if not self.centre:
            return self.reach
        mine = frozenset({self.centre})
        return mine if self.reach is None else mine & self.reach


def report(tx: Connection, wanted: Wanted, rules: Rules, now: datetime) -> dict[str, Any]:
    """``{year, centres, regions, total}``; every row has all figures of ``figures.NAMES``.

    Raises:
        Refused: it is no year of this age.
    """
    if not FIRST_YEAR <= wanted.year <= LAST_YEAR:
        raise Refused("no-such-year", f"{wanted.year} is not between {FIRST_YEAR} and {LAST_YEAR}.")
    known = {each.code: each for each in centres.all_centres(tx)}
    cells = _cells(tx, wanted.year, known, rules, now)
    year = added_up(cells, region=wanted.region, centres=wanted.centres)
    shown = [
        each
        for each in known.values()
        if each.code in year.centres
        or (
            (wanted.centres is None or each.code in wanted.centres)
            and wanted.region in ("", each.region)
        )
    ]
    return {
        "year": wanted.year,
        "least_courses": rules.courses_per_year,
        "centres": [
            {
                "centre": each.code,
                "name": each.name,
                "region": each.region,
                **year.centres.get(each.code, Figures()).document(),
            }
            for each in shown
        ],
        "regions": [
            {"region": region, **figures.document()}
            for region, figures in sorted(year.regions.items())
        ],
        "total": year.total.document(),
    }


def _cells(
    tx: Connection, year: int, known: Mapping[str, Centre], rules: Rules, now: datetime
) -> Iterator[Cell]:
    past = memberships.past_regions(tx)
    span = year_queries.span_of(tx, year, [day for stays in past.values() for day, _ in stays], now)
    counts: dict[Key, Counter[str]] = {}
    countries: dict[Key, set[str]] = {}
    for row in year_queries.courses(tx, span):
        counted = counts.setdefault((row.centre, row.organisers, row.part), Counter())
        counted["planned"] += row.number
        if row.state != year_queries.PLANNED:
            counted[row.state] += row.number
        if row.state == year_queries.GIVEN and row.modality is not None:
            counted[f"given_{row.modality}"] += row.number
    for row in year_queries.people(tx, span):
        key = (row.centre, row.organisers, row.part)
        counted = counts.setdefault(key, Counter())
        for name in ("registered", "participants", "completed", "certificates"):
            counted[name] += int(getattr(row, name))
        if row.participants and row.country:
            countries.setdefault(key, set()).add(row.country)
    for row in year_queries.papers(tx, span, rules):
        counted = counts.setdefault((row.centre, row.organisers, row.part), Counter())
        for name in PAPERS:
            counted[name] += int(getattr(row, name))
    days = span.days()
    givers = _Givers(known)
    for key, counted in counts.items():
        places = {
            code: region_on(past.get(code, ()), known[code].region, days[key[2]])
            for code in givers.of(key[0], key[1])
            if code in known
        }
        yield Cell(places, counted, frozenset(countries.get(key, ())))


def region_on(past: Sequence[tuple[date, str]], region: str, day: date) -> str:
    """The region that a centre was in on a day. ``past`` are (last day, region) of those before,
    the earliest first."""
    place = bisect_left([last for last, _ in past], day)
    return past[place][1] if place < len(past) else region


class _Givers:
    """Finds the centres that give a course: its own, and organisers that are centres, too, by their
    code or their name in any case."""

    def __init__(self, known: Mapping[str, Centre]) -> None:
        self._by_name = {each.name.casefold(): each.code for each in known.values()}
        self._by_name |= {each.code.casefold(): each.code for each in known.values()}

    def of(self, centre: str, organisers: str) -> dict[str, None]:
        named = orjson.loads(organisers) if organisers != "[]" else ()
        others = (self._by_name.get(str(each).strip().casefold()) for each in named)
        return dict.fromkeys([centre, *(code for code in others if code is not None)])


COLUMNS = ("row", "centre", "name", "region", *NAMES)


def as_csv(document: Mapping[str, Any]) -> bytes:
    """The report as a table: one row for each centre and region, and one in all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for kind, each in rows_of(document):
        values = {"row": kind, **each}
        writer.writerow([neutralised(_text(values.get(name))) for name in COLUMNS])
    return ("\ufeff" + text.getvalue()).encode("utf-8", "replace")


def rows_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(``centre``, ``region`` or ``total``; the row)"""
    yield from (("centre", each) for each in document["centres"])
    yield from (("region", each) for each in document["regions"])
    yield "total", document["total"]


def _text(value: object) -> str:
    return "" if value is None else str(value)
