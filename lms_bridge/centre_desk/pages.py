"""`/my-centre`: what waits at a centre, and its schedule as a table and as a calendar."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from babel.dates import format_date, get_day_names
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Row

from lms_bridge.centre_desk import queries
from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.queries import ScheduleFilter
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.dates import last_day, zone_of
from lms_bridge.domain.model import Centre, OfferingStatus
from lms_bridge.store import centres as stored_centres
from lms_bridge.web.access import centre_for, centres_for, needs, signed_in, the_bridge
from lms_bridge.web.filters import OFFERING_STATUSES
from lms_bridge.web.languages import language
from lms_bridge.web.paging import SIZE, Paging, page_param

MOST = 10
"""Entries of each list on the desk: its pages show the others."""


@pages.get("")
@needs(Scope.READ_OFFERINGS)
def show_all() -> ResponseReturnValue:
    """The centres that the reader works for; with one, its desk at once."""
    with the_bridge().database.reading() as tx:
        codes = centres_for(tx, Scope.READ_OFFERINGS)
        found = stored_centres.all_centres(tx)
    mine = [each for each in found if codes is None or each.code in codes]
    if len(mine) == 1:
        return redirect(url_for("centre_desk.show", code=mine[0].code), 303)
    return render_template("centre_desk/centres.html", centres=mine)


@pages.get("/<code>")
@needs(Scope.READ_OFFERINGS)
def show(code: str) -> str:
    """What waits at the centre, as far as the reader may see it, and its next courses."""
    centre, now, user = centre_for(Scope.READ_OFFERINGS, code), utc_now(), signed_in()
    people = user.may(Scope.READ_ENROLMENTS, centre)
    operations = user.may(Scope.READ_OPERATIONS, centre)
    with the_bridge().database.reading() as tx:
        counts = {
            "applicants": queries.count_applicants(tx, code) if people else None,
            "payments": queries.count_payments(tx, code) if people else None,
            "reports": queries.count_reports_due(tx, code, now),
            **(queries.count_operations(tx, code) if operations else {}),
        }
        waiting = queries.with_people(tx, code, now, MOST) if people else ()
        back = queries.sent_back(tx, code, MOST)
        due = queries.reports_due(tx, code, now, MOST)
        coming = queries.schedule(tx, code, ScheduleFilter(), now, limit=MOST, offset=0)[1]
    return render_template(
        "centre_desk/desk.html",
        centre=centre,
        counts=counts,
        waiting=waiting,
        sent_back=back,
        due=due,
        coming=coming,
    )


@pages.get("/<code>/schedule")
@needs(Scope.READ_OFFERINGS)
def schedule(code: str) -> str:
    centre, page = centre_for(Scope.READ_OFFERINGS, code), page_param()
    asked = _filter()
    with the_bridge().database.reading() as tx:
        total, rows = queries.schedule(
            tx, code, asked, utc_now(), limit=SIZE, offset=(page - 1) * SIZE
        )
    return render_template(
        "centre_desk/schedule.html",
        centre=centre,
        rows=rows,
        paging=Paging(page, total),
        asked=asked,
        statuses=OFFERING_STATUSES,
        done=request.args.get("done", ""),
    )


def _filter() -> ScheduleFilter:
    given = request.args
    status, when = given.get("status", ""), given.get("when", "now")
    return ScheduleFilter(
        given.get("text", "").replace("\x00", "").strip()[:100],
        status if status in set(OfferingStatus) else "",
        when if when in ("now", "past", "all") else "now",
    )


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day of the calendar: its courses, each with whether it begins that day."""

    day: date
    courses: Sequence[tuple[Row[Any], bool]]


@pages.get("/<code>/calendar")
@needs(Scope.READ_OFFERINGS)
def month(code: str) -> str:
    """A month of the schedule, in days of the centre's time zone."""
    centre = centre_for(Scope.READ_OFFERINGS, code)
    first = _month(centre)
    after = (first + timedelta(days=31)).replace(day=1)
    weeks = [
        [day if day.month == first.month else None for day in week]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    with the_bridge().database.reading() as tx:
        rows = queries.between(tx, code, _midnight(first, centre), _midnight(after, centre))
    locale = language()
    names = get_day_names("abbreviated", locale=locale)
    return render_template(
        "centre_desk/calendar.html",
        centre=centre,
        title=format_date(first, "LLLL y", locale=locale),
        days=[names[number] for number in range(7)],
        weeks=[[day and _day(day, rows, centre) for day in week] for week in weeks],
        before=(first - timedelta(days=1)).strftime("%Y-%m") if first.year > _FIRST else "",
        after=after.strftime("%Y-%m") if after.year < _LAST else "",
        any=bool(rows),
    )


_FIRST, _LAST = 1990, 2200


def _month(centre: Centre) -> date:
    """The first day of the month that the address names; else of this month."""
    try:
        named = datetime.strptime(request.args.get("month", "")[:7], "%Y-%m").date()
    except ValueError:
        named = date.min
    if _FIRST <= named.year < _LAST:
        return named
    return utc_now().astimezone(zone_of(centre.time_zone)).date().replace(day=1)


def _midnight(day: date, centre: Centre) -> datetime:
    local = datetime(day.year, day.month, day.day, tzinfo=zone_of(centre.time_zone))
    return local.astimezone(UTC)


def _day(day: date, rows: Sequence[Row[Any]], centre: Centre) -> CalendarDay:
    zone = zone_of(centre.time_zone)
    found = []
    for row in rows:
        start = row.starts_at.astimezone(zone).date()
        end = last_day(row.ends_at, zone) if row.ends_at else start
        if start <= day <= max(start, end):
            found.append((row, start == day))
    return CalendarDay(day, found)
