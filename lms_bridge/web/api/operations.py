"""What operators look after: holds, people who wait to be matched, sending again."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.schemas.asked import (
    AskedHolds,
    AskedOfCentre,
    MatchSchema,
    NothingSchema,
    ResendSchema,
)
from lms_bridge.schemas.shown import (
    ShownDone,
    ShownHold,
    ShownUnmatched,
    page_of,
)
from lms_bridge.store import holds, target_links
from lms_bridge.sync import decisions
from lms_bridge.sync.offering_acts import API
from lms_bridge.sync.work import Work
from lms_bridge.web.api import replies
from lms_bridge.web.api.acting import change
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.centres import no_such_centre
from lms_bridge.web.api.listing import paged
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import NUMBER, route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import interface
from lms_bridge.web.queries.names import names_of

DECIDED = "decided"


# ---- holds -------------------------------------------------------------------------------------


def _no_such_hold() -> NotFound:
    return NotFound("no-such-hold", "There is no such hold.")


@route(
    "/holds",
    scope=Scope.READ_OPERATIONS,
    answer=page_of(ShownHold),
    query=AskedHolds,
    tag="operations",
)
def list_holds(asked: dict[str, Any]) -> Response:
    """Plans and conflicts that wait for a person, the newest first."""
    return paged(
        asked,
        lambda tx, before, most, reach: interface.holds(tx, asked, before, most, reach),
        lambda tx, rows: [shown_hold(tx, row) for row in rows],
    )


def shown_hold(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    names = names_of(tx, Kind(row.kind), row.record_ids)
    return {
        "number": row.id,
        **{
            name: getattr(row, name)
            for name in ("centre", "system", "kind", "reason", "status", "out_of", "decided_by")
        },
        "records": sorted(names.values()),
        "run": row.run_id,
        "created_at": plain(row.created_at),
        "decided_at": plain(row.decided_at),
    }


def _reached_hold(tx: Connection, number: int) -> tuple[Row[Any], Any]:
    row = holds.hold_row(tx, number)
    if row is None:
        raise _no_such_hold()
    return row, caller().check_reach(tx, row.centre, _no_such_hold())


@route(f"/holds/{NUMBER}", scope=Scope.READ_OPERATIONS, answer=ShownHold, tag="operations")
def show_hold(number: int) -> Response:
    """One hold, with the records that it is about."""
    with the_bridge().database.reading() as tx:
        row, _ = _reached_hold(tx, number)
        document = shown_hold(tx, row)
    return replies.shown(document)


def _add_verdict(verb: str, approve: bool, meaning: str) -> None:
    @route(
        f"/holds/{NUMBER}/{verb}",
        method="POST",
        name=f"{verb}_hold",
        summary=meaning,
        scope=Scope.WRITE_OPERATIONS,
        body=NothingSchema(),
        answer=ShownHold,
        example={},
        headers=("IdempotencyKey",),
        tag="operations",
    )
    def act(_: dict[str, Any], number: int) -> Response:
        who = caller().name
        with the_bridge().database.reading() as tx:
            row, centre = _reached_hold(tx, number)

        def do(tx: Connection, work: Work) -> Reply:
            decisions.keep_verdict(tx, number, approve=approve, by=who, at=work.now())
            work.note(Kind(row.kind), row.system, verb, DECIDED, external_id=f"hold {number}")
            decided, _ = _reached_hold(tx, number)
            return Reply(shown_hold(tx, decided))

        return change(centre, Kind(row.kind), do)


_add_verdict("approve", True, "Lets the next run make the removals, or send the record again")
_add_verdict("reject", False, "Keeps the records, or what the target holds, as they are")


# ---- people ------------------------------------------------------------------------------------


def _no_such_person() -> NotFound:
    return NotFound("no-such-person", "Nobody of that number waits to be matched.")


@route(
    "/unmatched",
    scope=Scope.READ_OPERATIONS,
    answer=page_of(ShownUnmatched),
    query=AskedOfCentre,
    tag="operations",
)
def list_unmatched(asked: dict[str, Any]) -> Response:
    """Learners whose account at a centre is not certain, with the accounts that it might be."""
    return paged(
        asked,
        lambda tx, after, most, reach: interface.people(tx, asked, after, most, reach),
        lambda _, rows: [_shown_person(row) for row in rows],
    )


def _shown_person(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.id,
        "centre": row.centre,
        "learner": row.academy_id,
        "reason": row.reason,
        "accounts": [{"account": str(each), "why": why} for each, why in row.suggestions],
        "since": plain(row.since),
    }


@route(
    f"/unmatched/{NUMBER}/match",
    method="POST",
    scope=Scope.WRITE_OPERATIONS,
    body=MatchSchema(),
    answer=ShownDone,
    example={"account": "4711"},
    headers=("IdempotencyKey",),
    tag="operations",
)
def match_learner(given: dict[str, Any], number: int) -> Response:
    """Says which account is a learner's, or that one is to be created."""
    with the_bridge().database.reading() as tx:
        row = interface.person(tx, number)
        if row is None:
            raise _no_such_person()
        centre = caller().check_reach(tx, row.centre, _no_such_person())
    account = given.get("account") or None

    def do(tx: Connection, work: Work) -> Reply:
        learner_id = decisions.keep_match(tx, centre.code, row.academy_id, account)
        work.note(
            Kind.LEARNER,
            centre.system,
            "match",
            DECIDED,
            record_id=learner_id,
            external_id=account or "",
        )
        return Reply({"message": "The next run enrols the learner with that account."})

    return change(centre, Kind.LEARNER, do)


# ---- sending again -----------------------------------------------------------------------------


@route(
    "/centres/<code>/resend",
    method="POST",
    scope=Scope.WRITE_OPERATIONS,
    body=ResendSchema(),
    answer=ShownDone,
    example={"kind": "offering"},
    headers=("IdempotencyKey",),
    tag="operations",
)
def resend_failed(given: dict[str, Any], code: str) -> Response:
    """Lets the next run send at once what waits after a failure."""
    with the_bridge().database.reading() as tx:
        centre = caller().check_reach(tx, code, no_such_centre())

    def do(tx: Connection, work: Work) -> Reply:
        chosen: dict[Kind, list[int]] = {}
        for row in target_links.failing(tx, code):
            if given["kind"] in (None, row.kind):
                chosen.setdefault(Kind(row.kind), []).append(row.record_id)
        for kind, ids in chosen.items():
            decisions.keep_resend(tx, code, kind, ids)
            work.note(kind, API, "resend", DECIDED, external_id=f"{len(ids)} record(s)")
        number = sum(map(len, chosen.values()))
        return Reply({"message": f"{number} record(s) are sent at the next run."})

    return change(centre, given["kind"] or Kind.OFFERING, do)
