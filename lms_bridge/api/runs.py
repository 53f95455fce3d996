"""Runs and their items: the audit."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.api import queries
from lms_bridge.api.auth import caller
from lms_bridge.api.centres import no_such_centre
from lms_bridge.api.documents import centre_state_document, item_document, run_document
from lms_bridge.api.pagination import paged_response
from lms_bridge.api.responses import JSON, json_response
from lms_bridge.api.route import NUMBER, route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Flow
from lms_bridge.schemas.params import ItemsParams, OfCentreParams, RunFlowsSchema
from lms_bridge.schemas.responses import (
    CentreStateResponse,
    DoneResponse,
    ItemResponse,
    RunResponse,
    page_of,
)
from lms_bridge.store import run_requests, runs
from lms_bridge.store.run_items import ItemFilter, items_by_number
from lms_bridge.web.access import the_bridge


def _no_such_run() -> NotFound:
    return NotFound("no-such-run", "There is no such run.")


@route(
    "/runs",
    scope=Scope.READ_OPERATIONS,
    response=page_of(RunResponse),
    query=OfCentreParams,
    tag="operations",
)
def list_runs(params: dict[str, Any]) -> Response:
    """Runs, the newest first: by schedule, by command, and each change by a request."""
    return paged_response(
        params,
        lambda tx, before, most, reach: queries.runs(tx, params, before, most, reach),
        lambda _, rows: [run_document(row) for row in rows],
    )


@route(
    "/centres/<code>/runs",
    method="POST",
    scope=Scope.WRITE_OPERATIONS,
    body=RunFlowsSchema(),
    response=DoneResponse,
    status=202,
    example={"flows": ["enrolments"]},
    tag="operations",
)
def request_run(body: dict[str, Any], code: str) -> Response:
    """Requests a run of a centre now.

    It begins within seconds, and also sends what waits after a failure."""
    bridge = the_bridge()
    with bridge.database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())
    if not centre.active:
        raise Refused("centre-paused", f"{code} is paused.", "Resume it first.")
    flows = [flow for flow in Flow if flow in body["flows"] or not body["flows"]]
    with bridge.database.writing() as tx:
        run_requests.request_run(tx, [code], flows, utc_now(), caller().name, by_person=True)
    done = orjson.dumps({"message": "A run begins within seconds."})
    return Response(done, 202, mimetype=JSON)


@route(
    "/centres/<code>/state",
    scope=Scope.READ_OPERATIONS,
    response=CentreStateResponse,
    tag="operations",
)
def show_state(code: str) -> Response:
    """How the flows of a centre go, the worst of them, and what waits."""
    with the_bridge().database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())
        state = centre_state_document(tx, centre)
    return json_response(state)


@route(f"/runs/{NUMBER}", scope=Scope.READ_OPERATIONS, response=RunResponse, tag="operations")
def show_run(number: int) -> Response:
    """One run."""
    with the_bridge().database.reading() as tx:
        row = _run_in_scope(tx, number)
    return json_response(run_document(row))


def _run_in_scope(tx: Connection, number: int) -> Row[Any]:
    row = runs.run_row(tx, number)
    if row is None:
        raise _no_such_run()
    of_the_academy = not row.centre and caller().centres(tx) is None
    if not of_the_academy:
        caller().centre_in_scope(tx, row.centre, _no_such_run())
    return row


@route(
    f"/runs/{NUMBER}/items",
    scope=Scope.READ_OPERATIONS,
    response=page_of(ItemResponse),
    query=ItemsParams,
    tag="operations",
)
def list_items(params: dict[str, Any], number: int) -> Response:
    """The items of a run: each record, before and after."""
    named = (params.get(name, "") for name in ("kind", "state", "offering", "learner"))
    wanted = ItemFilter(*map(str, named))
    with the_bridge().database.reading() as tx:
        _run_in_scope(tx, number)
    return paged_response(
        params,
        lambda tx, after, most, _: items_by_number(tx, number, wanted, after=after, most=most),
        lambda _, rows: [item_document(row) for row in rows],
    )
