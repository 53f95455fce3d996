"""Priority areas of a cycle: added, renamed, merged.

A name that is no longer used leads to the area that it became. So offerings with the old name still
have their area, and a membership names its areas as they are called now.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, changed_fields, record
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.network import Cycle, area_key
from lms_bridge.network.cycles import MOST_AREAS, checked_area
from lms_bridge.network.decision import NetworkDecision, asked_of, find_cycle, listed
from lms_bridge.store import cycles, memberships


def add_area(cycle: str, name: str, *, by: Actor) -> NetworkDecision[Cycle]:
    """Raises NotFound for an unknown cycle, NotNow when it has the area already."""

    def act(tx: Connection) -> Cycle:
        before, added = find_cycle(tx, cycle), checked_area(name)
        known = before.area(added)
        if known is not None:
            raise NotNow("area-exists", f"{cycle} has the area already: {known}.")
        if len(before.areas) >= MOST_AREAS:
            raise Refused("too-many-names", f"A cycle has at most {MOST_AREAS} areas.")
        cycles.add_area(tx, cycle, added)
        return _recorded(tx, by, "add", before)

    return NetworkDecision(by, asked_of(Subject.CYCLE, "add", cycle), act)


def rename_area(cycle: str, old: str, new: str, *, by: Actor) -> NetworkDecision[Cycle]:
    """Gives an area another name, in the memberships, too.

    Raises:
        NotFound: the cycle has no such area.
        NotNow: another area has that name.
    """

    def act(tx: Connection) -> Cycle:
        before, name = find_cycle(tx, cycle), checked_area(new)
        was = _current(before, old)
        if area_key(name) == area_key(was):
            cycles.spell_area(tx, cycle, name)
        elif before.area(name) not in (None, was):
            raise NotNow(
                "area-exists",
                f"{cycle} has an area {before.area(name)} already.",
                "Merge the two: lms-bridge area merge",
            )
        else:
            cycles.add_area(tx, cycle, name)
            cycles.replace_area(tx, cycle, was, name)
        _rewrite(tx, by, cycle, {area_key(was): name})
        return _recorded(tx, by, "rename", before)

    return NetworkDecision(by, asked_of(Subject.CYCLE, "rename", cycle), act)


def merge_areas(
    cycle: str, merged: Sequence[str], into: str, *, by: Actor
) -> NetworkDecision[Cycle]:
    """Makes one area of several: ``into``, which is one of the cycle's.

    Raises:
        NotFound: the cycle has no such area.
        Refused: nothing is left to merge.
    """

    def act(tx: Connection) -> Cycle:
        before = find_cycle(tx, cycle)
        kept = _current(before, into)
        gone = [area for each in merged if (area := _current(before, each)) != kept]
        if not gone:
            raise Refused("nothing-to-merge", f"No area is named that is not {kept} itself.")
        for each in gone:
            cycles.replace_area(tx, cycle, each, kept)
        _rewrite(tx, by, cycle, {area_key(each): kept for each in gone})
        return _recorded(tx, by, "merge", before)

    return NetworkDecision(by, asked_of(Subject.CYCLE, "merge", cycle), act)


def _current(cycle: Cycle, name: str) -> str:
    found = cycle.area(name)
    if found is None:
        raise NotFound(
            "no-such-area",
            f'The cycle {cycle.name} has no area "{name[:100]}".',
            f"It has: {listed(cycle.areas)}.",
        )
    return found


def _rewrite(tx: Connection, by: Actor, cycle: str, names: dict[str, str]) -> None:
    """Names the areas of memberships anew: {key of the name before: name now}."""
    for each in memberships.all_memberships(tx, in_cycle=cycle):
        now = tuple(dict.fromkeys(names.get(area_key(area), area) for area in each.priority_areas))
        if now != each.priority_areas:
            memberships.change_membership(tx, each.number, priority_areas=now)
            fields = {"priority_areas": (plain(each.priority_areas), plain(now))}
            change = Change(
                *(Subject.MEMBERSHIP, "change", each.number),
                *(f"{each.centre} {cycle}", fields, each.centre),
            )
            record(tx, by, change)


def _recorded(tx: Connection, by: Actor, action: str, before: Cycle) -> Cycle:
    after = find_cycle(tx, before.name)
    names = ("areas", "former")
    fields = changed_fields(
        {name: plain(getattr(before, name)) for name in names},
        {name: plain(getattr(after, name)) for name in names},
    )
    record(tx, by, Change(Subject.CYCLE, action, None, before.name, fields))
    return after
