"""Roll-overs: the centres of a region go from one cycle to the next, by a plan that is approved.

A plan is kept with each line of it. It is approved as it stands: if the network has changed
meanwhile, it is outdated, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import Cycle, Membership, Period
from lms_bridge.network.decision import (
    NetworkDecision,
    asked_of,
    find_cycle,
    listed,
    no_such_region,
)
from lms_bridge.network.memberships import NewMembership, add_in, area_warnings, end_in
from lms_bridge.store import centres, memberships
from lms_bridge.store.network_tables import roll_over

TAKE, LEAVE, STAYS = "take", "leave", "stays"
PENDING, APPROVED, REJECTED, OUTDATED = "pending", "approved", "rejected", "outdated"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan is asked for. ``areas`` is {centre: its areas in the new cycle}."""

    region: str
    old: str
    new: str
    leave: Sequence[str] = ()
    areas: Mapping[str, Sequence[str]] = field(default_factory=dict)


def plan(wish: Wish, regions: Collection[str], *, by: Actor) -> NetworkDecision[int]:
    """Keeps a plan and returns its number. Earlier plans of the same kind are outdated then.

    Raises:
        NotFound: there is no such region or cycle, or it has no such centre.
        Refused: the cycles are not one after the other.
    """

    def act(tx: Connection) -> int:
        if wish.region not in regions:
            raise no_such_region(wish.region, regions)
        lines = _lines(tx, wish)
        same = (roll_over.c.region == wish.region, roll_over.c.old == wish.old)
        tx.execute(
            update(roll_over).where(*same, roll_over.c.status == PENDING).values(status=OUTDATED)
        )
        number: int = tx.execute(
            insert(roll_over)
            .values(
                **{name: getattr(wish, name) for name in ("region", "old", "new")},
                status=PENDING,
                changes={"wish": plain(wish), "lines": lines},
                made_at=by.at,
                made_by=by.name,
            )
            .returning(roll_over.c.id)
        ).scalar_one()
        _record(tx, by, "plan", number, wish, {"status": (None, PENDING)})
        return number

    return NetworkDecision(by, asked_of(Subject.ROLL_OVER, "plan", _name(wish)), act)


def approve(number: int, regions: Collection[str] | None, *, by: Actor) -> NetworkDecision[int]:
    """Carries a plan out, and returns how many centres it took. ``regions`` are those that the
    caller decides for; None: all.

    Raises:
        NotFound: there is no plan of that number.
        NotNow: it is decided, or no longer what it was.
    """

    def act(tx: Connection) -> int:
        row = _pending(tx, number, regions)
        wish = Wish(**row.changes["wish"])
        lines = row.changes["lines"]
        if _lines(tx, wish) != lines:
            raise NotNow(
                "plan-outdated",
                f"The network has changed since plan {number} was made. Nothing was changed.",
                "Make a new plan: lms-bridge roll-over plan",
            )
        taken = [line for line in lines if line["action"] == TAKE]
        for line in taken:
            _take(tx, line, wish, by)
        _decide(tx, number, APPROVED, by)
        _record(tx, by, "approve", number, wish, {"status": (PENDING, APPROVED)})
        return len(taken)

    return NetworkDecision(by, _asked("approve", number), act)


def reject(number: int, regions: Collection[str] | None, *, by: Actor) -> NetworkDecision[None]:
    """Raises NotFound when there is no such plan, NotNow when it is decided."""

    def act(tx: Connection) -> None:
        row = _pending(tx, number, regions)
        _decide(tx, number, REJECTED, by)
        wish = Wish(**row.changes["wish"])
        _record(tx, by, "reject", number, wish, {"status": (PENDING, REJECTED)})

    return NetworkDecision(by, _asked("reject", number), act)


def _asked(action: str, number: int) -> Callable[[Connection], Change]:
    return lambda tx: Change(Subject.ROLL_OVER, action, number, str(number), {})


def find_plan(tx: Connection, number: int, regions: Collection[str] | None = None) -> Row[Any]:
    """Raises NotFound."""
    row = tx.execute(select(roll_over).where(roll_over.c.id == number)).first()
    if row is None or (regions is not None and row.region not in regions):
        raise NotFound(
            "no-such-plan", f"There is no plan {number}.", "See `lms-bridge roll-over list`."
        )
    return row


def plans(
    tx: Connection,
    status: str = "all",
    regions: Collection[str] | None = None,
    after: int = 0,
    most: int = 1000,
) -> Sequence[Row[Any]]:
    query = select(roll_over).where(roll_over.c.id > after).order_by(roll_over.c.id).limit(most)
    if status != "all":
        query = query.where(roll_over.c.status == status)
    if regions is not None:
        query = query.where(roll_over.c.region.in_(list(regions)))
    return tx.execute(query).all()


def plan_document(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.id,
        **{name: getattr(row, name) for name in ("region", "old", "new", "status")},
        "lines": row.changes["lines"],
        "made_at": plain(row.made_at),
        "made_by": row.made_by,
        "decided_at": plain(row.decided_at),
        "decided_by": row.decided_by,
    }


def _lines(tx: Connection, wish: Wish) -> list[dict[str, Any]]:
    """What becomes of each centre of the region."""
    old, new = find_cycle(tx, wish.old), find_cycle(tx, wish.new)
    if new.starts_on <= old.starts_on:
        raise Refused(
            "cycles-in-wrong-order",
            f"The cycle {new.name} does not begin after {old.name}.",
            "Name the earlier one first.",
        )
    mine = [each for each in centres.all_centres(tx) if each.region == wish.region]
    strange = {*wish.leave, *wish.areas} - {each.code for each in mine}
    if strange:
        raise NotFound(
            "no-such-centre", f"The region has no such centre: {listed(sorted(strange))}."
        )
    places = memberships.by_centre(tx)
    lines = (_line(each, places.get(each.code, []), old, new, wish) for each in mine)
    return [line for line in lines if line is not None]


def _line(
    centre: Centre, places: Sequence[Membership], old: Cycle, new: Cycle, wish: Wish
) -> dict[str, Any] | None:
    """None for a centre that was no member of the old cycle."""
    before = [each for each in places if each.cycle == old.name]
    if not before:
        return None
    last = before[-1]
    day_before = new.starts_on - timedelta(days=1)
    full = day_before if old.ends_on is None else min(old.ends_on, day_before)
    wished = wish.areas.get(centre.code)
    asked = last.priority_areas if wished is None else tuple(wished)
    areas = tuple(dict.fromkeys(now for each in asked if (now := new.area(each)) is not None))
    line: dict[str, Any] = {
        "centre": centre.code,
        "action": TAKE,
        "why": " ".join(area_warnings(new, areas)),
        "old_ends_on": full.isoformat(),
        "new_starts_on": new.starts_on.isoformat(),
        "areas_before": list(last.priority_areas),
        "areas_after": list(areas),
        "dropped": [each for each in asked if new.area(each) is None],
    }
    if any(each.cycle == new.name for each in places):
        return _staying(line, STAYS, f"it is a member in {new.name} already", last)
    if centre.code in wish.leave:
        return _staying(line, LEAVE, "it is to be left out", last)
    if last.period.is_over(full):
        return _staying(line, LEAVE, f"its membership ends on {last.ends_on}", last)
    return line


def _staying(line: dict[str, Any], action: str, why: str, last: Membership) -> dict[str, Any]:
    return {
        **line,
        "action": action,
        "why": why,
        "old_ends_on": plain(last.ends_on),
        "new_starts_on": None,
        "areas_after": [],
        "dropped": [],
    }


def _take(tx: Connection, line: Mapping[str, Any], wish: Wish, by: Actor) -> None:
    places = memberships.memberships_of(tx, line["centre"])
    last = [each for each in places if each.cycle == wish.old][-1]
    before_new = find_cycle(tx, wish.new).starts_on - timedelta(days=1)
    if last.period.overlaps(Period(before_new + timedelta(days=1))):
        end_in(tx, last, before_new, by=by, reason=f"rolled over to {wish.new}")
    areas = line["areas_after"]
    add_in(tx, NewMembership(line["centre"], wish.new, priority_areas=areas), by=by)


def _pending(tx: Connection, number: int, regions: Collection[str] | None) -> Row[Any]:
    row = find_plan(tx, number, regions)
    if row.status != PENDING:
        raise NotNow("plan-decided", f"Plan {number} is {row.status}.", "Make a new one.")
    return row


def _decide(tx: Connection, number: int, status: str, by: Actor) -> None:
    values = {"status": status, "decided_at": by.at, "decided_by": by.name}
    tx.execute(update(roll_over).where(roll_over.c.id == number).values(**values))


def _name(wish: Wish) -> str:
    return f"{wish.region}: {wish.old} to {wish.new}"


def _record(
    tx: Connection, by: Actor, action: str, number: int, wish: Wish, fields: Mapping[str, Any]
) -> None:
    record(tx, by, Change(Subject.ROLL_OVER, action, number, _name(wish), fields))
