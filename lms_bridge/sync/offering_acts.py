"""What people do with an offering, and what time does: its life, kept under its centre's lease."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection, select

from lms_bridge.domain.document import document
from lms_bridge.domain.errors import NotFound, Refused, RulesBroken
from lms_bridge.domain.lifecycle import (
    ENROLMENT_MOVES,
    EnrolmentAction,
    OfferingAction,
    by_clock,
    move_offering,
)
from lms_bridge.domain.model import Centre, Kind, Offering, OfferingStatus
from lms_bridge.domain.ports import Action
from lms_bridge.domain.rules import RuleFinding, Rules, check_offering, check_report
from lms_bridge.store import enrolments, lives, offerings
from lms_bridge.store.lives import Life
from lms_bridge.store.tables import offering as table
from lms_bridge.sync.wants import want_enrolments, want_offerings
from lms_bridge.sync.work import Work, changed_fields

API = "api"
"""The name under which the audit keeps what came in through the interface."""


@dataclass(frozen=True, slots=True)
class OfferingAct:
    """``revision`` is the one that the person saw; None: whatever it is now."""

    code: str
    action: OfferingAction
    reason: str = ""
    revision: int | None = None


def act_on_offering(
    tx: Connection, work: Work, act: OfferingAct, rules: Rules
) -> tuple[int, Offering, list[RuleFinding]]:
    """Takes an offering of the run's centre through an action. Gives its id, the offering as it is
    now, and what the rules warn of.

    Raises:
        NotFound: the centre has no such offering.
        Refused: somebody changed it meanwhile, or its status does not allow the action.
        RulesBroken: it cannot be submitted or published as it is.
    """
    record_id, before = find_offering(tx, work.centre.code, act.code)
    check_revision(tx, record_id, act.revision)
    life = lives.lives(tx, [record_id]).get(record_id)
    now = work.now()
    current = before
    if life is not None:
        current = replace(before, status=by_clock(before, life.deadline, now))
    after = move_offering(current, act.action, now)
    found = _findings(tx, work, record_id, after, act.action, rules)
    broken = [each for each in found if not each.warning]
    if broken:
        raise RulesBroken(broken)
    submitted = after.status is OfferingStatus.SUBMITTED
    deadline = now + timedelta(days=rules.objection_days) if submitted else None
    lives.keep(tx, record_id, Life(now, deadline, act.reason))
    _change(tx, work, {record_id: (before, after)})
    if act.action is OfferingAction.CANCEL:
        _cancel_enrolments(tx, work, record_id, after)
    return record_id, after, found


def find_offering(tx: Connection, centre: str, code: str) -> tuple[int, Offering]:
    """Raises NotFound when the centre has no offering of that code."""
    found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None or found[1].centre != centre:
        raise NotFound("no-such-offering", "There is no such offering.")
    return found


def check_revision(tx: Connection, record_id: int, revision: int | None) -> None:
    """Raises Refused when the offering is not the one that the person saw."""
    if revision is None:
        return
    if tx.scalar(select(table.c.revision).where(table.c.id == record_id)) != revision:
        raise changed_meanwhile()


def changed_meanwhile() -> Refused:
    return Refused(
        "changed-meanwhile", "It was changed since you read it.", "Read it again, then decide."
    )


def _findings(
    tx: Connection,
    work: Work,
    record_id: int,
    after: Offering,
    action: OfferingAction,
    rules: Rules,
) -> list[RuleFinding]:
    if action in (OfferingAction.SUBMIT, OfferingAction.PUBLISH):
        return check_offering(after, rules, work.now(), newest_areas(work.centre))
    if action is OfferingAction.REPORT:
        participants = len(enrolments.enrolments_in(tx, [record_id]))
        return check_report(after, participants, rules, work.now())
    return []


def newest_areas(centre: Centre) -> tuple[str, ...]:
    """The priority areas of a centre in the newest cycle that it is a member of (cycles are named
    by their years)."""
    newest = max(centre.memberships, key=lambda each: each.cycle, default=None)
    return newest.priority_areas if newest else ()


def move_on(work: Work) -> None:
    """Applies what time has brought to the offerings of the run's centre that people act on:
    outlines nobody objected to, courses that began or ended."""
    with work.database.reading() as tx:
        if not lives.due(tx, work.now(), work.centre.code):
            return
    with work.writing() as tx:
        ids = lives.due(tx, work.now(), work.centre.code)
        known = lives.lives(tx, ids)
        changes = {}
        for record_id, before in offerings.offerings(tx, ids).items():
            life = known[record_id]
            after = replace(before, status=by_clock(before, life.deadline, work.now()))
            changes[record_id] = (before, after)
            lives.keep(tx, record_id, Life(work.now(), None, life.reason))
        _change(tx, work, changes)


def _change(tx: Connection, work: Work, changes: dict[int, tuple[Offering, Offering]]) -> None:
    after = {record_id: new for record_id, (_, new) in changes.items()}
    offerings.change_offerings(tx, after)
    want_offerings(tx, after)
    for record_id, (old, new) in changes.items():
        work.note(
            Kind.OFFERING,
            API,
            Action.UPDATE,
            "taken in",
            record_id=record_id,
            external_id=new.code,
            fields=changed_fields(document(old), document(new)),
        )


def _cancel_enrolments(tx: Connection, work: Work, record_id: int, offering: Offering) -> None:
    """Nobody stays in a course that does not take place."""
    moves = ENROLMENT_MOVES[EnrolmentAction.CANCEL]
    ended = [
        stored.with_record(replace(stored.record, status=moves[stored.record.status]))
        for stored in enrolments.enrolments_in(tx, [record_id]).values()
        if stored.record.status in moves
    ]
    enrolments.change_enrolments(tx, {stored.id: stored.record for stored in ended})
    want_enrolments(tx, work.centre.code, ended, {record_id: offering})
    for stored in ended:
        work.note(
            Kind.ENROLMENT,
            API,
            Action.UPDATE,
            "taken in",
            record_id=stored.id,
            external_id=f"{offering.code}/{stored.record.learner}",
        )
