"""What others are told of: events, and the webhooks that they are sent to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lms_bridge.domain.access import EVERYTHING, Reach, Scope
from lms_bridge.domain.model import Offering
from lms_bridge.domain.wanted import PUBLIC


class Event(StrEnum):
    OFFERING_PUBLISHED = "offering.published"
    OFFERING_CHANGED = "offering.changed"
    OFFERING_CANCELLED = "offering.cancelled"
    ENROLMENT_CHANGED = "enrolment.changed"
    RESULT_CHANGED = "result.changed"


PING = "ping"
"""What a trial is called. Every webhook gets those that are asked for."""

EVENT_MEANINGS: dict[Event, str] = {
    Event.OFFERING_PUBLISHED: "an offering has come into the catalogue",
    Event.OFFERING_CHANGED: "an offering that is in the catalogue has changed",
    Event.OFFERING_CANCELLED: "an offering has left the catalogue: it was cancelled, or taken out",
    Event.ENROLMENT_CHANGED: "a learner's enrolment is new or has changed",
    Event.RESULT_CHANGED: "a result is new or has changed",
}
NEEDED: dict[Event, Scope] = {
    Event.OFFERING_PUBLISHED: Scope.READ_OFFERINGS,
    Event.OFFERING_CHANGED: Scope.READ_OFFERINGS,
    Event.OFFERING_CANCELLED: Scope.READ_OFFERINGS,
    Event.ENROLMENT_CHANGED: Scope.READ_ENROLMENTS,
    Event.RESULT_CHANGED: Scope.READ_RESULTS,
}
"""What a token must be able to read before it may be told of it."""


def is_shown(offering: Offering) -> bool:
    """Whether the public catalogue has it."""
    return offering.listed and offering.status in PUBLIC


def offering_event(was_shown: bool, offering: Offering) -> Event | None:
    """What to tell of an offering as it is now; None where nobody saw it and nobody does."""
    if is_shown(offering):
        return Event.OFFERING_CHANGED if was_shown else Event.OFFERING_PUBLISHED
    return Event.OFFERING_CANCELLED if was_shown else None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events of the centres within ``reach`` are sent to. Its secret is kept apart.

    ``failing_since``: since when nothing got through; ``reason``: why it is not active any more;
    ``rest_until``: after a failure nothing is sent before then; ``old_until``: messages are signed
    with the secret before this one, too, until then.
    """

    id: int
    name: str
    address: str
    events: frozenset[Event]
    reach: Reach = EVERYTHING
    active: bool = True
    private_addresses: bool = False
    created_at: datetime | None = None
    created_by: str = ""
    failing_since: datetime | None = None
    reason: str = ""
    rest_until: datetime | None = None
    old_until: datetime | None = None
