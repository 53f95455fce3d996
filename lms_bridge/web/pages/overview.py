"""`/`: numbers, what runs next, what ran last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, render_template

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.model import Centre
from lms_bridge.jobs.schedule import jobs_of
from lms_bridge.store import centres, reports
from lms_bridge.sync.work import utc_now
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import catalogue, operations

pages = Blueprint("overview", __name__)
JOBS = {
    "catalogue": "Nightly run: everything, in full",
    "enrolments": "Enrolments: what changed",
    "results": "Results",
}


@dataclass(frozen=True, slots=True)
class Next:
    """The first job of its kind that is due."""

    title: str
    centre: Centre
    at: datetime


@pages.get("/")
def show() -> str:
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        active = centres.all_centres(tx, active_only=True)
        numbers = {
            "Offerings in the catalogue": catalogue.count_listed(tx),
            **operations.count_public(tx),
        }
        waiting = operations.count_waiting(tx)
        last = reports.last_runs(tx, most=8)
        ticking = operations.clock_alive(tx, now)
    return render_template(
        "overview.html",
        numbers=numbers,
        waiting=waiting,
        last=last,
        ticking=ticking,
        due=next_of_each_kind(bridge, active, now),
        names={centre.code: centre for centre in active},
    )


def next_of_each_kind(bridge: Bridge, active: Sequence[Centre], now: datetime) -> list[Next]:
    """The next job of each kind, over all centres."""
    soonest: dict[str, Next] = {}
    for centre in active:
        for job in jobs_of(centre, bridge.settings.clock):
            at = job.after(now)
            known = soonest.get(job.kind)
            if at is not None and (known is None or at < known.at):
                soonest[job.kind] = Next(JOBS[job.kind], centre, at)
    return [soonest[kind] for kind in JOBS if kind in soonest]
