"""Events, and the webhooks that receive them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lms_bridge.domain.access import EVERYTHING, DataScope, Scope


class Event(StrEnum):
    OFFERING_PUBLISHED = "offering.published"
    OFFERING_CHANGED = "offering.changed"
    OFFERING_CANCELLED = "offering.cancelled"
    OUTLINE_SUBMITTED = "outline.submitted"
    OUTLINE_COMMENTED = "outline.commented"
    OUTLINE_OBJECTED = "outline.objected"
    OUTLINE_REVIEWED = "outline.reviewed"
    REPORT_SUBMITTED = "report.submitted"
    REPORT_OBJECTED = "report.objected"
    REPORT_VALIDATED = "report.validated"
    ENROLMENT_CHANGED = "enrolment.changed"
    RESULT_CHANGED = "result.changed"
    RUN_FAILED = "run.failed"
    RUN_RECOVERED = "run.recovered"
    CENTRE_UNREACHABLE = "centre.unreachable"
    CENTRE_REACHABLE = "centre.reachable"
    HOLD_OPENED = "hold.opened"
    HOLD_DECIDED = "hold.decided"
    PEOPLE_UNMATCHED = "people.unmatched"
    CONNECTION_WAITING = "connection.waiting"


PING = "ping"
"""The event of a test message."""

EVENT_MEANINGS: dict[Event, str] = {
    Event.OFFERING_PUBLISHED: "an offering was added to the catalogue: the Academy has "
    "acknowledged it, so whoever reads this finds it",
    Event.OFFERING_CHANGED: "an offering in the catalogue changed",
    Event.OFFERING_CANCELLED: "an offering left the catalogue: it was cancelled or withdrawn",
    Event.OUTLINE_SUBMITTED: "an outline waits for review",
    Event.OUTLINE_COMMENTED: "a reviewer commented on an outline: silence is broken",
    Event.OUTLINE_OBJECTED: "an outline was sent back to its centre",
    Event.OUTLINE_REVIEWED: "a review ended without an objection, by a person or by silence",
    Event.REPORT_SUBMITTED: "an end-of-course report waits for validation",
    Event.REPORT_OBJECTED: "an end-of-course report was sent back to its centre",
    Event.REPORT_VALIDATED: "an end-of-course report was validated: certificates may be released",
    Event.ENROLMENT_CHANGED: "a learner's enrolment is new or changed",
    Event.RESULT_CHANGED: "a result is new or changed",
    Event.RUN_FAILED: "flows of a centre went well before, or never ran, and failed now",
    Event.RUN_RECOVERED: "flows of a centre that failed went well",
    Event.CENTRE_UNREACHABLE: "a centre's LMS does not answer any more",
    Event.CENTRE_REACHABLE: "a centre's LMS that did not answer answers again",
    Event.HOLD_OPENED: "removals or conflicts wait for a decision",
    Event.HOLD_DECIDED: "a hold was decided, or needs no decision any more",
    Event.PEOPLE_UNMATCHED: "more learners wait to be matched",
    Event.CONNECTION_WAITING: "an LTI connection waits for approval",
}
NEEDED: dict[Event, Scope] = {
    Event.OFFERING_PUBLISHED: Scope.READ_OFFERINGS,
    Event.OFFERING_CHANGED: Scope.READ_OFFERINGS,
    Event.OFFERING_CANCELLED: Scope.READ_OFFERINGS,
    Event.OUTLINE_SUBMITTED: Scope.READ_OFFERINGS,
    Event.OUTLINE_COMMENTED: Scope.READ_OFFERINGS,
    Event.OUTLINE_OBJECTED: Scope.READ_OFFERINGS,
    Event.OUTLINE_REVIEWED: Scope.READ_OFFERINGS,
    Event.REPORT_SUBMITTED: Scope.READ_OFFERINGS,
    Event.REPORT_OBJECTED: Scope.READ_OFFERINGS,
    Event.REPORT_VALIDATED: Scope.READ_OFFERINGS,
    Event.ENROLMENT_CHANGED: Scope.READ_ENROLMENTS,
    Event.RESULT_CHANGED: Scope.READ_RESULTS,
    Event.RUN_FAILED: Scope.READ_OPERATIONS,
    Event.RUN_RECOVERED: Scope.READ_OPERATIONS,
    Event.CENTRE_UNREACHABLE: Scope.READ_OPERATIONS,
    Event.CENTRE_REACHABLE: Scope.READ_OPERATIONS,
    Event.HOLD_OPENED: Scope.READ_OPERATIONS,
    Event.HOLD_DECIDED: Scope.READ_OPERATIONS,
    Event.PEOPLE_UNMATCHED: Scope.READ_OPERATIONS,
    Event.CONNECTION_WAITING: Scope.READ_OPERATIONS,
}
"""The scope that a token needs to receive each event."""


def scopes_for(events: Iterable[Event]) -> frozenset[Scope]:
    """What a token needs for anything that it does with a webhook of these events."""
    return frozenset(NEEDED[event] for event in events)


def offering_event(*, was_shown: bool, is_shown: bool) -> Event | None:
    """The event of an offering that changed; None if the catalogue neither showed nor shows it. It
    is shown once the Academy has acknowledged it, so that whoever hears of it finds it."""
    if is_shown:
        return Event.OFFERING_CHANGED if was_shown else Event.OFFERING_PUBLISHED
    return Event.OFFERING_CANCELLED if was_shown else None


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that receives events of the centres within ``reach``. Its secret is stored apart.
    So is the whole address: ``address`` is the part of it that may be shown. ``token_id`` is the
    token that it depends on; None for an operator's.

    ``failing_since`` is the time of the first failure in a row. ``reason`` is why it is not active.
    Nothing is sent before ``rest_until``. Until ``old_until`` the old secret signs messages, too.
    """

    id: int
    name: str
    address: str
    events: frozenset[Event]
    reach: DataScope = EVERYTHING
    active: bool = True
    private_addresses: bool = False
    created_at: datetime | None = None
    created_by: str = ""
    failing_since: datetime | None = None
    reason: str = ""
    rest_until: datetime | None = None
    old_until: datetime | None = None
    token_id: int | None = None

    @property
    def owners(self) -> tuple[str, ...]:
        """On whose behalf messages are sent: the centre's or the region's, and the token's."""
        whose = str(self.reach)
        if self.reach.everything:
            whose = f"webhook {self.id}"
        return (whose,) if self.token_id is None else (whose, f"token {self.token_id}")
