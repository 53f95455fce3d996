"""For operators: holds, learners without a matched account, and sending again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.api import queries
from lms_bridge.api.auth import caller
from lms_bridge.api.centres import no_such_centre
from lms_bridge.api.changes import change
from lms_bridge.api.documents import (
    hold_document,
    hold_documents,
    quarantine_document,
    unmatched_document,
)
from lms_bridge.api.pagination import paged_response
from lms_bridge.api.responses import ApiResponse, json_response
from lms_bridge.api.route import NUMBER, route
from lms_bridge.domain.access import VALUES_NEED, Scope
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.domain.plurals import counted
from lms_bridge.schemas.params import (
    HoldsParams,
    MatchSchema,
    NothingSchema,
    OfCentreParams,
    ResendSchema,
)
from lms_bridge.schemas.responses import (
    DoneResponse,
    HoldResponse,
    QuarantineResponse,
    UnmatchedResponse,
    page_of,
)
from lms_bridge.store import centres, holds, retries
from lms_bridge.sync.context import API, RunContext
from lms_bridge.sync.holds import decide_hold, match_person, request_run, resend
from lms_bridge.web.access import the_bridge

DECIDED = "decided"


def _no_such_hold() -> NotFound:
    return NotFound("no-such-hold", "There is no such hold.")


@route(
    "/holds",
    scope=Scope.READ_OPERATIONS,
    response=page_of(HoldResponse),
    query=HoldsParams,
    tag="operations",
)
def list_holds(params: dict[str, Any]) -> Response:
    """Plans and conflicts that wait for a decision, the newest first."""
    return paged_response(
        params,
        lambda tx, before, most, reach: queries.holds(tx, params, before, most, reach),
        hold_documents,
    )


def _hold_in_scope(tx: Connection, number: int) -> tuple[Row[Any], Any]:
    row = holds.hold_row(tx, number)
    if row is None:
        raise _no_such_hold()
    return row, caller().centre_in_scope(tx, row.centre, _no_such_hold())


@route(f"/holds/{NUMBER}", scope=Scope.READ_OPERATIONS, response=HoldResponse, tag="operations")
def show_hold(number: int) -> Response:
    """One hold, with its records, its conflicts field by field, and what each decision does."""
    with the_bridge().database.reading() as tx:
        row, _ = _hold_in_scope(tx, number)
        document = hold_document(tx, row)
    return json_response(document)


def _add_decision(verb: str, approve: bool, meaning: str) -> None:
    @route(
        f"/holds/{NUMBER}/{verb}",
        method="POST",
        name=f"{verb}_hold",
        summary=meaning,
        scope=Scope.WRITE_OPERATIONS,
        body=NothingSchema(),
        response=HoldResponse,
        example={},
        headers=("IdempotencyKey",),
        tag="operations",
    )
    def act(_: dict[str, Any], number: int) -> Response:
        who = caller().name
        with the_bridge().database.reading() as tx:
            row, centre = _hold_in_scope(tx, number)

        def do(tx: Connection, context: RunContext) -> ApiResponse:
            decide_hold(tx, number, approve=approve, by=who, at=context.now())
            context.note(Kind(row.kind), row.system, verb, DECIDED, external_id=f"hold {number}")
            decided, _ = _hold_in_scope(tx, number)
            return ApiResponse(hold_document(tx, decided))

        return change(centre, Kind(row.kind), do)


_add_decision("approve", True, "Approves the removals, or sends the record again, at the next run")
_add_decision("reject", False, "Keeps the records, or the values at the target, as they are")


def _no_such_person() -> NotFound:
    return NotFound("no-such-person", "Nobody of that number waits to be matched.")


@route(
    "/quarantine",
    scope=Scope.READ_OPERATIONS,
    response=page_of(QuarantineResponse),
    query=OfCentreParams,
    tag="operations",
)
def list_quarantine(params: dict[str, Any]) -> Response:
    """Records that cannot be used, the newest first; the values at fault need the right to read
    such records."""

    def documents(tx: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
        known = {each.code: each for each in centres.all_centres(tx)}
        return [
            quarantine_document(
                row,
                shows_values=caller().may(VALUES_NEED[Kind(row.kind)], known.get(row.centre)),
            )
            for row in rows
        ]

    return paged_response(
        params,
        lambda tx, before, most, reach: queries.quarantined(tx, params, before, most, reach),
        documents,
    )


@route(
    "/unmatched",
    scope=Scope.READ_OPERATIONS,
    response=page_of(UnmatchedResponse),
    query=OfCentreParams,
    tag="operations",
)
def list_unmatched(params: dict[str, Any]) -> Response:
    """Learners whose account at a centre is not known, with the likely accounts."""
    return paged_response(
        params,
        lambda tx, after, most, reach: queries.people(tx, params, after, most, reach),
        lambda _, rows: [unmatched_document(row) for row in rows],
    )


@route(
    f"/unmatched/{NUMBER}/match",
    method="POST",
    scope=Scope.WRITE_OPERATIONS,
    body=MatchSchema(),
    response=DoneResponse,
    example={"account": "4711"},
    headers=("IdempotencyKey",),
    tag="operations",
)
def match_learner(body: dict[str, Any], number: int) -> Response:
    """Sets the account of a learner, or asks for a new account."""
    with the_bridge().database.reading() as tx:
        row = queries.person(tx, number)
        if row is None:
            raise _no_such_person()
        centre = caller().centre_in_scope(tx, row.centre, _no_such_person())
    account = body.get("account") or None

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        learner_id = match_person(tx, centre.code, row.academy_id, account)
        request_run(tx, centre.code, [Kind.ENROLMENT], context.now(), caller().name)
        context.note(
            Kind.LEARNER,
            centre.system,
            "match",
            DECIDED,
            record_id=learner_id,
            external_id=account or "",
        )
        return ApiResponse({"message": "The next run enrols the learner with that account."})

    return change(centre, Kind.LEARNER, do)


@route(
    "/centres/<code>/resend",
    method="POST",
    scope=Scope.WRITE_OPERATIONS,
    body=ResendSchema(),
    response=DoneResponse,
    example={"kind": "offering"},
    headers=("IdempotencyKey",),
    tag="operations",
)
def resend_failed(body: dict[str, Any], code: str) -> Response:
    """Sends failed records again without a further delay; a run for it begins within seconds."""
    with the_bridge().database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        chosen: dict[Kind, list[int]] = {}
        for row in retries.failing_links(tx, code):
            if body["kind"] in (None, row.kind):
                chosen.setdefault(Kind(row.kind), []).append(row.record_id)
        for kind, ids in chosen.items():
            resend(tx, code, kind, ids, by=caller().name, at=context.now())
            context.note(kind, API, "resend", DECIDED, external_id=counted(len(ids), "record"))
        number = sum(map(len, chosen.values()))
        return ApiResponse({"message": f"The next run sends {counted(number, 'record')}."})

    return change(centre, body["kind"] or Kind.OFFERING, do)
