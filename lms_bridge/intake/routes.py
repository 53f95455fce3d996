"""The API of a centre's schedule and of group registrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import orjson
from flask import Response, request
from sqlalchemy import Connection

from lms_bridge.api import idempotency
from lms_bridge.api.auth import caller
from lms_bridge.api.centres import no_such_centre
from lms_bridge.api.changes import change, change_in_parts, done_once
from lms_bridge.api.idempotency import KeyClaim
from lms_bridge.api.offerings import offering_in_scope
from lms_bridge.api.registrations import TAG, registration_response
from lms_bridge.api.responses import ApiResponse
from lms_bridge.api.route import route
from lms_bridge.bridge import Bridge
from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import BridgeError, NotUnderstood, RecordRefused, Refused
from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.model import Centre, Kind, Learner, RegistrationType
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.apply import scan
from lms_bridge.intake.csv import template
from lms_bridge.intake.formats import CALENDAR, FORMATS, JSON, MOST_BYTES, Body
from lms_bridge.intake.formats import CSV as CSV_TYPE
from lms_bridge.intake.places import WorkDeadline, push_place
from lms_bridge.intake.push import Push, apply_push, apply_push_in_parts
from lms_bridge.intake.report import PushReport
from lms_bridge.intake.schedule import schedule_calendar, schedule_rows, schedule_state
from lms_bridge.intake.schemas import (
    FormParams,
    PushParams,
    PushResponse,
    ScheduleForm,
    ScheduleResponse,
)
from lms_bridge.schemas.csv.reader import CsvRow as FileRow
from lms_bridge.schemas.csv.reader import read_group
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.schemas.csv.writer import pieces
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import LearnerSchema
from lms_bridge.schemas.responses import GroupResponse
from lms_bridge.sync.context import RunContext, dry_run_of
from lms_bridge.sync.enrolment_actions import register
from lms_bridge.sync.offering_actions import changed_meanwhile
from lms_bridge.web.access import the_bridge
from lms_bridge.web.environ import body_of_request, client_left, wait_apart

_TAG = "schedule"
_MEDIA = {
    ScheduleForm.JSON: JSON,
    ScheduleForm.CSV: CSV_TYPE,
    ScheduleForm.CALENDAR: CALENDAR,
}


@route(
    "/centres/<code>/schedule",
    scope=Scope.READ_OFFERINGS,
    response=ScheduleResponse,
    query=FormParams,
    also=(CSV_TYPE, CALENDAR),
    tag=_TAG,
)
def show_schedule(params: dict[str, Any], code: str) -> Response:
    """A centre's schedule, in a form that can be pushed again."""
    form: ScheduleForm = params["format"]
    with the_bridge().database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())
        tag = _tag(schedule_state(tx, centre.code), form)
        has_it = request.if_none_match.contains(tag)  # then it need not be made
        body = b"" if has_it else b"".join(_pieces(schedule_rows(tx, centre.code), form))
    response = Response(body, mimetype=_MEDIA[form])
    response.headers["Content-Disposition"] = _file(centre, form)
    response.set_etag(tag)
    response.make_conditional(request)
    return response


def _pieces(rows: Iterable[RawRecord], form: ScheduleForm) -> Iterator[bytes]:
    if form is ScheduleForm.CSV:
        return pieces(OFFERINGS, rows, without=("centre",))
    if form is ScheduleForm.CALENDAR:
        return schedule_calendar(rows)
    return _json(rows)


def _json(rows: Iterable[RawRecord]) -> Iterator[bytes]:
    yield b'{"offerings":['
    for number, row in enumerate(rows):
        yield b"," if number else b""
        yield orjson.dumps({"id": row.external_id, **row.fields})
    yield b"]}"


def _file(centre: Centre, form: ScheduleForm) -> str:
    return f'attachment; filename="{centre.code}-schedule.{form}"'


def _tag(state: str, form: ScheduleForm = ScheduleForm.JSON) -> str:
    return f"{state}.{form}"


@route(
    "/centres/<code>/schedule/template",
    scope=Scope.READ_OFFERINGS,
    response=None,
    also=(CSV_TYPE,),
    tag=_TAG,
)
def show_template(code: str) -> Response:
    """A table for a spreadsheet program, with allowed values and an example."""
    with the_bridge().database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())
    response = Response(b"".join(template(centre)), mimetype=CSV_TYPE)
    response.headers["Content-Disposition"] = _file(centre, ScheduleForm.CSV)
    return response


def _add(method: str, name: str, meaning: str) -> None:
    @route(
        "/centres/<code>/schedule",
        method=method,
        name=name,
        summary=meaning,
        scope=Scope.WRITE_OFFERINGS,
        response=PushResponse,
        query=PushParams,
        media=FORMATS,
        max_bytes=MOST_BYTES,
        headers=("IfMatch", "IdempotencyKey"),
        tag=_TAG,
    )
    def push(params: dict[str, Any], code: str) -> Response:
        bridge = the_bridge()
        with bridge.database.reading() as tx:
            centre = caller().centre_in_scope(tx, code, no_such_centre())
        token = caller().require_token().prefix
        wait_apart(centre.code)  # nobody has a place while the body comes in
        octets = body_of_request()
        with push_place(centre.code, token, len(octets), bridge.settings.api.wait_seconds) as place:
            watch = WorkDeadline(bridge.settings.api.push_seconds, client_left)
            body = Body(
                octets,
                request.mimetype,
                centre.time_zone,
                watch.check,
                lambda: place.give_way(watch),
            )
            pushed = Push(body, scan(body), method == "PUT")
            if params["dry_run"]:
                return done_once(lambda claim: _dry_run(bridge, centre, pushed, claim))
            if pushed.is_large:
                return change_in_parts(
                    centre,
                    Kind.OFFERING,
                    lambda context: _apply_parts(context, bridge, pushed),
                    place.aside,
                )
            return change(
                centre,
                Kind.OFFERING,
                lambda tx, context: _apply(tx, context, bridge, pushed),
                place.aside,
            )


_add("PUT", "put_schedule", "Pushes a complete schedule; offerings that it leaves out are ended")
_add("PATCH", "patch_schedule", "Pushes some offerings; the others stay as they are")


def _apply(tx: Connection, context: RunContext, bridge: Bridge, push: Push) -> ApiResponse:
    centre = context.centre.code
    _check_state(schedule_state(tx, centre))
    report = apply_push(tx, context, push, bridge.settings.rules)
    return _response(tx, context, report)


def _apply_parts(context: RunContext, bridge: Bridge, push: Push) -> ApiResponse:
    centre = context.centre.code
    report = apply_push_in_parts(
        context,
        push,
        bridge.settings.rules,
        lambda tx: _check_state(schedule_state(tx, centre)),
    )
    with context.database.reading() as tx:
        return _response(tx, context, report)


def _response(tx: Connection, context: RunContext, report: PushReport) -> ApiResponse:
    headers = {"ETag": f'"{_tag(schedule_state(tx, context.centre.code))}"'}
    return ApiResponse(report.document(), headers={} if context.dry else headers)


def _dry_run(bridge: Bridge, centre: Centre, push: Push, claim: KeyClaim | None) -> ApiResponse:
    context = dry_run_of(bridge.database, centre, bridge.policy_of(centre))
    if push.is_large:
        reply = _apply_parts(context, bridge, push)
    else:
        with context.writing() as tx:
            reply = _apply(tx, context, bridge, push)
    with bridge.database.writing() as tx:
        idempotency.keep(
            tx, claim, reply.status, {**reply.all_headers(), "Content-Type": JSON}, reply.body
        )
    return reply


def _check_state(state: str) -> None:
    """Raises Refused if ``If-Match`` names another state. All formats have the same state."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return
    if not any(tag.partition(".")[0] == state for tag in request.if_match):
        raise changed_meanwhile()


# Group registration: an institutional contact registers many learners with one file.

CSV = "text/csv"
MOST_IN_GROUP = 1_000
GROUP_BYTES = 1024 * 1024


@route(
    "/offerings/<code>/group",
    method="POST",
    scope=Scope.WRITE_ENROLMENTS,
    response=GroupResponse,
    media=(CSV,),
    max_bytes=GROUP_BYTES,
    headers=("IdempotencyKey",),
    tag=TAG,
)
def register_group(code: str) -> Response:
    """Registers a group from CSV, or applies for it; the response has one entry for each row.

    Columns: id, email, given_name, family_name, language, country.
    """
    with the_bridge().database.reading() as tx:
        offering, centre = offering_in_scope(tx, code)
    direct = offering.registration is RegistrationType.DIRECT
    action = EnrolmentAction.REGISTER if direct else EnrolmentAction.APPLY
    rows = _rows_of_body()

    def do(context: RunContext) -> ApiResponse:
        told = context.in_parts(rows, lambda tx, row: _row(tx, context, code, row, action))
        return ApiResponse({"rows": told})

    return change_in_parts(centre, Kind.ENROLMENT, do)


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
    tx: Connection, context: RunContext, code: str, row: FileRow, action: EnrolmentAction
) -> dict[str, Any]:
    """Registers the learner of one row. A refused row changes nothing and stops no other."""
    base: dict[str, Any] = {"row": row.number, "learner": "" if row.stray else row.raw.external_id}
    try:
        learner: Learner = load(LearnerSchema(), {**row.raw.fields})
        with context.savepoint(tx):
            stored = register(tx, context, code, learner, action, caller().realm(context.centre))
    except (RecordRefused, Refused) as error:
        refused = {"outcome": "refused", "registration": None}
        return {**base, **refused, "code": error.code, "message": _said(row, error)}
    registration = registration_response(tx, stored.id).document
    good = {"outcome": "registered", "registration": registration, "code": "", "message": ""}
    return {**base, **good}


def _said(row: FileRow, error: BridgeError) -> str:
    return row.problem or str(error)
