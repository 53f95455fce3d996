"""`/operations/where`: where a learner is in a course, and why not.

The form is sent by POST, so that no e-mail address gets into an address or a log.
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.admin.whereabouts import (
    UNKNOWN_LEARNER,
    academy_id_of,
    courses_of,
    find_learner,
    find_offerings,
    may_see,
    whereabouts,
)
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.web import typed_text
from lms_bridge.web.access import centres_for, needs, the_bridge

pages = Blueprint("whereabouts", __name__)
_NUMBER = "<int(max=999999999999999999):number>"


@pages.get("/operations/where")
@needs(Scope.READ_OPERATIONS)
def show() -> str:
    return render_template("where.html", problem=None)


@pages.post("/operations/where")
@needs(Scope.READ_OPERATIONS)
def search() -> ResponseReturnValue:
    """Finds the learner, and leads to the page of the course, or of all their courses."""
    named = typed_text.line(request.form.get("learner", ""), 254)
    code = typed_text.line(request.form.get("course", ""), 100)
    try:
        with the_bridge().database.reading() as tx:
            within = centres_for(tx, Scope.READ_OPERATIONS)
            number = find_learner(tx, named, within)
            if not code:
                return redirect(url_for("whereabouts.learner", number=number), 303)
            found = find_offerings(tx, code, number, within)
    except NotFound as error:
        wrong = "learner" if error.code == UNKNOWN_LEARNER[0] else "course"
        asked = {"named": "" if "@" in named else named, "course": code}  # no page has an address
        return render_template("where.html", problem=error, wrong=wrong, **asked), 404
    if len(found) > 1:
        return redirect(url_for("whereabouts.learner", number=number), 303)
    (offering,) = found.values()
    return redirect(url_for("whereabouts.course", number=number, course=offering.code), 303)


@pages.get(f"/operations/where/{_NUMBER}")
@needs(Scope.READ_OPERATIONS)
def learner(number: int) -> str:
    """The courses of a learner, of the centres that the reader may see."""
    with the_bridge().database.reading() as tx:
        within = centres_for(tx, Scope.READ_OPERATIONS)
        _check(may_see(tx, number, within))
        academy_id, courses = academy_id_of(tx, number), courses_of(tx, number, within)
    return render_template("where.html", academy_id=academy_id, number=number, courses=courses)


@pages.get(f"/operations/where/{_NUMBER}/<path:course>")
@needs(Scope.READ_OPERATIONS)
def course(number: int, course: str) -> str:
    """The chain of one learner in one offering."""
    bridge = the_bridge()
    with bridge.database.reading() as tx:
        within = centres_for(tx, Scope.READ_OPERATIONS)
        _check(may_see(tx, number, within))
        offering = next(iter(find_offerings(tx, course, number, within).items()))
        found = whereabouts(tx, number, offering, utc_now(), bridge.settings.lti)
    return render_template("where.html", academy_id=found.academy_id, number=number, found=found)


def _check(seen: bool) -> None:
    if not seen:
        raise NotFound(*UNKNOWN_LEARNER)
