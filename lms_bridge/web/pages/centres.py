"""`/centres`: the training centres and how their last runs went."""

from __future__ import annotations

from flask import Blueprint, render_template

from lms_bridge.jobs.schedule import jobs_of
from lms_bridge.store import centres as store
from lms_bridge.store import reports
from lms_bridge.sync.work import utc_now
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.pages.overview import JOBS
from lms_bridge.web.queries import operations

pages = Blueprint("centres", __name__)


@pages.get("/centres")
def show() -> str:
    with the_bridge().database.reading() as tx:
        centres = store.all_centres(tx)
        last = operations.last_run_of_each(tx)
    return render_template("centres.html", centres=centres, last=last)


@pages.get("/centres/<code>")
def show_one(code: str) -> str:
    bridge, now = the_bridge(), utc_now()
    centre = bridge.centre(code)
    with bridge.database.reading() as tx:
        runs = reports.last_runs(tx, centre=code, most=20)
        waiting = operations.count_waiting_of(tx, code)
    due = [(JOBS[job.kind], job.after(now)) for job in jobs_of(centre, bridge.settings.clock)]
    return render_template("centre.html", centre=centre, runs=runs, waiting=waiting, due=due)
