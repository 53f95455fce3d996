"""What the end of a membership does to offerings: what has begun runs on, nothing new starts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from lms_bridge.domain.dates import first_day, zone_of
from lms_bridge.domain.lifecycle import OFFERING_MOVES, OfferingAction
from lms_bridge.domain.model import Offering
from lms_bridge.domain.rules import Rules
from lms_bridge.store import memberships, offerings
from lms_bridge.store.tables import offering
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import OfferingChange, change_offering
from lms_bridge.sync.steps import Act, Step

OVER = "The centre's membership ends before the course starts."
_TO_COME = tuple(OFFERING_MOVES[OfferingAction.POSTPONE])


def uncovered(tx: Connection, centre: str, now: datetime) -> dict[int, Offering]:
    """{record id: offering} of those to come that start on a day without a membership."""
    standing = memberships.standing_of(tx, centre)
    if not standing.memberships:
        return {}
    coming = select(offering.c.id, offering.c.starts_at, offering.c.time_zone).where(
        offering.c.centre == centre,
        offering.c.listed,
        offering.c.status.in_(_TO_COME),
        offering.c.starts_at > now,
    )
    late = [
        row.id
        for row in tx.execute(coming)
        if not standing.covers(first_day(row.starts_at, zone_of(row.time_zone)))
    ]
    return offerings.offerings(tx, late)


def membership_step() -> Step:
    """Postpones what is to begin on a day without a membership. Registrations stay. Once the
    membership is renewed, somebody publishes the course again."""
    return Step("memberships", compare=_look)


def _look(context: RunContext) -> Act | None:
    if context.dry:  # what is read only now may be such an offering, too
        return _postpone
    with context.database.reading() as tx:
        return _postpone if uncovered(tx, context.centre.code, context.now()) else None


def _postpone(tx: Connection, context: RunContext) -> None:
    for record in uncovered(tx, context.centre.code, context.now()).values():
        change = OfferingChange(record.code, OfferingAction.POSTPONE, OVER)
        change_offering(tx, context, change, Rules())
