"""Memberships of centres in cycles, and the regions that centres were in before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, select, update

from lms_bridge.domain.network import Membership, Standing
from lms_bridge.store import cycles
from lms_bridge.store.catalogue_changes import note_centres
from lms_bridge.store.network_tables import cycle, membership, past_region

_READ: Select[Any] = (
    select(membership, cycle.c.starts_on.label("first"), cycle.c.ends_on.label("last"))
    .join(cycle, cycle.c.name == membership.c.cycle)
    .order_by(membership.c.id)
)


def _membership(row: Any) -> Membership:
    """Its days within those of the cycle: a membership ends with its cycle at the latest."""
    ends = [day for day in (row.ends_on, row.last) if day is not None]
    starts = max(row.starts_on or row.first, row.first)
    return Membership(
        row.centre, row.cycle, starts, min(ends, default=None), row.priority_areas, row.id
    )


_OF_CENTRE = _READ.where(membership.c.centre == bindparam("of_centre"))
"""Built once, because each run asks, and building costs more than the query."""


def _found(tx: Connection, *where: ColumnElement[bool]) -> list[Membership]:
    return _in_order(tx.execute(_READ.where(*where)))


def _in_order(rows: Iterable[Any]) -> list[Membership]:
    found = [_membership(row) for row in rows]
    return sorted(found, key=lambda each: (each.centre, each.starts_on, each.number))


def all_memberships(tx: Connection, *, in_cycle: str = "") -> list[Membership]:
    """By centre, the earliest first."""
    return _found(tx, *([membership.c.cycle == in_cycle] if in_cycle else []))


def memberships_of(tx: Connection, centre: str) -> list[Membership]:
    """The earliest first."""
    return _in_order(tx.execute(_OF_CENTRE, {"of_centre": centre}))


def by_centre(tx: Connection) -> dict[str, list[Membership]]:
    found: dict[str, list[Membership]] = {}
    for each in all_memberships(tx):
        found.setdefault(each.centre, []).append(each)
    return found


def find_membership(tx: Connection, number: int) -> Membership | None:
    return next(iter(_found(tx, membership.c.id == number)), None)


def standing_of(tx: Connection, centre: str) -> Standing:
    """What rules judge the offerings of a centre by."""
    mine = memberships_of(tx, centre)
    return Standing(tuple(mine), cycles.former_names(tx) if mine else {})


@dataclass(frozen=True, slots=True)
class OwnDays:
    """The first and last day that a membership itself has; None: that of its cycle."""

    starts_on: date | None
    ends_on: date | None


def add_membership(
    tx: Connection,
    centre: str,
    cycle_name: str,
    days: OwnDays,
    areas: Sequence[str],
    reason: str = "",
) -> int:
    """Adds a membership and returns its number."""
    values = {"centre": centre, "cycle": cycle_name, "priority_areas": tuple(areas)}
    added: int = tx.execute(
        insert(membership)
        .values(**values, starts_on=days.starts_on, ends_on=days.ends_on, reason=reason[:1000])
        .returning(membership.c.id)
    ).scalar_one()
    note_centres(tx)
    return added


def change_membership(tx: Connection, number: int, **values: Any) -> None:
    """Sets columns of a membership."""
    tx.execute(update(membership).where(membership.c.id == number).values(**values))
    note_centres(tx)


def remove_membership(tx: Connection, number: int) -> None:
    """Removes one that has not begun: nothing was ever judged by it."""
    tx.execute(delete(membership).where(membership.c.id == number))
    note_centres(tx)


def reasons(tx: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """{number: the reason that was given last}"""
    rows = tx.execute(
        select(membership.c.id, membership.c.reason).where(membership.c.id.in_(list(numbers)))
    )
    return {row.id: row.reason for row in rows}


def past_regions(tx: Connection, centre: str = "") -> Mapping[str, list[tuple[date, str]]]:
    """{centre: (last day, region) of each region that it was in before, the earliest first}"""
    query = select(past_region).order_by(past_region.c.centre, past_region.c.ends_on)
    if centre:
        query = query.where(past_region.c.centre == centre)
    found: dict[str, list[tuple[date, str]]] = {}
    for row in tx.execute(query):
        found.setdefault(row.centre, []).append((row.ends_on, row.region))
    return found


def keep_region(tx: Connection, centre: str, region: str, ends_on: date) -> None:
    """Keeps where a centre was until that day: ``region``, or what an earlier move said of it.
    Later stays, which the move now denies, go."""
    denied = (past_region.c.centre == centre, past_region.c.ends_on >= ends_on)
    first = select(past_region.c.region).where(*denied).order_by(past_region.c.ends_on).limit(1)
    was = tx.scalar(first) or region
    tx.execute(delete(past_region).where(*denied))
    tx.execute(insert(past_region).values(centre=centre, region=was, ends_on=ends_on))
