"""Results: as the centres' LMSs give them, or as people enter them."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.schemas.asked import AskedResults
from lms_bridge.schemas.enrolment import ResultSchema
from lms_bridge.schemas.shown import ShownResult, ShownResultEntered, page_of
from lms_bridge.sync.enrolment_acts import enter_result
from lms_bridge.sync.work import Work
from lms_bridge.web.api import replies
from lms_bridge.web.api.acting import change
from lms_bridge.web.api.centres import shown_findings
from lms_bridge.web.api.listing import paged
from lms_bridge.web.api.registrations import reached_registration
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import NUMBER, route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import interface

_PATH = f"/registrations/{NUMBER}/result"


def _no_such_result() -> NotFound:
    return NotFound("no-such-result", "There is no result of this registration.")


@route(
    "/results",
    scope=Scope.READ_RESULTS,
    answer=page_of(ShownResult),
    query=AskedResults,
    tag="results",
)
def list_results(asked: dict[str, Any]) -> Response:
    """Results within the token's reach."""
    return paged(
        asked,
        lambda tx, after, most, reach: interface.results(tx, asked, after, most, reach),
        lambda _, rows: [shown_result(row) for row in rows],
    )


def shown_result(row: Row[Any]) -> dict[str, Any]:
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


@route(_PATH, scope=Scope.READ_RESULTS, answer=ShownResult, tag="results")
def show_result(number: int) -> Response:
    """The result of one registration."""
    with the_bridge().database.reading() as tx:
        reached_registration(tx, number)
        row = interface.result_of(tx, number)
    if row is None:
        raise _no_such_result()
    return replies.shown(shown_result(row), row.revision)


@route(
    _PATH,
    method="PUT",
    scope=Scope.WRITE_RESULTS,
    body=ResultSchema(),
    answer=ShownResultEntered,
    example={"score": "71.5", "completed": True, "completed_at": "2026-03-31T15:00:00Z"},
    headers=("IfMatch", "IdempotencyKey"),
    tag="results",
)
def put_result(given: dict[str, Any], number: int) -> Response:
    """Enters a result, or replaces it. Those that the centre's LMS gives are changed there."""
    rules = the_bridge().settings.rules
    revision = replies.wanted_revision()
    with the_bridge().database.reading() as tx:
        _, centre = reached_registration(tx, number)

    def do(tx: Connection, work: Work) -> Reply:
        _, _, found = enter_result(tx, work, number, given, rules, revision)
        row = interface.result_of(tx, number)
        if row is None:
            raise _no_such_result()
        body = {**shown_result(row), "warnings": shown_findings(found)}
        return Reply(body, revision=row.revision)

    return change(centre, Kind.RESULT, do)
