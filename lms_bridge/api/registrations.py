"""Registrations: read, made one by one, and moved from status to status."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.api import queries
from lms_bridge.api.auth import caller
from lms_bridge.api.changes import change
from lms_bridge.api.offerings import offering_in_scope
from lms_bridge.api.pagination import paged_response
from lms_bridge.api.responses import ApiResponse, if_match_revision, json_response
from lms_bridge.api.route import NUMBER, route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.domain.lifecycle import (
    EnrolmentAction,
    EnrolmentPlace,
    next_step,
    possible_enrolment_actions,
)
from lms_bridge.domain.model import Centre, Kind, Offering
from lms_bridge.domain.policy import Policy
from lms_bridge.schemas.params import (
    NothingSchema,
    QuestionsSchema,
    RegisterSchema,
    RegistrationsParams,
)
from lms_bridge.schemas.responses import QuestionsResponse, RegistrationResponse, page_of
from lms_bridge.store import centres, offerings
from lms_bridge.store.registration_forms import answers_of, questions_of, set_questions
from lms_bridge.sync.context import API, RunContext
from lms_bridge.sync.enrolment_actions import (
    EnrolmentChange,
    change_enrolment,
    kept_by_academy,
    no_such_registration,
    places,
    register,
)
from lms_bridge.web.access import the_bridge

TAG = "registrations"
_MEANINGS = {
    EnrolmentAction.SELECT: "Selects an applicant; a free place enrols at once",
    EnrolmentAction.REJECT: "Rejects an applicant",
    EnrolmentAction.INVOICE: "Notes that the invoice was sent",
    EnrolmentAction.CONFIRM_PAYMENT: "Confirms the payment, and enrols",
    EnrolmentAction.START: "Notes that the learner has begun",
    EnrolmentAction.COMPLETE: "Notes that the learner has completed the course",
    EnrolmentAction.NOT_COMPLETE: "Notes that the learner has not completed the course",
    EnrolmentAction.CERTIFY: "Releases the certificate, once the report is validated",
    EnrolmentAction.WITHDRAW: "Withdraws a learner",
    EnrolmentAction.CANCEL: "Cancels a registration",
}
_REGISTRATION = {
    EnrolmentAction.REGISTER: "Registers a learner directly; a free place enrols at once",
    EnrolmentAction.APPLY: "Applies for a place that the coordinator gives out",
}
_EXAMPLE = {
    "learner": {
        "id": "SAMPLE-1",
        "given_name": "Sample",
        "family_name": "Learner",
        "email": "sample.learner@example.org",
        "country": "KE",
    }
}


@route(
    "/registrations",
    scope=Scope.READ_ENROLMENTS,
    response=page_of(RegistrationResponse),
    query=RegistrationsParams,
    tag=TAG,
)
def list_registrations(params: dict[str, Any]) -> Response:
    """Registrations that the token may read."""
    return paged_response(
        params,
        lambda tx, after, most, reach: queries.registrations(tx, params, after, most, reach),
        registration_documents,
    )


def registration_documents(tx: Connection, rows: queries.Rows) -> list[dict[str, Any]]:
    bridge, now = the_bridge(), utc_now()
    of = offerings.offerings(tx, {row.offering_id for row in rows})
    known = {each.code: each for each in centres.all_centres(tx)}
    by_policy: dict[Policy, dict[int, Offering]] = {}  # most centres have the general one
    for id_, each in of.items():
        centre = known.get(each.centre)
        policy = bridge.policy_of(centre) if centre else bridge.settings.policy
        by_policy.setdefault(policy, {})[id_] = each
    found: dict[int, EnrolmentPlace] = {}
    for policy, mine in by_policy.items():
        found |= places(tx, policy, mine, now)
    elsewhere = kept_by_academy(tx, [row.id for row in rows])
    answers = answers_of(tx, [row.id for row in rows])
    may = caller().may(Scope.WRITE_ENROLMENTS)
    return [
        {
            **registration_document(
                row, found[row.offering_id], here=may and row.id not in elsewhere
            ),
            "answers": answers.get(row.id, []),
        }
        for row in rows
    ]


def registration_document(row: Row[Any], place: EnrolmentPlace, *, here: bool) -> dict[str, Any]:
    """``here`` says whether the reader can change it here at all."""
    actions = possible_enrolment_actions(row.status, place) if here else ()
    return {
        "number": row.id,
        "centre": row.centre,
        "offering": row.offering,
        "learner": {
            "id": row.academy_id,
            **{
                name: getattr(row, name)
                for name in ("given_name", "family_name", "email", "language", "country")
            },
        },
        "status": str(row.status),
        "starts_at": plain(row.starts_at),
        "ends_at": plain(row.ends_at),
        "changed_at": plain(row.changed_at),
        "actions": [str(each) for each in actions],
        "next_step": next_step(row.status, place.offering, place.now),
    }


@route(
    f"/registrations/{NUMBER}",
    scope=Scope.READ_ENROLMENTS,
    response=RegistrationResponse,
    tag=TAG,
)
def show_registration(number: int) -> Response:
    """One registration, with what happens next."""
    with the_bridge().database.reading() as tx:
        row, _ = registration_in_scope(tx, number)
        (document,) = registration_documents(tx, [row])
    return json_response(document, row.revision)


def registration_in_scope(tx: Connection, number: int) -> tuple[Row[Any], Centre]:
    """Raises NotFound when there is none, or the caller may not know of it."""
    row = queries.registration(tx, number)
    if row is None:
        raise no_such_registration()
    return row, caller().centre_in_scope(tx, row.centre, no_such_registration())


def registration_response(tx: Connection, number: int, status: int = 200) -> ApiResponse:
    """The response with a registration as it is now."""
    row = queries.registration(tx, number)
    if row is None:
        raise no_such_registration()
    (document,) = registration_documents(tx, [row])
    return ApiResponse(document, status, row.revision)


@route(
    "/offerings/<code>/questions",
    scope=Scope.READ_OFFERINGS,
    response=QuestionsResponse,
    tag=TAG,
)
def show_questions(code: str) -> Response:
    """What the organiser asks whoever registers."""
    with the_bridge().database.reading() as tx:
        offering_in_scope(tx, code)
        return json_response({"questions": list(questions_of(tx, _number(tx, code)))})


def _number(tx: Connection, code: str) -> int:
    return offerings.offerings_by_code(tx, [code])[code][0]


@route(
    "/offerings/<code>/questions",
    method="PUT",
    scope=Scope.WRITE_OFFERINGS,
    body=QuestionsSchema(),
    response=QuestionsResponse,
    example={"questions": ["Why do you want to take part?"]},
    headers=("IdempotencyKey",),
    tag=TAG,
)
def put_questions(body: dict[str, Any], code: str) -> Response:
    """Replaces what the organiser asks. Answers that were given stay as they are."""
    with the_bridge().database.reading() as tx:
        _, centre = offering_in_scope(tx, code)
        record_id = _number(tx, code)

    def do(tx: Connection, context: RunContext) -> ApiResponse:
        set_questions(tx, record_id, body["questions"])
        context.note(
            Kind.OFFERING, API, "questions", record_id=record_id, external_id=code, fields=None
        )
        return ApiResponse({"questions": list(body["questions"])})

    return change(centre, Kind.OFFERING, do)


def _add_register(action: EnrolmentAction) -> None:
    @route(
        f"/offerings/<code>/{action}",
        method="POST",
        name=f"{action}_learner",
        summary=_REGISTRATION[action],
        scope=Scope.WRITE_ENROLMENTS,
        body=RegisterSchema(),
        response=RegistrationResponse,
        status=201,
        example=_EXAMPLE,
        headers=("IdempotencyKey",),
        tag=TAG,
    )
    def act(body: dict[str, Any], code: str) -> Response:
        with the_bridge().database.reading() as tx:
            _, centre = offering_in_scope(tx, code)

        def do(tx: Connection, context: RunContext) -> ApiResponse:
            stored = register(tx, context, code, body["learner"], action, caller().realm(centre))
            return registration_response(tx, stored.id, 201)

        return change(centre, Kind.ENROLMENT, do)


def _add_action(action: EnrolmentAction) -> None:
    @route(
        f"/registrations/{NUMBER}/{action.replace('_', '-')}",
        method="POST",
        name=f"{action}_registration",
        summary=_MEANINGS[action],
        scope=Scope.WRITE_ENROLMENTS,
        body=NothingSchema(),
        response=RegistrationResponse,
        example={},
        headers=("IfMatch", "IdempotencyKey"),
        tag=TAG,
    )
    def act(_: dict[str, Any], number: int) -> Response:
        revision = if_match_revision()
        with the_bridge().database.reading() as tx:
            _row, centre = registration_in_scope(tx, number)

        def do(tx: Connection, context: RunContext) -> ApiResponse:
            stored = change_enrolment(tx, context, EnrolmentChange(number, action, revision))
            return registration_response(tx, stored.id)

        return change(centre, Kind.ENROLMENT, do)


for _action in _REGISTRATION:
    _add_register(_action)
for _action in _MEANINGS:
    _add_action(_action)
