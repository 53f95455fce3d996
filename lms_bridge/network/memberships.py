"""Memberships: begun, ended, renewed; and what their end means for offerings.

A course that has begun runs to its end, whatever becomes of the membership. None starts after it:
such an outline is not accepted, and what is published already is postponed (``sync.memberships``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, changed_fields, record
from lms_bridge.domain.document import document
from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.network import Cycle, Membership, MembershipStatus, Period
from lms_bridge.domain.rules import check_areas
from lms_bridge.network.decision import (
    NetworkDecision,
    asked_of,
    check_days,
    find_centre,
    find_cycle,
    listed,
)
from lms_bridge.store import memberships as store
from lms_bridge.store.memberships import OwnDays


@dataclass(frozen=True, slots=True)
class NewMembership:
    """``starts_on`` and ``ends_on``: None for those of the cycle."""

    centre: str
    cycle: str
    starts_on: date | None = None
    ends_on: date | None = None
    priority_areas: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """A membership as it is now, and what is odd about it."""

    membership: Membership
    warnings: tuple[str, ...] = ()


def add_membership(new: NewMembership, *, by: Actor) -> NetworkDecision[Decided]:
    """Begins a membership.

    Raises:
        NotFound: there is no such centre or cycle.
        Refused: it has days outside of its cycle, or in common with another of its centre there.
    """
    return NetworkDecision(
        by,
        asked_of(Subject.MEMBERSHIP, "add", f"{new.centre} {new.cycle}"),
        lambda tx: add_in(tx, new, by=by),
    )


def add_in(tx: Connection, new: NewMembership, *, by: Actor) -> Decided:
    """The same inside of a larger decision."""
    centre, cycle = find_centre(tx, new.centre), find_cycle(tx, new.cycle)
    period = Period(new.starts_on or cycle.starts_on, new.ends_on or cycle.ends_on)
    check_days("The membership", period)
    _check_inside(cycle, period)
    _check_apart(period, store.memberships_of(tx, centre.code), cycle.name)
    areas = _named(cycle, new.priority_areas)
    number = store.add_membership(
        tx, centre.code, cycle.name, OwnDays(new.starts_on, new.ends_on), areas, new.reason
    )
    made = _found(tx, number)
    _record(tx, by, "add", None, made, new.reason)
    return Decided(made, tuple(area_warnings(cycle, areas)))


def change_areas(number: int, areas: Sequence[str], *, by: Actor) -> NetworkDecision[Decided]:
    """Replaces the priority areas of a membership. Raises NotFound."""

    def act(tx: Connection) -> Decided:
        before = _found(tx, number)
        cycle = find_cycle(tx, before.cycle)
        named = _named(cycle, areas)
        store.change_membership(tx, number, priority_areas=named)
        _record(tx, by, "change", before, replace(before, priority_areas=named))
        warnings = tuple(area_warnings(cycle, named))
        return Decided(replace(before, priority_areas=named), warnings)

    return NetworkDecision(by, _asked(number, "change"), act)


def end_membership(
    number: int, last_day: date, *, by: Actor, reason: str = ""
) -> NetworkDecision[Decided]:
    """Ends a membership on a day, which is its last.

    Raises:
        NotFound: there is none of that number.
        NotNow: it has ended before.
        Refused: the day is before its first.
    """

    def act(tx: Connection) -> Decided:
        before = _found(tx, number)
        if before.period.is_over(last_day):
            raise NotNow(
                "membership-over",
                f"The membership ended on {before.ends_on}.",
                "Renew it to let it last longer: lms-bridge membership renew",
            )
        if last_day < before.starts_on:
            raise Refused(
                "days-in-wrong-order",
                f"The membership starts on {before.starts_on}, after {last_day}.",
                "Remove one that has not begun: lms-bridge membership remove",
            )
        return end_in(tx, before, last_day, by=by, reason=reason)

    return NetworkDecision(by, _asked(number, "end"), act)


def renew_membership(
    number: int,
    *,
    by: Actor,
    starts_on: date | None = None,
    ends_on: date | None = None,
    reason: str = "",
) -> NetworkDecision[Decided]:
    """Lets a membership last until ``ends_on``, else to the end of its cycle. One that is over is
    followed by a new one, so that the days between stay without a membership.

    Raises:
        NotFound: there is none of that number.
        NotNow: its cycle is over.
        Refused: a day is outside of the cycle, or another membership of the centre holds then.
    """

    def act(tx: Connection) -> Decided:
        before = _found(tx, number)
        cycle = find_cycle(tx, before.cycle)
        today = by.at.date()
        if cycle.period.is_over(starts_on or today):
            raise NotNow(
                "cycle-over",
                f"The cycle {cycle.name} ended on {cycle.ends_on}.",
                "Take the centre over into the next one: lms-bridge roll-over plan",
            )
        if before.period.status(today) is MembershipStatus.ENDED:
            begins = starts_on or max(today, cycle.starts_on)
            again = NewMembership(
                *(before.centre, before.cycle, begins, ends_on),
                *(before.priority_areas, reason),
            )
            return add_in(tx, again, by=by)
        if starts_on is not None:
            raise Refused(
                "membership-holds",
                f"The membership holds until {before.ends_on}: it needs no new first day."
                if before.ends_on
                else "The membership holds until its cycle ends: it needs no new first day.",
                "Give the last day alone.",
            )
        after = Period(before.starts_on, ends_on or cycle.ends_on)
        check_days("The membership", after)
        _check_inside(cycle, after)
        others = store.memberships_of(tx, before.centre)
        _check_apart(after, [each for each in others if each.number != number], cycle.name)
        return _changed(tx, by, "renew", before, ends_on, reason)

    return NetworkDecision(by, _asked(number, "renew"), act)


def remove_membership(number: int, *, by: Actor) -> NetworkDecision[Membership]:
    """Removes a membership that has not begun.

    Raises:
        NotFound: there is none of that number.
        NotNow: it has begun.
    """

    def act(tx: Connection) -> Membership:
        before = _found(tx, number)
        if before.period.status(by.at.date()) is not MembershipStatus.UPCOMING:
            raise NotNow(
                "membership-begun",
                f"The membership began on {before.starts_on}.",
                "End it: lms-bridge membership end",
            )
        store.remove_membership(tx, number)
        _record(tx, by, "remove", before, None)
        return before

    return NetworkDecision(by, _asked(number, "remove"), act)


def area_warnings(cycle: Cycle, areas: Sequence[str]) -> Iterator[str]:
    """What is odd about a centre's areas in a cycle."""
    strange = [each for each in areas if cycle.area(each) is None]
    if strange:
        whole = "" if cycle.complete else " (its list is known in part only)"
        yield f"not among the areas of {cycle.name}{whole}: {listed(strange)}"
    yield from (each.message for each in check_areas(areas, cycle))


def end_in(
    tx: Connection, before: Membership, last_day: date, *, by: Actor, reason: str = ""
) -> Decided:
    """Ends a membership that holds on that day, inside of a larger decision."""
    return _changed(tx, by, "end", before, last_day, reason)


def _changed(
    tx: Connection, by: Actor, action: str, before: Membership, ends_on: date | None, reason: str
) -> Decided:
    store.change_membership(tx, before.number, ends_on=ends_on, reason=reason[:1000])
    after = _found(tx, before.number)
    _record(tx, by, action, before, after, reason)
    return Decided(after)


def _asked(number: int, action: str) -> Callable[[Connection], Change]:
    def asked(tx: Connection) -> Change:
        known = _found(tx, number)
        name = f"{known.centre} {known.cycle}"
        return Change(Subject.MEMBERSHIP, action, number, name, {}, known.centre)

    return asked


def _found(tx: Connection, number: int) -> Membership:
    found = store.find_membership(tx, number)
    if found is None:
        raise NotFound(
            "no-such-membership",
            f"There is no membership {number}.",
            "See `lms-bridge membership list`.",
        )
    return found


def _named(cycle: Cycle, areas: Sequence[str]) -> tuple[str, ...]:
    """The areas as the cycle calls them now; one that it has not stays as it was written."""
    found = (cycle.area(each) or " ".join(each.split())[:255] for each in areas)
    return tuple(dict.fromkeys(each for each in found if each))


def _check_inside(cycle: Cycle, period: Period) -> None:
    late = cycle.ends_on is not None and (period.ends_on is None or period.ends_on > cycle.ends_on)
    if late or period.starts_on < cycle.starts_on:
        raise Refused(
            "outside-the-cycle",
            f"The membership ({period}) has days outside of the cycle {cycle.name} "
            f"({cycle.period}).",
            "Give days inside of it; without any it lasts as long as its cycle.",
        )


def _check_apart(period: Period, others: Sequence[Membership], cycle: str) -> None:
    for each in others:
        if each.cycle == cycle and each.period.overlaps(period):
            raise Refused(
                "membership-overlaps",
                f"The centre is a member in {cycle} already ({each.period}, number "
                f"{each.number}), and {period} shares days with that.",
                "End or renew that one.",
            )


def _record(
    tx: Connection,
    by: Actor,
    action: str,
    before: Membership | None,
    after: Membership | None,
    reason: str = "",
) -> None:
    known = after or before
    if known is None:
        return
    fields = changed_fields(
        document(before) if before else None,
        {**document(after), **({"reason": reason} if reason else {})} if after else None,
    )
    name = f"{known.centre} {known.cycle}"
    record(tx, by, Change(Subject.MEMBERSHIP, action, known.number, name, fields, known.centre))
