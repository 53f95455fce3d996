"""`/my-centre`: what waits at a centre, and its schedule as a table and as a calendar."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.centre_desk import queries
from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.queries import ScheduleFilter
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.model import Centre, OfferingStatus
from lms_bridge.intake.csv import template
from lms_bridge.intake.formats import CALENDAR, CSV
from lms_bridge.intake.schedule import schedule_calendar, schedule_rows
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.schemas.csv.writer import pieces
from lms_bridge.store import centres as stored_centres
from lms_bridge.store.list_pages import ListPlace
from lms_bridge.web import typed_text
from lms_bridge.web.access import centre_for, centres_for, needs, signed_in, the_bridge
from lms_bridge.web.filters import OFFERING_STATUSES
from lms_bridge.web.month import midnight, month_after, month_of, month_param, span_of
from lms_bridge.web.paging import SIZE, addresses_beside, place_param

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
        coming = queries.schedule(tx, code, ScheduleFilter(), now, ListPlace(), most=MOST).rows
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
def schedule(code: str) -> ResponseReturnValue:
    """The schedule; with ``?format=`` as a file that can be changed and sent back."""
    centre, asked, now = centre_for(Scope.READ_OFFERINGS, code), _filter(), utc_now()
    form = request.args.get("format")
    if form in FILES:
        return _file(centre, form)
    with the_bridge().database.reading() as tx:
        total = queries.count_schedule(tx, code, asked, now)
        empty = not total and not queries.count_schedule(tx, code, EVERY_COURSE, now)
        page = queries.schedule(tx, code, asked, now, place_param(), most=SIZE)
    return render_template(
        "centre_desk/schedule.html",
        centre=centre,
        rows=page.rows,
        total=total,
        empty=empty,
        beside=addresses_beside(page),
        asked=asked,
        statuses=OFFERING_STATUSES,
        done=request.args.get("done", ""),
    )


EVERY_COURSE = ScheduleFilter(when="all")
FILES = {"csv": CSV, "ics": CALENDAR, "example": CSV}
"""What ``?format=`` may be: the schedule as a table or a calendar, or a table with an example."""


def _file(centre: Centre, form: str) -> Response:
    with the_bridge().database.reading() as tx:
        if form == "example":
            parts = template(centre)
        elif form == "ics":
            parts = schedule_calendar(schedule_rows(tx, centre.code))
        else:
            parts = pieces(OFFERINGS, schedule_rows(tx, centre.code), without=("centre",))
        response = Response(b"".join(parts), mimetype=FILES[form])
    name = f"{centre.code}-{form}.csv" if form == "example" else f"{centre.code}-schedule.{form}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _filter() -> ScheduleFilter:
    given = request.args
    status, when = given.get("status", ""), given.get("when", "now")
    return ScheduleFilter(
        typed_text.line(given.get("text", ""), 100),
        status if status in set(OfferingStatus) else "",
        when if when in ("now", "past", "all") else "now",
    )


@pages.get("/<code>/calendar")
@needs(Scope.READ_OFFERINGS)
def month(code: str) -> str:
    """A month of the schedule, in days of the centre's time zone."""
    centre = centre_for(Scope.READ_OFFERINGS, code)
    zone = zone_of(centre.time_zone)
    first = month_param(utc_now().astimezone(zone).date())
    with the_bridge().database.reading() as tx:
        until = midnight(month_after(first), zone)
        rows = queries.between(tx, code, midnight(first, zone), until)
        next_start = None if rows else queries.first_start(tx, code, until)
    later = next_start.astimezone(zone).date() if next_start is not None else None
    spans = [span_of(row, row.starts_at, row.ends_at, zone) for row in rows]
    shown = month_of(first, spans, later=later)
    return render_template("centre_desk/calendar.html", centre=centre, month=shown)
