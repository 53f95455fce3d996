"""`/my-centre/<code>/offerings/<offering>`: one offering, and what a person does with it."""

from __future__ import annotations

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from lms_bridge.api.offerings import SCOPES
from lms_bridge.centre_desk import desk, queries
from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.desk_offering import (
    ONE,
    DeskOffering,
    address_of,
    desk_offering,
    papers_of,
    what_all_show,
)
from lms_bridge.centre_desk.offering_words import NEXT, explained, problem_of
from lms_bridge.centre_desk.words import FIELDS
from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import BridgeError, Refused
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.store import reviews
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import OfferingChange, change_offering, find_offering
from lms_bridge.web.access import NotAllowed, current_actor, needs, signed_in, the_bridge
from lms_bridge.web.kept_forms import form_given, keeps_form

REASONED = frozenset({OfferingAction.POSTPONE, OfferingAction.CANCEL})
"""What is done only with a reason."""
LONGEST_REASON = 1000


@pages.get(ONE)
@needs(Scope.READ_OFFERINGS)
def show_offering(code: str, offering: str) -> Response:
    """What is known of an offering, and what can be done with it now."""
    found = desk_offering(Scope.READ_OFFERINGS, code, offering)
    with the_bridge().database.reading() as tx:
        papers = papers_of(tx, found.record_id, found.record)
    page = render_template(
        "centre_desk/offering.html",
        papers=papers,
        findings=[explained(each) for each in found.findings],
        next_step=NEXT[found.record.status],
        done=request.args.get("done", ""),
        field_names=FIELDS,
        **what_all_show(found),
    )
    return desk.not_stored(page)


# ---- publish, postpone, cancel and the others ----------------------------------------------------


@pages.get(f"{ONE}/act")
@needs(Scope.WRITE_OFFERINGS)
def show_act(code: str, offering: str) -> Response:
    """What would happen, before it does."""
    return _act_page(desk_offering(Scope.WRITE_OFFERINGS, code, offering))


@pages.post(f"{ONE}/act")
@keeps_form
@needs(Scope.WRITE_OFFERINGS)
def act(code: str, offering: str) -> ResponseReturnValue:
    found = desk_offering(Scope.WRITE_OFFERINGS, code, offering)
    action, reason = _action(), desk.form_text("reason", LONGEST_REASON)
    if action is None:
        return _act_page(found)
    if not signed_in().may(SCOPES[action], found.centre):
        raise NotAllowed(SCOPES[action])
    change = OfferingChange(offering, action, reason, desk.revision_given(), current_actor().name)
    try:
        if action in REASONED and not reason:
            raise Refused("reason-missing", "Say why: the centre and the Academy read it.")
        carry_out(found.centre, change)
    except BridgeError as error:
        return _act_page(desk_offering(Scope.WRITE_OFFERINGS, code, offering), error)
    return redirect(address_of(found, done=str(action)), 303)


def _action() -> OfferingAction | None:
    """What the form, or else the address, names; only what needs no paper of its own."""
    named = form_given().get("action", request.args.get("action", ""))
    return OfferingAction(named) if named in set(ACTED_ON) else None


ACTED_ON = (
    OfferingAction.PUBLISH,
    OfferingAction.POSTPONE,
    OfferingAction.CONCLUDE,
    OfferingAction.CANCEL,
)


def _act_page(found: DeskOffering, error: BridgeError | None = None) -> Response:
    action = _action()
    with the_bridge().database.reading() as tx:
        people = queries.count_in(tx, found.record_id)
    page = render_template(
        "centre_desk/offering_act.html",
        action=action,
        possible=[each for each in ACTED_ON if each in found.actions],
        people=people,
        needs_reason=action in REASONED,
        reason=desk.form_text("reason", LONGEST_REASON),
        problem=problem_of(error),
        reason_missing=error is not None and error.code == "reason-missing",
        **what_all_show(found),
    )
    return desk.not_stored(page, 200 if error is None else desk.status_of(error))


def carry_out(centre: Centre, change: OfferingChange) -> None:
    """Does an act with an offering. The same form sent twice is done once.

    Raises:
        Refused: the act is not possible, or somebody changed the offering meanwhile.
        Overloaded: the centre is being synced.
    """
    bridge = the_bridge()

    def do(tx: Connection, context: RunContext) -> None:
        record_id, _ = find_offering(tx, centre.code, change.code)
        if not is_done(tx, record_id, change):
            change_offering(tx, context, change, bridge.settings.rules)

    bridge.act(centre, Flow.OFFERINGS, current_actor(), do)


def is_done(tx: Connection, record_id: int, change: OfferingChange) -> bool:
    """Whether the last that happened to the offering is just this, by the same person, after the
    page that they saw."""
    if queries.revision_of(tx, record_id) == change.revision:
        return False
    history = reviews.changes_of(tx, record_id)
    if not history:
        return False
    last = history[-1]
    if (last.by, last.action, last.reason) != (change.by, change.action, change.reason):
        return False
    if change.action is not OfferingAction.REPORT:
        return True
    return reviews.reports_of(tx, record_id)[-1].fields == change.report
