"""What the end of a membership does to offerings: what has begun runs on, nothing new starts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.domain.network import day_of
from lms_bridge.domain.rules import Rules
from lms_bridge.store import memberships, offerings
from lms_bridge.store.tables import offering
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import OfferingChange, change_offering

OVER = "The centre's membership ends before the course starts."
ON_OFFER = (OfferingStatus.REVIEWED, OfferingStatus.PUBLISHED)


def uncovered(tx: Connection, centre: str, now: datetime) -> dict[int, Offering]:
    """{record id: offering} of those on offer that start on a day without a membership."""
    standing = memberships.standing_of(tx, centre)
    if not standing.memberships:
        return {}
    coming = select(offering.c.id).where(
        offering.c.centre == centre,
        offering.c.listed,
        offering.c.status.in_(ON_OFFER),
        offering.c.starts_at > now,
    )
    found = offerings.offerings(tx, tx.scalars(coming).all())
    return {id_: each for id_, each in found.items() if not standing.covers(day_of(each, now))}


def postpone_uncovered(context: RunContext) -> None:
    """Postpones what is on offer for a day without a membership. Registrations stay. Once the
    membership is renewed, somebody publishes the course again."""
    centre, now = context.centre.code, context.now()
    with context.database.reading() as tx:
        if not uncovered(tx, centre, now):
            return
    with context.writing() as tx:
        for record in uncovered(tx, centre, now).values():
            change = OfferingChange(record.code, OfferingAction.POSTPONE, OVER)
            change_offering(tx, context, change, Rules())
