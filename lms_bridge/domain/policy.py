"""A centre's policy: what the bridge may do there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.ports import Removal


class OnConflict(StrEnum):
    """What happens when the target changed a record by itself."""

    SOURCE = "source"  # the bridge's record is sent again
    KEEP = "keep"  # the target's change stays until the source changes
    HOLD = "hold"  # a person decides


class OnSuspended(StrEnum):
    """What happens to a registered learner whom the centre itself enrolled and suspended."""

    LEAVE = "leave"  # the enrolment stays suspended, and the registration waits
    REACTIVATE = "reactivate"  # it is made active, and suspended again at the end


class OnUnneeded(StrEnum):
    """What happens to an account that the bridge made and that no enrolment needs any more."""

    REPORT = "report"  # a full run names it, once
    SUSPEND = "suspend"  # it is suspended, and made active when an enrolment needs it again


class OnUnreviewed(StrEnum):
    """What happens when a source brings in an offering as published that nobody reviewed here."""

    WARN = "warn"  # accept it, with a warning
    REVIEW = "review"  # it comes in as planned, and is reviewed and published here
    OFF = "off"  # it is taken as it comes


@dataclass(frozen=True, slots=True)
class Policy:
    """A centre's policy. Every field is a setting (docs/settings.md), with its default here.

    A plan is held when it removes more than ``hold_percent`` per cent of the records that the
    source held or more than ``hold_records`` of them; a single removal is everyday business and
    held only above ``hold_floor``.
    """

    removal: Removal = Removal.SUSPEND
    conflict: OnConflict = OnConflict.SOURCE
    hold_percent: Annotated[float, Bounds(0, 100)] = 10.0
    hold_records: Annotated[int, Bounds(0, 1_000_000)] = 20
    hold_floor: Annotated[int, Bounds(0, 1_000_000)] = 1
    trust_email: bool = False
    create_accounts: bool = True
    update_accounts: bool = True
    results_days: Annotated[int, Bounds(0, 3650)] = 90
    unvisited_days: Annotated[int, Bounds(0, 90)] = 7
    unreviewed: OnUnreviewed = OnUnreviewed.WARN
    suspended: OnSuspended = OnSuspended.LEAVE
    unneeded: OnUnneeded = OnUnneeded.REPORT
    self_paced_days: Annotated[int, Bounds(0, 3650)] = 0

    def holds(self, removals: int, known: int) -> bool:
        """Whether that many removals, out of that many known records, need approval."""
        if removals <= self.hold_floor:
            return False
        return removals > self.hold_records or removals * 100 > self.hold_percent * known


@dataclass(frozen=True, slots=True)
class OwnTimes:
    """When a centre's LMS is read, where the centre's policy names it. ``offerings_minutes`` is the
    time between two readings of its offerings by day; 0: they are read at night alone."""

    offerings_minutes: Annotated[int, Bounds(0, 525_600)] = 0
