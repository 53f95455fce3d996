"""A centre's schedule: to be read, and to be pushed whole or in part, with an answer per row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from flask import Response, request
from sqlalchemy import Connection

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.access import Scope
from lms_bridge.domain.model import Centre, Kind
from lms_bridge.domain.ports import Raw
from lms_bridge.feeds.schedule import schedule_calendar
from lms_bridge.schemas.csv import OFFERINGS, pieces
from lms_bridge.schemas.pushes import AskedForm, AskedPush, Form, ShownPush, ShownSchedule
from lms_bridge.schemas.schedule import CALENDAR, CSV, FORMATS, JSON, MOST_BYTES, Body
from lms_bridge.schemas.schedule.template import template
from lms_bridge.store.kept_answers import Claim
from lms_bridge.sync.offering_acts import changed_meanwhile
from lms_bridge.sync.schedule.pushing import Push, take_in_push
from lms_bridge.sync.schedule.reading import schedule_rows, schedule_state
from lms_bridge.sync.schedule.scanning import scan
from lms_bridge.sync.trial import trial_of
from lms_bridge.sync.work import Work
from lms_bridge.web.api import keys
from lms_bridge.web.api.acting import change, done_once
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.centres import no_such_centre
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge

_TAG = "schedule"
_MEDIA = {Form.JSON: JSON, Form.CSV: CSV, Form.CALENDAR: CALENDAR}


@route(
    "/centres/<code>/schedule",
    scope=Scope.READ_OFFERINGS,
    answer=ShownSchedule,
    query=AskedForm,
    also=(CSV, CALENDAR),
    tag=_TAG,
)
def show_schedule(asked: dict[str, Any], code: str) -> Response:
    """A centre's schedule as it is now, in the form in which it may be pushed again."""
    form: Form = asked["format"]
    with the_bridge().database.reading() as tx:
        centre = caller().check_reach(tx, code, no_such_centre())
        tag = _tag(schedule_state(tx, centre.code), form)
        has_it = request.if_none_match.contains(tag)  # then it need not be made
        body = b"" if has_it else b"".join(_pieces(schedule_rows(tx, centre.code), form))
    response = Response(body, mimetype=_MEDIA[form])
    response.headers["Content-Disposition"] = _file(centre, form)
    response.set_etag(tag)
    response.make_conditional(request)
    return response


def _pieces(rows: Iterable[Raw], form: Form) -> Iterator[bytes]:
    if form is Form.CSV:
        return pieces(OFFERINGS, rows, without=("centre",))
    if form is Form.CALENDAR:
        return schedule_calendar(rows)
    return _json(rows)


def _json(rows: Iterable[Raw]) -> Iterator[bytes]:
    yield b'{"offerings":['
    for number, row in enumerate(rows):
        yield b"," if number else b""
        yield orjson.dumps({"id": row.external_id, **row.fields})
    yield b"]}"


def _file(centre: Centre, form: Form) -> str:
    return f'attachment; filename="{centre.code}-schedule.{form}"'


def _tag(state: str, form: Form = Form.JSON) -> str:
    return f"{state}.{form}"


@route(
    "/centres/<code>/schedule/template",
    scope=Scope.READ_OFFERINGS,
    answer=None,
    also=(CSV,),
    tag=_TAG,
)
def show_template(code: str) -> Response:
    """A table for a spreadsheet program, with what each column may hold and an example."""
    with the_bridge().database.reading() as tx:
        centre = caller().check_reach(tx, code, no_such_centre())
    response = Response(b"".join(template(centre)), mimetype=CSV)
    response.headers["Content-Disposition"] = _file(centre, Form.CSV)
    return response


def _add(method: str, name: str, meaning: str) -> None:
    @route(
        "/centres/<code>/schedule",
        method=method,
        name=name,
        summary=meaning,
        scope=Scope.WRITE_OFFERINGS,
        answer=ShownPush,
        query=AskedPush,
        media=FORMATS,
        most_bytes=MOST_BYTES,
        headers=("IfMatch", "IdempotencyKey"),
        tag=_TAG,
    )
    def push(asked: dict[str, Any], code: str) -> Response:
        bridge = the_bridge()
        with bridge.database.reading() as tx:
            centre = caller().check_reach(tx, code, no_such_centre())
        body = Body(request.get_data(cache=True), request.mimetype, centre.time_zone)
        given = Push(body, scan(body), method == "PUT")
        if asked["dry_run"]:
            return done_once(lambda claim: _try(bridge, centre, given, claim))
        return change(centre, Kind.OFFERING, lambda tx, work: _take_in(tx, work, bridge, given))


_add("PUT", "put_schedule", "Pushes a whole schedule: what it leaves out has ended")
_add("PATCH", "patch_schedule", "Pushes some offerings, and leaves the others as they are")


def _take_in(tx: Connection, work: Work, bridge: Bridge, push: Push) -> Reply:
    centre = work.centre.code
    _check_state(schedule_state(tx, centre))
    answer = take_in_push(tx, work, push, bridge.settings.rules)
    headers = {"ETag": f'"{_tag(schedule_state(tx, centre))}"'}
    return Reply(answer.document(), headers={} if work.dry else headers)


def _try(bridge: Bridge, centre: Centre, push: Push, claim: Claim | None) -> Reply:
    work = trial_of(bridge.database, centre, bridge.policy_of(centre))
    with work.writing() as tx:
        reply = _take_in(tx, work, bridge, push)
    with bridge.database.writing() as tx:
        keys.keep(tx, claim, reply.status, {**reply.head(), "Content-Type": JSON}, reply.body)
    return reply


def _check_state(state: str) -> None:
    """Raises Refused when ``If-Match`` names another state: whatever its form, it is the same."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return
    if not any(tag.partition(".")[0] == state for tag in request.if_match):
        raise changed_meanwhile()
