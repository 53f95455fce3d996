"""Offerings: the catalogue, one's own, and their life."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import document, plain
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.lifecycle import AFTER_REVIEW, OfferingAction, offering_actions
from lms_bridge.domain.model import Kind, Offering
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.rules import check_offering, unreviewed
from lms_bridge.schemas.asked import AskedOfferings, ReasonSchema
from lms_bridge.schemas.shown import (
    ShownAct,
    ShownChecks,
    ShownOffering,
    ShownOfferingInList,
    page_of,
)
from lms_bridge.store import centres, lives
from lms_bridge.store import offerings as store
from lms_bridge.sync.offering_acts import OfferingAct, act_on_offering, newest_areas
from lms_bridge.sync.work import Work, utc_now
from lms_bridge.web.api import replies
from lms_bridge.web.api.acting import change
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.centres import shown_findings
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import offerings as queries

_SCOPES = {
    OfferingAction.SUBMIT: Scope.WRITE_OFFERINGS,
    OfferingAction.POSTPONE: Scope.WRITE_OFFERINGS,
    OfferingAction.CANCEL: Scope.WRITE_OFFERINGS,
    OfferingAction.REPORT: Scope.WRITE_OFFERINGS,
    OfferingAction.REVIEW: Scope.REVIEW_OFFERINGS,
    OfferingAction.OBJECT: Scope.REVIEW_OFFERINGS,
    OfferingAction.PUBLISH: Scope.REVIEW_OFFERINGS,
    OfferingAction.CLOSE: Scope.REVIEW_OFFERINGS,
}
_MEANINGS = {
    OfferingAction.SUBMIT: "Submits an outline for review",
    OfferingAction.POSTPONE: "Postpones an offering",
    OfferingAction.CANCEL: "Cancels an offering, and the registrations in it",
    OfferingAction.REPORT: "Submits the end-of-course report",
    OfferingAction.REVIEW: "Ends a review without objections",
    OfferingAction.OBJECT: "Objects to an outline, or to a report",
    OfferingAction.PUBLISH: "Publishes an offering",
    OfferingAction.CLOSE: "Validates the report, and closes the offering",
}
_PRIVATE = ("coordinators",)
"""People's names are for those who run the course."""


def no_such_offering() -> NotFound:
    return NotFound("no-such-offering", "There is no such offering.")


@route(
    "/offerings",
    scope=None,
    answer=page_of(ShownOfferingInList),
    query=AskedOfferings,
    tag="offerings",
)
def list_offerings(asked: dict[str, Any]) -> Response:
    """The catalogue, or all offerings that the token reaches; long texts are left out."""
    after, most = replies.after(asked["cursor"]), asked["limit"]
    database = the_bridge().database
    if asked["view"] == "catalogue":
        found = queries.catalogue(database, asked, after, most + 1)
    elif caller().may(Scope.READ_OFFERINGS):
        with database.reading() as tx:
            found = queries.mine(tx, asked, after, most + 1, caller().centres(tx))
    else:
        raise Refused(
            "scope-missing", f"view=mine needs a token with the scope {Scope.READ_OFFERINGS}."
        )
    last = found[most - 1][0] if len(found) > most else None
    return replies.tagged(replies.page_of([shown for _, shown in found[:most]], last))


@route("/offerings/<code>", scope=None, answer=ShownOffering, tag="offerings")
def show_offering(code: str) -> Response:
    """One offering. What is not in the catalogue is shown to whom it belongs."""
    with the_bridge().database.reading() as tx:
        row = queries.one_offering(tx, code)
        if row is None:
            raise no_such_offering()
        record = store.offerings(tx, [row.id])[row.id]
        centre = centres.find(tx, record.centre)
    own = centre is not None and caller().reaches(centre) and caller().may(Scope.READ_OFFERINGS)
    if not (row.shown or own):
        raise no_such_offering()
    return replies.shown(shown_offering(record, row.changed_at, whole=own), row.revision)


def shown_offering(record: Offering, changed_at: Any, *, whole: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        **document(record),
        "changed_at": plain(changed_at),
        "actions": [str(each) for each in offering_actions(record.status)],
    }
    if not whole:
        for name in _PRIVATE:
            shown[name] = []
    return shown


@route("/offerings/<code>/checks", scope=Scope.READ_OFFERINGS, answer=ShownChecks, tag="offerings")
def check_one_offering(code: str) -> Response:
    """What the programme's rules say of an offering, before it is submitted."""
    bridge = the_bridge()
    with bridge.database.reading() as tx:
        record, centre = reached(tx, code)
        kept_here = lives.is_kept(tx, code)
    areas = newest_areas(centre)
    found = check_offering(record, bridge.settings.rules, utc_now(), areas)
    policy = bridge.policy_of(centre).unreviewed
    if policy is not OnUnreviewed.OFF and not kept_here and record.status in AFTER_REVIEW:
        found.append(unreviewed(lowered=False))
    return replies.shown({"findings": shown_findings(found)})


def reached(tx: Connection, code: str) -> tuple[Offering, Any]:
    """An offering within the caller's reach, and its centre.

    Raises:
        NotFound: there is none, as far as the caller may know.
        Refused: the caller may see it in the catalogue, but it is another centre's.
    """
    row = queries.one_offering(tx, code)
    if row is None:
        raise no_such_offering()
    record = store.offerings(tx, [row.id])[row.id]
    centre = centres.find(tx, record.centre)
    if centre is None or not caller().reaches(centre):
        if row.shown:
            raise Refused("another-centre", "The offering is another centre's.")
        raise no_such_offering()
    return record, centre


def _add(action: OfferingAction) -> None:
    @route(
        f"/offerings/<code>/{action}",
        method="POST",
        name=f"{action}_offering",
        summary=_MEANINGS[action],
        scope=_SCOPES[action],
        body=ReasonSchema(),
        answer=ShownAct,
        example={"reason": "The dates are not settled yet"},
        headers=("IfMatch", "IdempotencyKey"),
        tag="offerings",
    )
    def act(given: dict[str, Any], code: str) -> Response:
        bridge = the_bridge()
        revision = replies.wanted_revision()
        with bridge.database.reading() as tx:
            _, centre = reached(tx, code)

        def do(tx: Connection, work: Work) -> Reply:
            wish = OfferingAct(code, action, given["reason"], revision)
            _, record, found = act_on_offering(tx, work, wish, bridge.settings.rules)
            row = queries.one_offering(tx, code)
            if row is None:
                raise no_such_offering()
            body = {
                "offering": shown_offering(record, row.changed_at, whole=True),
                "warnings": shown_findings(found),
            }
            return Reply(body, revision=row.revision)

        return change(centre, Kind.OFFERING, do)


for _action in OfferingAction:
    _add(_action)
