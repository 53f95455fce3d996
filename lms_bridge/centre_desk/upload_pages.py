"""`/my-centre/<code>/upload`: a file is sent, its changes are read, and then applied.

The second form applies the very bytes of the first one, and only while the schedule is still the
one that the reader compared them with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import orjson
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from lms_bridge.audit import PAGE
from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.words import field_name, said, sentence, shown
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, Overloaded, Refused
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.intake.apply import scan
from lms_bridge.intake.formats import Body, format_of
from lms_bridge.intake.places import PushPlace, WorkDeadline, push_place
from lms_bridge.intake.push import Push, apply_any
from lms_bridge.intake.report import PushReport, RowOutcome
from lms_bridge.intake.schedule import schedule_state
from lms_bridge.store import uploads
from lms_bridge.store.uploads import Upload
from lms_bridge.sync.context import RunContext, dry_run_of
from lms_bridge.sync.offering_actions import changed_meanwhile
from lms_bridge.sync.run import RunRequest
from lms_bridge.sync.run_state import BUSY
from lms_bridge.web import typed_text
from lms_bridge.web.access import (
    centre_for,
    current_actor,
    needs,
    signed_in,
    takes_files,
    the_bridge,
)
from lms_bridge.web.environ import client_left, wait_apart

MOST_ROWS = 300
"""Rows of a diff on one page; refused ones come first."""


@pages.get("/<code>/upload")
@needs(Scope.WRITE_OFFERINGS)
def show_upload(code: str) -> ResponseReturnValue:
    """The form; or what the file that was sent would change."""
    centre = centre_for(Scope.WRITE_OFFERINGS, code)
    upload = _upload(centre)
    return _form(centre) if upload is None else _compared(centre, upload)


@pages.post("/<code>/upload")
@takes_files(uploads.MOST_BYTES)
@needs(Scope.WRITE_OFFERINGS)
def send_upload(code: str) -> ResponseReturnValue:
    """Keeps a file that can be read, and shows what it would change."""
    centre = centre_for(Scope.WRITE_OFFERINGS, code)
    file = request.files.get("file")
    try:
        if file is None or not file.filename:
            raise Refused("file-missing", "No file was chosen.", "Choose one, and send it again.")
        octets = file.read()
        file.close()  # a large one is a file on the disk
        if not octets.strip():
            raise Refused("file-unreadable", "The file is empty.")
        name = typed_text.file_name(file.filename, 200)
        new = Upload(
            signed_in().session.number,
            centre.code,
            name,
            format_of(name),
            bool(request.form.get("whole")),
            octets,
        )
        with _place(new) as place:
            _push(centre, new, place)
    except BridgeError as error:
        return _form(centre, error)
    with the_bridge().database.writing() as tx:
        uploads.keep(tx, new, utc_now())
    return redirect(url_for("centre_desk.show_upload", code=code), 303)


@pages.post("/<code>/upload/discard")
@needs(Scope.WRITE_OFFERINGS)
def discard_upload(code: str) -> ResponseReturnValue:
    centre = centre_for(Scope.WRITE_OFFERINGS, code)
    with the_bridge().database.writing() as tx:
        uploads.discard(tx, signed_in().session.number, centre.code)
    return redirect(url_for("centre_desk.show_upload", code=code), 303)


@pages.post("/<code>/upload/apply")
@needs(Scope.WRITE_OFFERINGS)
def apply_upload(code: str) -> ResponseReturnValue:
    """Applies the file whose changes the reader saw. A second click changes nothing."""
    centre = centre_for(Scope.WRITE_OFFERINGS, code)
    upload = _upload(centre)
    if upload is None or str(upload.number) != request.form.get("upload", ""):
        return _to_schedule(code, "gone")
    state = request.form.get("state", "")[:100]
    try:
        report = _apply(centre, upload, state)
    except _Gone:
        return _to_schedule(code, "gone")
    except BridgeError as error:
        return _compared(centre, upload, error)
    return _to_schedule(code, "applied" if report.hold is None else "held")


def _to_schedule(code: str, done: str) -> ResponseReturnValue:
    return redirect(url_for("centre_desk.schedule", code=code, done=done), 303)


class _Gone(Refused):
    """Another request has applied the file."""


def _upload(centre: Centre) -> Upload | None:
    with the_bridge().database.reading() as tx:
        return uploads.find(tx, signed_in().session.number, centre.code, utc_now())


def _place(upload: Upload) -> AbstractContextManager[PushPlace]:
    wait_apart(upload.centre)
    seconds = the_bridge().settings.api.wait_seconds
    return push_place(upload.centre, f"session {upload.session}", len(upload.octets), seconds)


def _push(centre: Centre, upload: Upload, place: PushPlace) -> Push:
    """Raises Refused where the file cannot be read to its end."""
    watch = WorkDeadline(the_bridge().settings.api.push_seconds, client_left)
    body = Body(
        upload.octets,
        upload.format,
        centre.time_zone,
        watch.check,
        lambda: place.give_way(watch),
    )
    return Push(body, scan(body), upload.whole)


def _apply(centre: Centre, upload: Upload, state: str) -> PushReport:
    bridge, actor = the_bridge(), current_actor()
    reports: list[PushReport] = []

    def check(tx: Connection) -> None:
        if not uploads.take(tx, upload):
            raise _Gone("gone", "The file was applied already.")
        if schedule_state(tx, centre.code) != state:
            raise changed_meanwhile()

    with _place(upload) as place:
        push = _push(centre, upload, place)

        def act(context: RunContext) -> None:
            reports.append(apply_any(context, push, bridge.settings.rules, check))

        request_ = RunRequest(
            centre, bridge.policy_of(centre), (Flow.OFFERINGS,), PAGE, requested_by=actor.name
        )
        ran = bridge.in_turn(centre, lambda: bridge.runner().run(request_, act), place.aside)
    if ran.status == BUSY:
        message = f"{centre.code} is being synced at the moment. Nothing was changed."
        raise Overloaded("centre-busy", message, "Try again in a minute.", after=60)
    if not reports:
        raise ran.errors[0][1]
    return reports[0]


# ---- what a file would change ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiffCell:
    """A field of a row that is refused, or that would change."""

    field: str
    name: str
    before: str = ""
    after: str = ""
    why: str = ""
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One row of the diff."""

    number: int
    id: str
    outcome: str
    title: str
    refused: tuple[DiffCell, ...]
    changes: tuple[DiffCell, ...]
    notes: tuple[str, ...]


def _compared(
    centre: Centre, upload: Upload, problem: BridgeError | None = None
) -> ResponseReturnValue:
    """The diff. It is made anew each time, so that it is of the schedule as it is now."""
    bridge = the_bridge()
    context = dry_run_of(bridge.database, centre, bridge.policy_of(centre))
    states: list[str] = []
    try:
        with _place(upload) as place:
            push = _push(centre, upload, place)
            report = apply_any(
                context,
                push,
                bridge.settings.rules,
                lambda tx: states.append(schedule_state(tx, centre.code)),
            )
            document: Mapping[str, Any] = orjson.loads(orjson.dumps(report.document()))
            told = [row for row in document["rows"] if row["outcome"] != RowOutcome.UNCHANGED]
            told.sort(key=lambda row: row["outcome"] != RowOutcome.REFUSED)
            given = _given(push.body, {row["row"] for row in told[:MOST_ROWS]})
    except Overloaded as error:
        return _form(centre, error)
    page = render_template(
        "centre_desk/diff.html",
        centre=centre,
        upload=upload,
        lines=[_line(row, given.get(row["row"], {}), centre.time_zone) for row in told[:MOST_ROWS]],
        more=max(0, len(told) - MOST_ROWS),
        summary=document["summary"],
        ended=document["ended"],
        hold=document["hold"],
        notes=[sentence(text) for text in document["notes"]],
        state=states[0],
        problem=said(problem) if problem else (),
    )
    return page, 409 if problem else 200


def _given(body: Body, numbers: Collection[int]) -> dict[int, Mapping[str, object]]:
    """{number of a row: its fields as they were sent}"""
    return {row.number: row.fields for row in body.rows() if row.number in numbers}


def _line(row: Mapping[str, Any], given: Mapping[str, object], zone: str) -> DiffRow:
    """``zone``: that of the centre, for a row that names none."""
    zone = str(given.get("time_zone") or zone)
    refused = [
        DiffCell(
            problem["field"],
            field_name(problem["field"].partition(".")[0]),
            after=shown(given.get(problem["field"].partition(".")[0])),
            why=problem["message"],
            allowed=_allowed(problem),
        )
        for problem in row["problems"]
    ]
    changes = [
        DiffCell(
            change["field"],
            field_name(change["field"]),
            shown(change["before"], change["field"], zone),
            shown(change["after"], change["field"], zone),
        )
        for change in row["changes"]
        if change["field"] not in ("code", "centre") and (change["before"] or change["after"])
    ]
    return DiffRow(
        row["row"],
        row["id"],
        row["outcome"],
        shown(given.get("title")),
        tuple(refused),
        tuple(changes),
        tuple(warning["message"] for warning in row["warnings"]),
    )


def _allowed(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """What a cell may hold, unless its problem lists that."""
    allowed = tuple(map(str, problem["allowed"]))
    return () if all(each in problem["message"] for each in allowed) else allowed


def _form(centre: Centre, problem: BridgeError | None = None) -> ResponseReturnValue:
    page = render_template(
        "centre_desk/upload.html", centre=centre, problem=said(problem) if problem else ()
    )
    status = 200 if problem is None else 503 if isinstance(problem, Overloaded) else 400
    return page, status
