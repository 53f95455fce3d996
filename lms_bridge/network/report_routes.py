"""The API of the year's report."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from lms_bridge.api.auth import caller
from lms_bridge.api.centres import no_such_centre
from lms_bridge.api.responses import json_response
from lms_bridge.api.route import route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.network.schemas import ReportParams, ReportResponse
from lms_bridge.network.year import Wanted, as_csv, report
from lms_bridge.reference import reference
from lms_bridge.web.access import the_bridge
from lms_bridge.web.downloads import table_file

_TAG = "network"
_CSV = "text/csv"


@route(
    "/reports/year/<int(max=9999):number>",
    scope=Scope.READ_OFFERINGS,
    response=ReportResponse,
    query=ReportParams,
    also=(_CSV,),
    tag=_TAG,
)
def show_year(params: dict[str, Any], number: int) -> Response:
    """The figures of a year, by centre, by region and in all."""
    bridge = the_bridge()
    region, centre = params["region"], params["centre"]
    if region and region not in reference().regions:
        raise NotFound("no-such-region", "There is no such region.")
    with bridge.database.reading() as tx:
        if centre:
            caller().centre_in_scope(tx, centre, no_such_centre())
        mine = caller().centres(tx)
        reach = None if mine is None else frozenset(mine)
        wanted = Wanted(number, region, centre, reach)
        found = report(tx, wanted, bridge.settings.rules, utc_now())
    if params["format"] == "json":
        return json_response(found)
    response = table_file(as_csv(found), f"report-{number}.csv")
    response.add_etag()
    response.make_conditional(request)
    return response
