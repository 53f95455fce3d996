"""The network of centres in time: cycles, priority areas, memberships, and what holds on a day.

A day counts whole: a period holds on its first and on its last day. Days are compared as the
calendar of the offering's own time zone has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from lms_bridge.domain.model import Offering


class MembershipStatus(StrEnum):
    """What a membership is on a day. The dates alone decide it."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Period:
    """From a first to a last day; None as the last day: without an end."""

    starts_on: date
    ends_on: date | None = None

    def holds(self, day: date) -> bool:
        return self.starts_on <= day and not self.is_over(day)

    def is_over(self, day: date) -> bool:
        return self.ends_on is not None and self.ends_on < day

    def overlaps(self, other: Period) -> bool:
        return not (self.is_over(other.starts_on) or other.is_over(self.starts_on))

    def status(self, day: date) -> MembershipStatus:
        if self.is_over(day):
            return MembershipStatus.ENDED
        return MembershipStatus.ACTIVE if self.starts_on <= day else MembershipStatus.UPCOMING

    def __str__(self) -> str:
        if self.ends_on is None:
            return f"{self.starts_on} on"
        return f"{self.starts_on} to {self.ends_on}"


@dataclass(frozen=True, slots=True)
class Cycle:
    """One period of the partner programme. ``complete`` is False where the list of areas is known
    in part only; ``most_per_centre`` is None where no limit is known. ``former`` is {name of an
    area that was renamed or merged: the area that it is now}."""

    name: str
    programme: str
    starts_on: date
    ends_on: date | None = None
    complete: bool = False
    most_per_centre: int | None = None
    areas: tuple[str, ...] = ()
    former: Mapping[str, str] = field(default_factory=dict)

    @property
    def period(self) -> Period:
        return Period(self.starts_on, self.ends_on)

    def area(self, name: str) -> str | None:
        """The area of that name, in any case, as it is called now; None: there is none."""
        key = area_key(name)
        now = {area_key(old): new for old, new in self.former.items()}
        return {area_key(each): each for each in self.areas}.get(key) or now.get(key)


def area_key(name: str) -> str:
    """The form in which names of areas are compared."""
    return " ".join(name.split()).casefold()


@dataclass(frozen=True, slots=True)
class Membership:
    """A centre's place in one cycle, from a first to a last day. It never lasts longer than the
    cycle. ``number`` is 0 for one that is not stored yet."""

    centre: str
    cycle: str
    starts_on: date
    ends_on: date | None = None
    priority_areas: tuple[str, ...] = ()
    number: int = 0

    @property
    def period(self) -> Period:
        return Period(self.starts_on, self.ends_on)


@dataclass(frozen=True, slots=True)
class Standing:
    """All memberships of one centre, for rules. ``former`` is that of all cycles. Where a centre
    has no membership at all, no rule asks for one."""

    memberships: tuple[Membership, ...] = ()
    former: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def on(self, day: date) -> tuple[Membership, ...]:
        """The memberships that hold on that day: of two cycles where these overlap."""
        return tuple(each for each in self.memberships if each.period.holds(day))

    def covers(self, day: date) -> bool:
        return not self.memberships or bool(self.on(day))

    def area_keys(self, day: date) -> frozenset[str]:
        """The keys of the centre's areas on that day, by their present and their former names."""
        return frozenset().union(*(self.keys_of(each) for each in self.on(day)))

    def keys_of(self, membership: Membership) -> frozenset[str]:
        """The same of one membership."""
        mine = {area_key(area) for area in membership.priority_areas}
        old = self.former.get(membership.cycle, {})
        before = {area_key(was) for was, now in old.items() if area_key(now) in mine}
        return frozenset(mine | before)


NO_STANDING = Standing()


def day_of(offering: Offering, now: datetime) -> date:
    """The day by which a membership is looked for: the offering's first, in its own time zone, or
    today where it has none."""
    return (offering.starts_at or now).astimezone(ZoneInfo(offering.time_zone)).date()


def status_of(memberships: Iterable[Membership], day: date) -> MembershipStatus | None:
    """What a centre is by its memberships: active before upcoming, and upcoming before ended."""
    found = {each.period.status(day) for each in memberships}
    ranked = (MembershipStatus.ACTIVE, MembershipStatus.UPCOMING, MembershipStatus.ENDED)
    return next((status for status in ranked if status in found), None)


def areas_on(memberships: Sequence[Membership], day: date) -> tuple[str, ...]:
    """The areas of the memberships that hold on a day, each once."""
    held = (each.priority_areas for each in memberships if each.period.holds(day))
    return tuple(dict.fromkeys(area for areas in held for area in areas))


@dataclass(frozen=True, slots=True)
class CentreProfile:
    """What the public is told of a centre beside its name: ``names`` is {language tag: name}."""

    names: Mapping[str, str] = field(default_factory=dict)
    city: str = ""
    site: str = ""
    contact: str = ""
    logo: str = ""
