"""Acts on many people of a course at once: each has an outcome of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from lms_bridge.audit import Actor
from lms_bridge.bridge import Bridge
from lms_bridge.domain.errors import BridgeError, LeaseLost
from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.model import Centre, EnrolmentStatus, Flow, Kind
from lms_bridge.sync.context import Asked, RunContext
from lms_bridge.sync.enrolment_actions import (
    EnrolmentChange,
    change_enrolment,
    find_enrolment,
    no_such_registration,
)

_E = EnrolmentStatus
DONE_ALREADY: Mapping[EnrolmentAction, frozenset[EnrolmentStatus]] = {
    EnrolmentAction.SELECT: frozenset({_E.SELECTED, _E.INVOICED, _E.ENROLLED, _E.STARTED}),
    EnrolmentAction.REJECT: frozenset({_E.REJECTED}),
    EnrolmentAction.CONFIRM_PAYMENT: frozenset({_E.ENROLLED, _E.STARTED}),
}
"""{action of these pages: the statuses of those with whom it was done before}"""


class Outcome(StrEnum):
    """What became of an act on one person."""

    DONE = "done"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """``number`` is that of the registration; ``error`` says why it was refused."""

    number: int
    outcome: Outcome
    error: BridgeError | None = None


def act_on_people(
    bridge: Bridge,
    centre: Centre,
    offering_id: int,
    action: EnrolmentAction,
    chosen: Mapping[int, int],
    actor: Actor,
) -> list[PersonOutcome]:
    """Does the action with each of the registrations, ``{number: revision}`` as the reader saw
    them. One that is refused stops no other, and nothing is done twice.

    Raises:
        Overloaded: the centre is being synced; nothing was changed.
    """

    def act(context: RunContext) -> list[PersonOutcome]:
        changes = (EnrolmentChange(number, action, revision) for number, revision in chosen.items())
        return context.in_parts(
            changes, lambda tx, change: _act_on(tx, context, offering_id, change)
        )

    return bridge.act_in_parts(centre, Flow.ENROLMENTS, actor, act)


def _act_on(
    tx: Connection, context: RunContext, offering_id: int, change: EnrolmentChange
) -> PersonOutcome:
    context.asked = Asked(Kind.ENROLMENT, str(change.action), "", change.number)
    try:
        stored, _ = find_enrolment(tx, context.centre.code, change.number)
        if stored.offering_id != offering_id:
            raise no_such_registration()
        if stored.record.status in DONE_ALREADY[change.action]:
            return PersonOutcome(change.number, Outcome.ALREADY)
        with context.savepoint(tx):
            change_enrolment(tx, context, change)
    except LeaseLost:
        raise
    except BridgeError as error:
        context.note_refusal(error)
        return PersonOutcome(change.number, Outcome.REFUSED, error)
    return PersonOutcome(change.number, Outcome.DONE)
