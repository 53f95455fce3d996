"""`/my-centre/<code>/questions/<course>`: what the organiser asks whoever registers."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from lms_bridge.centre_desk.desk import course_at, pages
from lms_bridge.centre_desk.words import said
from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import Difference
from lms_bridge.domain.errors import BridgeError, Overloaded, Refused
from lms_bridge.domain.model import Centre, Flow, Kind, Offering
from lms_bridge.schemas.characters import visible
from lms_bridge.store.registration_forms import (
    LONGEST_QUESTION,
    MOST_QUESTIONS,
    questions_of,
    set_questions,
)
from lms_bridge.sync.context import API, RunContext
from lms_bridge.sync.offering_actions import changed_meanwhile
from lms_bridge.web.access import current_actor, needs, the_bridge
from lms_bridge.web.kept_forms import form_given, keeps_form

_PATH = "/<code>/questions/<path:offering>"


@pages.get(_PATH)
@needs(Scope.READ_OFFERINGS)
def questions(code: str, offering: str) -> ResponseReturnValue:
    centre, number, record = course_at(Scope.READ_OFFERINGS, code, offering)
    return _page(centre, number, record)


@pages.post(_PATH)
@keeps_form
@needs(Scope.WRITE_OFFERINGS)
def set_all_questions(code: str, offering: str) -> ResponseReturnValue:
    """Replaces the questions. The same form sent twice changes nothing."""
    centre, number, record = course_at(Scope.WRITE_OFFERINGS, code, offering)
    try:
        given = _questions_in(request.form.get("questions", ""))
        before = tuple(_lines(request.form.get("before", "")))

        def act(tx: Connection, context: RunContext) -> None:
            now = questions_of(tx, number)
            if now == given:
                return
            if now != before:
                raise changed_meanwhile()
            set_questions(tx, number, given)
            changed: Difference = {"questions": ([*now], [*given])}
            context.note(
                *(Kind.OFFERING, API, "questions"),
                record_id=number,
                external_id=offering,
                fields=changed,
            )

        the_bridge().act(centre, Flow.OFFERINGS, current_actor(), act)
    except BridgeError as error:
        status = 503 if isinstance(error, Overloaded) else 422
        return _page(centre, number, record, error), status
    return redirect(
        url_for("centre_desk.questions", code=code, offering=offering, done="questions"), 303
    )


def _lines(text: str) -> list[str]:
    return [line for each in text.splitlines() if (line := " ".join(visible(each).split()))]


def _questions_in(text: str) -> tuple[str, ...]:
    """One question a line.

    Raises:
        Refused: there are too many, or one is too long.
    """
    found = _lines(text)
    if len(found) > MOST_QUESTIONS:
        raise Refused("too-many", "There are more than 20 questions.", "Ask fewer.")
    if any(len(each) > LONGEST_QUESTION for each in found):
        raise Refused("too-long", "A question has more than 300 characters.", "Shorten it.")
    return tuple(found)


def _page(
    centre: Centre,
    number: int,
    record: Offering,
    problem: BridgeError | None = None,
) -> str:
    with the_bridge().database.reading() as tx:
        kept = questions_of(tx, number)
    given = form_given()
    return render_template(
        "centre_desk/questions.html",
        centre=centre,
        course=record,
        kept=kept,
        # As the reader saw them: others may have changed them since.
        before=given.get("before", "\n".join(kept)),
        text=given.get("questions", "\n".join(kept)),
        done=request.args.get("done", ""),
        problem=said(problem) if problem else (),
        wrong="questions" if problem and not isinstance(problem, Overloaded) else "",
    )
