"""What a centre's settings let the bridge do there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lms_bridge.domain.ports import Removal


class OnConflict(StrEnum):
    """What happens when the target changed a record by itself."""

    SOURCE = "source"  # the bridge's record is sent again
    KEEP = "keep"  # the target's change stays until the source changes
    HOLD = "hold"  # a person decides


class OnUnreviewed(StrEnum):
    """What happens when a source brings in an offering as published that nobody reviewed here."""

    WARN = "warn"  # it is taken as it comes, and told of
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
    hold_percent: float = 10.0
    hold_records: int = 20
    hold_floor: int = 1
    trust_email: bool = False
    create_accounts: bool = True
    update_accounts: bool = True
    results_days: int = 90
    unreviewed: OnUnreviewed = OnUnreviewed.WARN

    def holds(self, removals: int, known: int) -> bool:
        """Whether that many removals, out of that many known records, need approval."""
        if removals <= self.hold_floor:
            return False
        return removals > self.hold_records or removals * 100 > self.hold_percent * known
