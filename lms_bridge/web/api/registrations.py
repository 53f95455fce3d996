"""Registrations: one by one, a whole group, and what becomes of them."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.lifecycle import EnrolmentAction, enrolment_actions, next_step
from lms_bridge.domain.model import Centre, Kind, Offering
from lms_bridge.schemas.asked import AskedRegistrations, NothingSchema, RegisterSchema
from lms_bridge.schemas.shown import ShownRegistration, page_of
from lms_bridge.store import offerings
from lms_bridge.sync.enrolment_acts import EnrolmentAct, act_on_enrolment, register
from lms_bridge.sync.work import Work, utc_now
from lms_bridge.web.api import replies
from lms_bridge.web.api.acting import change
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.listing import paged
from lms_bridge.web.api.offerings import reached
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import NUMBER, route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import interface

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


def no_such_registration() -> NotFound:
    return NotFound("no-such-registration", "There is no such registration.")


@route(
    "/registrations",
    scope=Scope.READ_ENROLMENTS,
    answer=page_of(ShownRegistration),
    query=AskedRegistrations,
    tag=TAG,
)
def list_registrations(asked: dict[str, Any]) -> Response:
    """Registrations within the token's reach."""
    return paged(
        asked,
        lambda tx, after, most, reach: interface.registrations(tx, asked, after, most, reach),
        shown_registrations,
    )


def shown_registrations(tx: Connection, rows: interface.Rows) -> list[dict[str, Any]]:
    of = offerings.offerings(tx, {row.offering_id for row in rows})
    return [shown_registration(row, of[row.offering_id]) for row in rows]


def shown_registration(row: Row[Any], offering: Offering) -> dict[str, Any]:
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
        "actions": [str(each) for each in enrolment_actions(row.status)],
        "next_step": next_step(row.status, offering, utc_now()),
    }


@route(
    f"/registrations/{NUMBER}",
    scope=Scope.READ_ENROLMENTS,
    answer=ShownRegistration,
    tag=TAG,
)
def show_registration(number: int) -> Response:
    """One registration, with what happens next."""
    with the_bridge().database.reading() as tx:
        row, _ = reached_registration(tx, number)
        (document,) = shown_registrations(tx, [row])
    return replies.shown(document, row.revision)


def reached_registration(tx: Connection, number: int) -> tuple[Row[Any], Centre]:
    """Raises NotFound when there is none, as far as the caller may know."""
    row = interface.registration(tx, number)
    if row is None:
        raise no_such_registration()
    return row, caller().check_reach(tx, row.centre, no_such_registration())


def told_of(tx: Connection, number: int, status: int = 200) -> Reply:
    """A registration as it is now, as an answer."""
    row = interface.registration(tx, number)
    if row is None:
        raise no_such_registration()
    (document,) = shown_registrations(tx, [row])
    return Reply(document, status, row.revision)


def _add_registering(action: EnrolmentAction) -> None:
    @route(
        f"/offerings/<code>/{action}",
        method="POST",
        name=f"{action}_learner",
        summary=_REGISTRATION[action],
        scope=Scope.WRITE_ENROLMENTS,
        body=RegisterSchema(),
        answer=ShownRegistration,
        status=201,
        example=_EXAMPLE,
        headers=("IdempotencyKey",),
        tag=TAG,
    )
    def act(given: dict[str, Any], code: str) -> Response:
        with the_bridge().database.reading() as tx:
            _, centre = reached(tx, code)

        def do(tx: Connection, work: Work) -> Reply:
            stored = register(tx, work, code, given["learner"], action)
            return told_of(tx, stored.id, 201)

        return change(centre, Kind.ENROLMENT, do)


def _add_acting(action: EnrolmentAction) -> None:
    @route(
        f"/registrations/{NUMBER}/{action.replace('_', '-')}",
        method="POST",
        name=f"{action}_registration",
        summary=_MEANINGS[action],
        scope=Scope.WRITE_ENROLMENTS,
        body=NothingSchema(),
        answer=ShownRegistration,
        example={},
        headers=("IfMatch", "IdempotencyKey"),
        tag=TAG,
    )
    def act(_: dict[str, Any], number: int) -> Response:
        revision = replies.wanted_revision()
        with the_bridge().database.reading() as tx:
            _row, centre = reached_registration(tx, number)

        def do(tx: Connection, work: Work) -> Reply:
            stored = act_on_enrolment(tx, work, EnrolmentAct(number, action, revision))
            return told_of(tx, stored.id)

        return change(centre, Kind.ENROLMENT, do)


for _action in _REGISTRATION:
    _add_registering(_action)
for _action in _MEANINGS:
    _add_acting(_action)
