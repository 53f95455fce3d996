"""Registrations: one by one, a whole group, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Row

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import BridgeError, NotFound, NotUnderstood, RecordRefused, Refused
from lms_bridge.domain.lifecycle import EnrolmentAction, enrolment_actions, next_step
from lms_bridge.domain.model import Centre, Kind, Learner, Offering, RegistrationType
from lms_bridge.schemas.asked import AskedRegistrations, NothingSchema, RegisterSchema
from lms_bridge.schemas.csv import Row as FileRow
from lms_bridge.schemas.csv import read_group
from lms_bridge.schemas.enrolment import LearnerSchema
from lms_bridge.schemas.load import load
from lms_bridge.schemas.shown import ShownGroup, ShownRegistration, page_of
from lms_bridge.store import offerings
from lms_bridge.sync.enrolment_acts import EnrolmentAct, act_on_enrolment, register
from lms_bridge.sync.work import Work
from lms_bridge.web.api import replies
from lms_bridge.web.api.acting import change
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.listing import paged
from lms_bridge.web.api.offerings import reached
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import interface

CSV = "text/csv"
MOST_IN_GROUP = 1_000
GROUP_BYTES = 1024 * 1024
_TAG = "registrations"
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
    tag=_TAG,
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
        "next_step": next_step(row.status, offering),
    }


@route(
    "/registrations/<int(max=2147483647):number>",
    scope=Scope.READ_ENROLMENTS,
    answer=ShownRegistration,
    tag=_TAG,
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


def _told(tx: Connection, number: int, status: int = 200) -> Reply:
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
        tag=_TAG,
    )
    def act(given: dict[str, Any], code: str) -> Response:
        with the_bridge().database.reading() as tx:
            _, centre = reached(tx, code)

        def do(tx: Connection, work: Work) -> Reply:
            stored = register(tx, work, code, given["learner"], action)
            return _told(tx, stored.id, 201)

        return change(centre, Kind.ENROLMENT, do)


def _add_acting(action: EnrolmentAction) -> None:
    @route(
        f"/registrations/<int(max=2147483647):number>/{action.replace('_', '-')}",
        method="POST",
        name=f"{action}_registration",
        summary=_MEANINGS[action],
        scope=Scope.WRITE_ENROLMENTS,
        body=NothingSchema(),
        answer=ShownRegistration,
        example={},
        headers=("IfMatch", "IdempotencyKey"),
        tag=_TAG,
    )
    def act(_: dict[str, Any], number: int) -> Response:
        revision = replies.wanted_revision()
        with the_bridge().database.reading() as tx:
            _row, centre = reached_registration(tx, number)

        def do(tx: Connection, work: Work) -> Reply:
            stored = act_on_enrolment(tx, work, EnrolmentAct(number, action, revision))
            return _told(tx, stored.id)

        return change(centre, Kind.ENROLMENT, do)


for _action in _REGISTRATION:
    _add_registering(_action)
for _action in _MEANINGS:
    _add_acting(_action)


# ---- a group -----------------------------------------------------------------------------------


@route(
    "/offerings/<code>/group",
    method="POST",
    scope=Scope.WRITE_ENROLMENTS,
    answer=ShownGroup,
    media=(CSV,),
    most_bytes=GROUP_BYTES,
    headers=("IdempotencyKey",),
    tag=_TAG,
)
def register_group(code: str) -> Response:
    """Registers a group from CSV, or applies for it; an answer for each row.

    Columns: id, email, given_name, family_name, language, country.
    """
    with the_bridge().database.reading() as tx:
        offering, centre = reached(tx, code)
    direct = offering.registration is RegistrationType.DIRECT
    action = EnrolmentAction.REGISTER if direct else EnrolmentAction.APPLY
    rows = _rows_of_body()

    def do(tx: Connection, work: Work) -> Reply:
        told = [_row(tx, work, code, row, action) for row in rows]
        return Reply({"rows": told})

    return change(centre, Kind.ENROLMENT, do)


def _rows_of_body() -> list[FileRow]:
    """Raises Refused when the file cannot be read, or has too many rows."""
    try:
        rows = list(_few(read_group(BytesIO(request.get_data()))))
    except NotUnderstood as error:
        raise Refused("file-unreadable", error.message, error.remedy) from None
    if not rows:
        raise Refused("file-unreadable", "The file has no rows.")
    return rows


def _few(rows: Iterator[FileRow]) -> Iterator[FileRow]:
    for number, row in enumerate(rows):
        if number == MOST_IN_GROUP:
            raise NotUnderstood(
                "too-many-rows", f"The file has more than {MOST_IN_GROUP:,} rows.", "Split it."
            )
        yield row


def _row(
    tx: Connection, work: Work, code: str, row: FileRow, action: EnrolmentAction
) -> dict[str, Any]:
    """Registers one row's learner; a row that is refused changes nothing and keeps no other."""
    told: dict[str, Any] = {"row": row.number, "learner": "" if row.stray else row.raw.external_id}
    try:
        learner: Learner = load(LearnerSchema(), {**row.raw.fields})
        with work.part(tx):
            stored = register(tx, work, code, learner, action)
    except (RecordRefused, Refused) as error:
        refused = {"outcome": "refused", "registration": None}
        return {**told, **refused, "code": error.code, "message": _said(row, error)}
    registration = _told(tx, stored.id).document
    good = {"outcome": "registered", "registration": registration, "code": "", "message": ""}
    return {**told, **good}


def _said(row: FileRow, error: BridgeError) -> str:
    return row.problem or str(error)
