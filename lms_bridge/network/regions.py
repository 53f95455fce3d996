"""The move of a centre to another region.

What was given before the move stays with the region of that day in every figure. Who reads and
decides for a region follows the move at once.
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import Period
from lms_bridge.network.decision import check_days
from lms_bridge.store import memberships


def record_move(
    tx: Connection, before: Centre, after: Centre, moved_on: date, *, by: Actor
) -> None:
    """Keeps the region that the centre was in until the day before ``moved_on``. The centre itself
    is changed by whoever calls this.

    Raises:
        Refused: the day is outside of this age.
    """
    if before.region == after.region:
        return
    check_days("The move", Period(moved_on))
    memberships.keep_region(tx, before.code, before.region, moved_on - timedelta(days=1))
    fields = {
        "region": (before.region, after.region),
        "moved_on": (None, moved_on.isoformat()),
    }
    record(tx, by, Change(Subject.CENTRE, "move", None, before.code, fields, before.code))
