"""What operators decide about one person or one centre."""

from __future__ import annotations

import structlog
from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.admin.matches import MatchDecision, earlier_match, record_match
from lms_bridge.admin.pauses import set_active
from lms_bridge.admin.people_pages import list_page
from lms_bridge.api.queries import person
from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Kind
from lms_bridge.sync.holds import match_person, request_run, retry_failing
from lms_bridge.web.access import centre_for, current_actor, needs, the_bridge

pages = Blueprint("decisions", __name__)
_NUMBER = "<int(max=999999999999999999):number>"
_log = structlog.get_logger(__name__)


@pages.post(f"/people/{_NUMBER}/match")
@needs(Scope.WRITE_OPERATIONS)
def match(number: int) -> ResponseReturnValue:
    """Links a learner who waits to one of the suggested accounts, or has a new one made."""
    account = request.form.get("account", "")
    database, by = the_bridge().database, current_actor()
    with database.reading() as tx:
        row = person(tx, number)
    if row is None:
        return _decided_already()
    centre = centre_for(Scope.WRITE_OPERATIONS, row.centre)
    if account and account not in [suggested for suggested, _ in row.suggestions]:
        raise Refused(
            "not-suggested",
            "The account is none of those that were suggested.",
            "`lms-bridge person match` takes any account.",
        )
    try:
        with database.writing() as tx:
            match_person(tx, centre.code, row.academy_id, account or None)
            request_run(tx, centre.code, [Kind.ENROLMENT], by.at, by.name)
            record_match(tx, by, MatchDecision(centre.code, row.academy_id, account))
    except NotFound:  # at the same moment
        return _decided_already()
    _log.info("person matched", centre=centre.code, by=by.name)
    return redirect(url_for("people.show_all", done="person"), 303)


def _decided_already() -> ResponseReturnValue:
    """The list, with what somebody else decided about the person of the form."""
    code, learner = request.form.get("centre", "")[:40], request.form.get("learner", "")[:100]
    if not code or not learner:
        raise NotFound("not-waiting", "This person does not wait any more.", "See the list.")
    centre = centre_for(Scope.WRITE_OPERATIONS, code)
    with the_bridge().database.reading() as tx:
        earlier = earlier_match(tx, centre.code, learner)
    return list_page(late=(learner, earlier)), 409


@pages.post("/centres/<code>/run")
@needs(Scope.WRITE_OPERATIONS)
def run(code: str) -> ResponseReturnValue:
    """Asks for a run of all flows; what waits after a failure is tried again."""
    centre = centre_for(Scope.WRITE_OPERATIONS, code)
    if not centre.active:
        raise Refused("centre-paused", "The centre is paused.", "Resume it first.")
    database, by = the_bridge().database, current_actor()
    with database.writing() as tx:
        request_run(tx, code, list(Kind), by.at, by.name)
    _log.info("run requested", centre=code, by=by.name)
    return redirect(url_for("admin.centre", code=code, done="run"), 303)


@pages.post("/centres/<code>/retry")
@needs(Scope.WRITE_OPERATIONS)
def retry(code: str) -> ResponseReturnValue:
    """Lets what waits after a failure be sent at once, by a run that sends and reads little."""
    centre = centre_for(Scope.WRITE_OPERATIONS, code)
    if not centre.active:
        raise Refused("centre-paused", "The centre is paused.", "Resume it first.")
    database, by = the_bridge().database, current_actor()
    with database.writing() as tx:
        number = retry_failing(tx, code, by=by.name, at=by.at)
    _log.info("retry requested", centre=code, records=number, by=by.name)
    done = "retry" if number else "nothing-waits"
    return redirect(url_for("admin.centre", code=code, done=done), 303)


@pages.post("/centres/<code>/active")
@needs(Scope.WRITE_OPERATIONS)
def switch(code: str) -> ResponseReturnValue:
    """Pauses a centre, or resumes it."""
    centre_for(Scope.WRITE_OPERATIONS, code)
    wanted = request.form.get("active", "")
    if wanted not in ("yes", "no"):
        raise Refused("no-decision", "Choose one of the buttons.")
    active = wanted == "yes"
    set_active(the_bridge(), code, active, current_actor())
    return redirect(url_for("admin.centre", code=code, done="resume" if active else "pause"), 303)
