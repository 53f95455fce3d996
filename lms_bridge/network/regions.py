"""The move of a centre to another region.

What was given before the move stays with the region of that day in every figure. Who reads and
decides for a region follows the move at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import Period
from lms_bridge.network.decision import (
    NetworkDecision,
    asked_of,
    check_days,
    find_centre,
    no_such_region,
)
from lms_bridge.store import centres, memberships


def move_centre(
    code: str, region: str, moved_on: date, regions: Sequence[str], *, by: Actor
) -> NetworkDecision[Centre]:
    """Moves a centre to another region; in the region already, nothing changes.

    Raises:
        NotFound: there is no such centre or region.
        Refused: the day is outside of this age.
    """

    def act(tx: Connection) -> Centre:
        before = find_centre(tx, code)
        if region not in regions:
            raise no_such_region(region, regions)
        after = replace(before, region=region)
        if after != before:
            centres.change(tx, after)
            record_move(tx, before, after, moved_on, by=by)
        return after

    return NetworkDecision(by, asked_of(Subject.CENTRE, "move", code, code), act)


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
