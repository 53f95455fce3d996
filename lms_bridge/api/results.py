"""Results: read, and entered by hand."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.api import queries
from lms_bridge.api.centres import findings_document
from lms_bridge.api.changes import change
from lms_bridge.api.pagination import paged_response
from lms_bridge.api.registrations import registration_in_scope
from lms_bridge.api.responses import ApiResponse, if_match_revision, json_response
from lms_bridge.api.route import NUMBER, route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.schemas.params import ResultsParams
from lms_bridge.schemas.records import ResultSchema
from lms_bridge.schemas.responses import ResultEnteredResponse, ResultResponse, page_of
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.enrolment_actions import ResultEntry, enter_result
from lms_bridge.web.access import the_bridge

_PATH = f"/registrations/{NUMBER}/result"


def _no_such_result() -> NotFound:
    return NotFound("no-such-result", "There is no result of this registration.")


@route(
    "/results",
    scope=Scope.READ_RESULTS,
    response=page_of(ResultResponse),
    query=ResultsParams,
    tag="results",
)
def list_results(params: dict[str, Any]) -> Response:
    """Results that the token may read."""
    return paged_response(
        params,
        lambda tx, after, most, reach: queries.results(tx, params, after, most, reach),
        lambda _, rows: [result_document(row) for row in rows],
    )


def result_document(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.enrolment_id,
        "centre": row.centre,
        "offering": row.offering,
        "learner": row.academy_id,
        "score": plain(row.score),
        "scale_min": plain(row.scale_min),
        "scale_max": plain(row.scale_max),
        "completed": row.completed,
        "completed_at": plain(row.completed_at),
        "graded_at": plain(row.graded_at),
        "changed_at": plain(row.changed_at),
    }


@route(_PATH, scope=Scope.READ_RESULTS, response=ResultResponse, tag="results")
def show_result(number: int) -> Response:
    """The result of one registration."""
    with the_bridge().database.reading() as tx:
        registration_in_scope(tx, number)
        row = queries.result_of(tx, number)
    if row is None:
        raise _no_such_result()
    return json_response(result_document(row), row.revision)


@route(
    _PATH,
    method="PUT",
    scope=Scope.WRITE_RESULTS,
    body=ResultSchema(),
    response=ResultEnteredResponse,
    example={"score": "71.5", "completed": True, "completed_at": "2026-03-31T15:00:00Z"},
    headers=("IfMatch", "IdempotencyKey"),
    tag="results",
)
def put_result(body: dict[str, Any], number: int) -> Response:
    """Enters or replaces a result. Results from the centre's LMS can only be changed there."""
    rules = the_bridge().settings.rules
    revision = if_match_revision()
    with the_bridge().database.reading() as tx:
        _, centre = registration_in_scope(tx, number)

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        entered = enter_result(tx, context, ResultEntry(number, body, revision), rules)
        row = queries.result_of(tx, number)
        if row is None:
            raise _no_such_result()
        document = {**result_document(row), "warnings": findings_document(entered.warnings)}
        return ApiResponse(document, revision=row.revision)

    return change(centre, Kind.RESULT, do)
