"""`/reviews/regions`: the centres of a region, their memberships, their plan, and the figures of a
year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.network import status_of
from lms_bridge.network.year import FIRST_YEAR, LAST_YEAR, Wanted, as_csv, report
from lms_bridge.review.pages import pages
from lms_bridge.store import centres, memberships
from lms_bridge.web.access import centres_for, needs, the_bridge
from lms_bridge.web.downloads import table_file
from lms_bridge.web.paging import number_in

COLUMNS = {
    "planned": "Courses planned",
    "given": "Courses given",
    "cancelled": "Courses cancelled",
    "postponed": "Courses postponed",
    "participants": "Participants",
    "countries": "Countries",
    "completed": "Completed",
    "certificates": "Certificates",
    "outlines_late": "Late outlines",
    "reports_late": "Late reports",
    "reports_missing": "Missing reports",
}
"""The figures of the page with their labels; the file has all of them."""


@dataclass(frozen=True, slots=True)
class Region:
    """What the reader asks for, and what they may ask for."""

    year: int
    region: str
    regions: list[str]
    document: dict[str, Any]
    statuses: dict[str, str]


@pages.get("/regions")
@needs(Scope.REVIEW_OFFERINGS)
def show_region() -> str:
    asked = _asked()
    this_year = utc_now().year
    return render_template(
        "review/region.html",
        asked=asked,
        columns=COLUMNS,
        years=range(this_year + 1, this_year - 6, -1),
    )


@pages.get("/regions.csv")
@needs(Scope.REVIEW_OFFERINGS)
def region_table() -> ResponseReturnValue:
    asked = _asked()
    name = f"report-{asked.region or 'all'}-{asked.year}.csv"
    return table_file(as_csv(asked.document), name)


def _asked() -> Region:
    """Raises NotFound for a region that the reader does not reach."""
    bridge, now = the_bridge(), utc_now()
    year = number_in(request.args.get("year", "")) or now.year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        year = now.year
    region = request.args.get("region", "")[:40]
    with bridge.database.reading() as tx:
        reach = centres_for(tx, Scope.REVIEW_OFFERINGS)
        mine = [each for each in centres.all_centres(tx) if reach is None or each.code in reach]
        regions = sorted({each.region for each in mine})
        if region and region not in regions:
            raise NotFound("no-such-region", "There is no such region.")
        if not region and len(regions) == 1:
            region = regions[0]
        wanted = Wanted(year, region, "", None if reach is None else frozenset(reach))
        document = report(tx, wanted, bridge.settings.rules, now)
        known = memberships.by_centre(tx)
    statuses = {
        each.code: str(status_of(known.get(each.code, ()), now.date()) or "") for each in mine
    }
    return Region(year, region, regions, document, statuses)
