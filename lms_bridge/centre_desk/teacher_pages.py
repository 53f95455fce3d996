"""`/my-centre/<code>/teachers/<course>`: who teaches a course, and has the role in the LMS."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from lms_bridge.centre_desk.desk import course_at, pages
from lms_bridge.centre_desk.words import said
from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import BridgeError, NotFound, Overloaded
from lms_bridge.domain.model import Centre, Flow, Kind, Offering
from lms_bridge.store import teachers as stored
from lms_bridge.store.teachers import Teacher, TeacherState
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.holds import request_run
from lms_bridge.sync.teachers import appoint
from lms_bridge.web import typed_text
from lms_bridge.web.access import current_actor, needs, signed_in, the_bridge

_PATH = "/<code>/teachers/<path:offering>"
_STATES = {
    TeacherState.NEW: "Gets the role with the next run.",
    TeacherState.SENDING: "Gets the role with the next run.",
    TeacherState.GIVEN: "Has the role in the course.",
    TeacherState.THERE: "Was in the course before, and is left alone.",
}
LEAVES = "Loses the role with the next run."


def state_of(teacher: Teacher) -> str:
    """What became of a teacher's role, in a sentence of the code."""
    return LEAVES if teacher.leaves else _STATES[teacher.state]


@pages.get(_PATH)
@needs(Scope.READ_ENROLMENTS)
def teachers(code: str, offering: str) -> ResponseReturnValue:
    centre, number, record = course_at(Scope.READ_ENROLMENTS, code, offering)
    return _page(centre, number, record)


@pages.post(_PATH)
@needs(Scope.WRITE_OFFERINGS)
def appoint_teacher(code: str, offering: str) -> ResponseReturnValue:
    """Names a teacher, or takes one away. Sent twice, it does nothing more."""
    centre, number, record = course_at(Scope.WRITE_OFFERINGS, code, offering)
    academy_id = typed_text.line(request.form.get("teacher", ""), 200)
    ends, by = request.form.get("end") == "1", current_actor()

    def act(tx: Connection, context: RunContext) -> None:
        appoint(tx, context, number, academy_id, ends=ends)
        request_run(tx, code, [Kind.ENROLMENT], by.at, by.name)

    try:
        the_bridge().act(centre, Flow.ENROLMENTS, by, act)
    except NotFound:
        pass  # somebody else took them away at the same time
    except BridgeError as error:
        status = 503 if isinstance(error, Overloaded) else 422
        return _page(centre, number, record, error), status
    done = "ended" if ends else "named"
    return redirect(url_for("centre_desk.teachers", code=code, offering=offering, done=done), 303)


def _page(centre: Centre, number: int, record: Offering, problem: BridgeError | None = None) -> str:
    with the_bridge().database.reading() as tx:
        everybody = stored.teachers(tx, centre.code, centre.system)
    return render_template(
        "centre_desk/teachers.html",
        centre=centre,
        course=record,
        teachers=[each for each in everybody if each.offering_id == number],
        state_of=state_of,
        gives_no_role=str(centre.options.get("teacher_role", 0)) in ("", "0"),
        may_write=signed_in().may(Scope.WRITE_OFFERINGS, centre),
        given=request.form.get("teacher", "") if problem else "",
        done=request.args.get("done", ""),
        problem=said(problem) if problem else (),
        wrong="teacher" if problem and not isinstance(problem, Overloaded) else "",
    )
