"""Offerings: the catalogue, a centre's own offerings, and changes of their status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response
from sqlalchemy import Connection

from lms_bridge.api import pagination, queries
from lms_bridge.api.auth import caller
from lms_bridge.api.centres import findings_document
from lms_bridge.api.changes import change
from lms_bridge.api.responses import ApiResponse, if_match_revision, json_response
from lms_bridge.api.route import route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import document, plain
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.lifecycle import AFTER_REVIEW, OfferingAction
from lms_bridge.domain.model import Centre, Kind, Offering
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.reviews import ReportFields
from lms_bridge.domain.rules import Rules, check_offering, unreviewed
from lms_bridge.schemas.params import (
    ObjectionSchema,
    OfferingsParams,
    ReasonSchema,
    ReportSchema,
)
from lms_bridge.schemas.responses import (
    ActResponse,
    ChecksResponse,
    OfferingInListResponse,
    OfferingResponse,
    page_of,
)
from lms_bridge.store import centres, status_history
from lms_bridge.store import offerings as store
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import OfferingChange, change_offering
from lms_bridge.sync.offering_life import Life, life_of, possible
from lms_bridge.web.access import the_bridge
from lms_bridge.web.environ import let_others_begin

SCOPES = {
    OfferingAction.SUBMIT: Scope.WRITE_OFFERINGS,
    OfferingAction.POSTPONE: Scope.WRITE_OFFERINGS,
    OfferingAction.CANCEL: Scope.WRITE_OFFERINGS,
    OfferingAction.CONCLUDE: Scope.WRITE_OFFERINGS,
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
    OfferingAction.CONCLUDE: "Says that a course without an end is over",
    OfferingAction.REPORT: "Submits the end-of-course report",
    OfferingAction.REVIEW: "Ends a review without objections",
    OfferingAction.OBJECT: "Objects to an outline, or to a report",
    OfferingAction.PUBLISH: "Publishes an offering",
    OfferingAction.CLOSE: "Validates the report, and closes the offering",
}
_BODIES = {OfferingAction.OBJECT: ObjectionSchema, OfferingAction.REPORT: ReportSchema}
_EXAMPLES = {
    OfferingAction.OBJECT: {"reason": "The second day repeats the first", "point": "description"},
    OfferingAction.REPORT: {"summary": "Three days, with a visit to the monitoring station."},
}
_PRIVATE = ("coordinators",)
"""Only readers with access to the centre see the names of people."""


def no_such_offering() -> NotFound:
    return NotFound("no-such-offering", "There is no such offering.")


@route(
    "/offerings",
    scope=None,
    response=page_of(OfferingInListResponse),
    query=OfferingsParams,
    tag="offerings",
)
def list_offerings(params: dict[str, Any]) -> Response:
    """The catalogue, or all offerings that the token may read, without long texts."""
    after, most = pagination.cursor_id(params["cursor"]), params["limit"]
    bridge = the_bridge()
    database = bridge.database
    params = {**params, "soon_after": bridge.settings.rules.soon}
    if params["view"] == "catalogue":
        let_others_begin()
        found = queries.catalogue(database, params, after, most + 1)
    elif caller().may(Scope.READ_OFFERINGS):
        with database.reading() as tx:
            found = queries.mine(tx, params, after, most + 1, caller().centres(tx))
    else:
        raise Refused(
            "scope-missing", f"view=mine needs a token with the scope {Scope.READ_OFFERINGS}."
        )
    last = found[most - 1][0] if len(found) > most else None
    return json_response(pagination.page_of_json([text for _, text in found[:most]], last))


@route("/offerings/<code>", scope=None, response=OfferingResponse, tag="offerings")
def show_offering(code: str) -> Response:
    """One offering. Offerings outside the catalogue are shown to their own centre."""
    with the_bridge().database.reading() as tx:
        row = queries.one_offering(tx, code)
        if row is None:
            raise no_such_offering()
        record = store.offerings(tx, [row.id])[row.id]
        centre, life = centres.find(tx, record.centre), life_of(tx, row.id, record.centre)
    own = centre is not None and caller().may_read(centre) and caller().may(Scope.READ_OFFERINGS)
    if not (row.shown or own):
        raise no_such_offering()
    rules, may = the_bridge().settings.rules, may_act(centre)
    document = offering_document(record, row.changed_at, rules, whole=own, life=life, may=may)
    return json_response(document, row.revision)


def may_act(centre: Centre | None) -> Callable[[Scope], bool]:
    """Whether the caller may use a scope for the centre."""
    who = caller()
    return lambda scope: centre is not None and who.may(scope, centre)


def offering_document(
    record: Offering,
    changed_at: Any,
    rules: Rules,
    *,
    whole: bool,
    life: Life | None = None,
    may: Callable[[Scope], bool] = lambda scope: True,
) -> dict[str, Any]:
    """``may`` says for which scopes the reader may act on it."""
    known = life or Life()
    fields: dict[str, Any] = {
        **document(record),
        "changed_at": plain(changed_at),
        "availability": availability(record, utc_now(), rules.soon),
        "actions": [str(each) for each in possible(record, known, utc_now()) if may(SCOPES[each])],
        "review_deadline": plain(known.deadline) if whole else None,
        "status_reason": known.reason if whole else "",
    }
    if not whole:
        for name in _PRIVATE:
            fields[name] = []
    return fields


@route(
    "/offerings/<code>/checks", scope=Scope.READ_OFFERINGS, response=ChecksResponse, tag="offerings"
)
def check_one_offering(code: str) -> Response:
    """Checks an offering against the programme's rules before it is submitted."""
    bridge = the_bridge()
    with bridge.database.reading() as tx:
        record, centre = offering_in_scope(tx, code)
        kept_here = status_history.is_kept(tx, code)
        life = life_of(tx, store.offerings_by_code(tx, [code])[code][0], centre.code)
    rules = bridge.settings.rules
    found = check_offering(record, rules, utc_now(), life.standing, life.taken)
    policy = bridge.policy_of(centre).unreviewed
    if policy is not OnUnreviewed.OFF and not kept_here and record.status in AFTER_REVIEW:
        found.append(unreviewed(lowered=False))
    return json_response({"findings": findings_document(found)})


def offering_in_scope(tx: Connection, code: str) -> tuple[Offering, Any]:
    """An offering whose centre the caller may read, and that centre.

    Raises:
        NotFound: there is none, or the caller may not know of it.
        Refused: the offering is in the catalogue, but belongs to another centre.
    """
    row = queries.one_offering(tx, code)
    if row is None:
        raise no_such_offering()
    record = store.offerings(tx, [row.id])[row.id]
    centre = centres.find(tx, record.centre)
    if centre is None or not caller().may_read(centre):
        if row.shown:
            raise Refused("another-centre", "The offering is another centre's.")
        raise no_such_offering()
    return record, centre


def _add_action(action: OfferingAction) -> None:
    @route(
        f"/offerings/<code>/{action}",
        method="POST",
        name=f"{action}_offering",
        summary=_MEANINGS[action],
        scope=SCOPES[action],
        body=_BODIES.get(action, ReasonSchema)(),
        response=ActResponse,
        example=_EXAMPLES.get(action, {"reason": "The dates are not settled yet"}),
        headers=("IfMatch", "IdempotencyKey"),
        tag="offerings",
    )
    def act(body: dict[str, Any], code: str) -> Response:
        bridge = the_bridge()
        revision, who = if_match_revision(), caller().name
        with bridge.database.reading() as tx:
            _, centre = offering_in_scope(tx, code)
        may = may_act(centre)

        def do(tx: Connection, context: RunContext) -> ApiResponse:
            offering_change = OfferingChange(
                code,
                action,
                body["reason"],
                revision,
                who,
                body.get("point") or "",
                ReportFields(**{name: body.get(name, "") for name in ReportFields.__slots__}),
            )
            _, record, found = change_offering(tx, context, offering_change, bridge.settings.rules)
            row = queries.one_offering(tx, code)
            if row is None:
                raise no_such_offering()
            document = {
                "offering": offering_document(
                    record,
                    row.changed_at,
                    bridge.settings.rules,
                    whole=True,
                    life=life_of(tx, row.id, record.centre),
                    may=may,
                ),
                "warnings": findings_document(found),
            }
            return ApiResponse(document, revision=row.revision)

        return change(centre, Kind.OFFERING, do)


for _action in OfferingAction:
    _add_action(_action)
