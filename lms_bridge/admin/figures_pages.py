"""`/figures`: how the runs of each day went. `/figures/year`: what the network did in a year."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.network.year import FIRST_YEAR, LAST_YEAR, Wanted, as_csv, report
from lms_bridge.reference import reference
from lms_bridge.store import centres as stored_centres
from lms_bridge.store import run_days
from lms_bridge.store.run_days import DayFigures
from lms_bridge.web import typed_text
from lms_bridge.web.access import centres_for, needs, the_bridge
from lms_bridge.web.downloads import table_file
from lms_bridge.web.filters import date_alone
from lms_bridge.web.languages import word
from lms_bridge.web.paging import number_in

pages = Blueprint("figures", __name__)
SPANS = (30, 90, 365)
"""Days that a page shows; the last of them by week."""

FIGURES = {
    "planned": "Courses planned",
    "given": "Courses given",
    "cancelled": "Courses cancelled",
    "participants": "Participants",
    "countries": "Countries",
    "completed": "Completed",
    "certificates": "Certificates",
    "reports_missing": "Missing reports",
}
"""The figures of a year that the page shows; the file has all of them."""


@dataclass(frozen=True, slots=True)
class PlotBar:
    """One bar: what it stands for, its value, and its height in per cent of the highest."""

    label: str
    value: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side, the earliest first. ``unit`` goes with the values, such as "s"."""

    title: str
    bars: tuple[PlotBar, ...]
    unit: str = ""

    @property
    def highest(self) -> PlotBar:
        return max(self.bars, key=lambda bar: bar.value)


@pages.get("/figures")
@needs(Scope.READ_OPERATIONS)
def show_days() -> str:
    """Runs, durations, changes, failures and lag, by day (UTC) or week."""
    span = number_in(request.args.get("days", ""))
    span, now = span if span in SPANS else SPANS[0], utc_now()
    code = typed_text.line(request.args.get("centre", ""), 40)
    last = now.date()
    first = last - timedelta(days=span - 1)
    with the_bridge().database.reading() as tx:
        within = centres_for(tx, Scope.READ_OPERATIONS)
        codes = [each.code for each in stored_centres.all_centres(tx)]
        days = run_days.figures(tx, first, last, code=code, within=within)
        since = run_days.silent_since(tx, code=code, within=within)
    if since is not None:  # a centre that is silent has no run that would tell of it
        lag = max(days[-1].lag, int((now - since).total_seconds()))
        days[-1] = replace(days[-1], lag=lag)
    if span == SPANS[-1]:
        days = run_days.by_week(days)
    return render_template(
        "figures.html",
        days=days,
        plots=_plots(days),
        span=span,
        spans=SPANS,
        centre=code,
        codes=codes if within is None else [each for each in codes if each in within],
    )


def _plots(days: list[DayFigures]) -> list[Plot]:
    named = [(date_alone(each.day), each) for each in days]
    return [
        _plot(word("Runs"), ((name, each.runs) for name, each in named)),
        _plot(
            word("Average duration"), ((name, round(each.average, 1)) for name, each in named), "s"
        ),
        _plot(word("Changes"), ((name, each.changes) for name, each in named)),
        _plot(
            word("Failed runs and refused records"),
            ((name, each.failed + each.refused) for name, each in named),
        ),
        _plot(
            word("Longest time between two good runs"),
            ((name, round(each.lag / 3600, 1)) for name, each in named),
            "h",
        ),
    ]


def _plot(title: str, points: Iterable[tuple[str, float]], unit: str = "") -> Plot:
    """A plot of (label, value); there is at least one, and no value is below zero."""
    known = list(points)
    most = max((value for _, value in known), default=0.0) or 1.0
    bars = (PlotBar(label, value, round(100 * value / most, 1)) for label, value in known)
    return Plot(title, tuple(bars), unit)


@pages.get("/figures/year")
@needs(Scope.READ_OPERATIONS)
def show_year() -> str:
    now = utc_now()
    figure = request.args.get("figure", "")
    figure = figure if figure in FIGURES else "given"
    with the_bridge().database.reading() as tx:
        wanted, regions = _wanted(tx)
        document = report(tx, wanted, the_bridge().settings.rules, now)
    return render_template(
        "figures_year.html",
        document=document,
        wanted=wanted,
        regions=regions,
        figure=figure,
        figures=FIGURES,
        years=range(now.year + 1, now.year - 6, -1),
        most={
            part: max((each[figure] or 0 for each in document[part]), default=0) or 1
            for part in ("regions", "centres")
        },
    )


@pages.get("/figures/year.csv")
@needs(Scope.READ_OPERATIONS)
def year_table() -> ResponseReturnValue:
    with the_bridge().database.reading() as tx:
        wanted, _ = _wanted(tx)
        document = report(tx, wanted, the_bridge().settings.rules, utc_now())
    return table_file(as_csv(document), f"report-{wanted.region or 'all'}-{wanted.year}.csv")


def _wanted(tx: Connection) -> tuple[Wanted, list[str]]:
    """What the address asks for, and the regions that the reader may ask for.

    Raises:
        NotFound: there is no such region.
    """
    year = number_in(request.args.get("year", ""))
    year = year if FIRST_YEAR <= year <= LAST_YEAR else utc_now().year
    region = request.args.get("region", "")[:40]
    if region and region not in reference().regions:
        raise NotFound("no-such-region", "There is no such region.")
    within = centres_for(tx, Scope.READ_OPERATIONS)
    reach = None if within is None else frozenset(within)
    mine = (each for each in stored_centres.all_centres(tx) if reach is None or each.code in reach)
    return Wanted(year, region, "", reach), sorted({each.region for each in mine})
