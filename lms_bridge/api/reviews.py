"""The papers of an offering: its outline and review, its history, its reports, its certificates."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection

from lms_bridge.api import queries
from lms_bridge.api.auth import caller
from lms_bridge.api.changes import change, change_in_parts
from lms_bridge.api.offerings import (
    may_act,
    no_such_offering,
    offering_document,
    offering_in_scope,
)
from lms_bridge.api.responses import ApiResponse, if_match_revision, json_response
from lms_bridge.api.route import route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import document, plain
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Kind, OfferingStatus
from lms_bridge.domain.reviews import POINTS, Outline, ReviewRound, rounds_of
from lms_bridge.schemas.params import CertifySchema, CommentSchema, CompletionSchema, OutlineSchema
from lms_bridge.schemas.responses import (
    CertificatesResponse,
    HistoryResponse,
    OfferingResponse,
    ReportsResponse,
    ReviewResponse,
)
from lms_bridge.store import offerings, reviews, status_history
from lms_bridge.sync.certificates import certify
from lms_bridge.sync.completions import complete
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import (
    SILENCE,
    check_revision,
    comment_on,
    find_offering,
    state_outline,
)
from lms_bridge.sync.offering_life import life_of
from lms_bridge.web.access import the_bridge

TAG = "offerings"
_OUTCOMES = {
    OfferingAction.REVIEW: "no_objection",
    OfferingAction.OBJECT: "objection",
    OfferingAction.CANCEL: "cancelled",
    SILENCE: SILENCE,
}


@route("/offerings/<code>/review", scope=Scope.READ_OFFERINGS, response=ReviewResponse, tag=TAG)
def show_review(code: str) -> Response:
    """The outline of an offering, the experts' points, and each submission with its comments."""
    with the_bridge().database.reading() as tx:
        offering_in_scope(tx, code)
        found = review_document(tx, code)
    return json_response(found)


def review_document(tx: Connection, code: str) -> dict[str, Any]:
    record_id, record = offerings.offerings_by_code(tx, [code])[code]
    kept = status_history.kept_statuses(tx, [record_id]).get(record_id)
    history, comments = reviews.changes_of(tx, record_id), reviews.comments_of(tx, record_id)
    rounds = rounds_of(history, comments)
    under_review = record.status is OfferingStatus.SUBMITTED
    return {
        "offering": code,
        "status": str(record.status),
        "deadline": plain(rounds[-1].submission.deadline) if rounds and under_review else None,
        "silence_counts": under_review and kept is not None and kept.deadline is not None,
        "points": [{"point": str(each), "meaning": text} for each, text in POINTS.items()],
        "outline": document(reviews.outline_of(tx, record_id)),
        "rounds": [_round_document(each) for each in rounds],
    }


def _round_document(each: ReviewRound) -> dict[str, Any]:
    sent, end = each.submission, each.end
    return {
        "submitted_at": plain(sent.at),
        "submitted_by": sent.by,
        "deadline": plain(sent.deadline),
        "outline": dict(sent.outline or {}),
        "comments": [document(comment) for comment in each.comments],
        "outcome": _OUTCOMES.get(end.action, end.action) if end else "waiting",
        "decided_at": plain(end.at) if end else None,
        "decided_by": end.by if end else "",
        "point": end.point if end else "",
        "reason": end.reason if end else "",
    }


@route("/offerings/<code>/history", scope=Scope.READ_OFFERINGS, response=HistoryResponse, tag=TAG)
def show_history(code: str) -> Response:
    """Each change of an offering's status by a person, and each review that ended by silence."""
    with the_bridge().database.reading() as tx:
        offering_in_scope(tx, code)
        items = history_document(tx, code)
    return json_response({"items": items})


def history_document(tx: Connection, code: str) -> list[dict[str, Any]]:
    record_id, _ = offerings.offerings_by_code(tx, [code])[code]
    names = ("at", "by", "action", "before", "after", "reason", "point")
    return [
        {name: plain(getattr(each, name)) for name in names}
        for each in reviews.changes_of(tx, record_id)
    ]


@route("/offerings/<code>/reports", scope=Scope.READ_OFFERINGS, response=ReportsResponse, tag=TAG)
def show_reports(code: str) -> Response:
    """The end-of-training reports of an offering, with what became of each."""
    with the_bridge().database.reading() as tx:
        offering_in_scope(tx, code)
        items = reports_document(tx, code)
    return json_response({"items": items})


def reports_document(tx: Connection, code: str) -> list[dict[str, Any]]:
    record_id, _ = offerings.offerings_by_code(tx, [code])[code]
    names = ("state", "at", "by", "figures", "decided_at", "decided_by", "reason")
    return [
        {**document(each.fields), **{name: plain(getattr(each, name)) for name in names}}
        for each in reviews.reports_of(tx, record_id)
    ]


@route(
    "/offerings/<code>/outline",
    method="PUT",
    scope=Scope.WRITE_OFFERINGS,
    body=OutlineSchema(),
    response=ReviewResponse,
    example={"mandate": "Spectrum management is a task of the ITU.", "instructors": ["A sample"]},
    headers=("IdempotencyKey",),
    tag=TAG,
)
def put_outline(body: dict[str, Any], code: str) -> Response:
    """States what the offering's own fields do not say, before the outline is submitted."""
    with the_bridge().database.reading() as tx:
        _, centre = offering_in_scope(tx, code)
    who = caller().name

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        state_outline(tx, context, code, Outline(**body), who)
        return ApiResponse(review_document(tx, code))

    return change(centre, Kind.OFFERING, do)


@route(
    "/offerings/<code>/comments",
    method="POST",
    scope=Scope.REVIEW_OFFERINGS,
    body=CommentSchema(),
    response=ReviewResponse,
    status=201,
    example={"point": "accuracy", "text": "The band of the example was re-allocated in 2023."},
    headers=("IdempotencyKey",),
    tag=TAG,
)
def add_comment(body: dict[str, Any], code: str) -> Response:
    """Comments on a point of an outline. Before the deadline this breaks the silence."""
    with the_bridge().database.reading() as tx:
        _, centre = offering_in_scope(tx, code)
    who = caller().name

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        comment_on(tx, context, code, body["point"], body["text"], who)
        return ApiResponse(review_document(tx, code), 201)

    return change(centre, Kind.OFFERING, do)


@route(
    "/offerings/<code>",
    method="PATCH",
    scope=Scope.WRITE_OFFERINGS,
    body=CompletionSchema(),
    response=OfferingResponse,
    example={"modality": "blended", "starts_at": "2027-03-01", "ends_at": "2027-03-05"},
    headers=("IfMatch", "IdempotencyKey"),
    tag=TAG,
)
def complete_offering(body: dict[str, Any], code: str) -> Response:
    """Fills fields that the offering's source leaves empty, as of a resource with only a title."""
    bridge, who, revision = the_bridge(), caller().name, if_match_revision()
    with bridge.database.reading() as tx:
        _, centre = offering_in_scope(tx, code)
    may = may_act(centre)

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        record_id, _ = find_offering(tx, centre.code, code)
        check_revision(tx, record_id, revision)
        _, record = complete(tx, context, code, body, who)
        row = queries.one_offering(tx, code)
        if row is None:
            raise no_such_offering()
        life = life_of(tx, row.id, record.centre)
        shown = offering_document(
            record, row.changed_at, bridge.settings.rules, whole=True, life=life, may=may
        )
        return ApiResponse(shown, revision=row.revision)

    return change(centre, Kind.OFFERING, do)


@route(
    "/offerings/<code>/certify",
    method="POST",
    scope=Scope.WRITE_ENROLMENTS,
    body=CertifySchema(),
    response=CertificatesResponse,
    example={"learners": ["SAMPLE-1"]},
    headers=("IdempotencyKey",),
    tag=TAG,
)
def certify_offering(body: dict[str, Any], code: str) -> Response:
    """Releases the certificates of all who completed, or of the named learners alone."""
    with the_bridge().database.reading() as tx:
        _, centre = offering_in_scope(tx, code)

    def do(context: RunContext) -> ApiResponse:
        rows = certify(context, code, body["learners"])
        return ApiResponse({"rows": [document(each) for each in rows]})

    return change_in_parts(centre, Kind.ENROLMENT, do)
