"""Who may do what through the interface: scopes, and whose data a token reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lms_bridge.domain.model import Centre


class Scope(StrEnum):
    """What a token may be used for. The public catalogue needs none."""

    READ_OFFERINGS = "offerings:read"
    WRITE_OFFERINGS = "offerings:write"
    REVIEW_OFFERINGS = "offerings:review"
    READ_ENROLMENTS = "enrolments:read"
    WRITE_ENROLMENTS = "enrolments:write"
    READ_RESULTS = "results:read"
    WRITE_RESULTS = "results:write"
    READ_OPERATIONS = "operations:read"
    WRITE_OPERATIONS = "operations:write"
    WEBHOOKS = "webhooks"
    SEND_EVENTS = "events:write"


MEANINGS: dict[Scope, str] = {
    Scope.READ_OFFERINGS: "see one's own courses and offerings, whatever their status",
    Scope.WRITE_OFFERINGS: "push schedules; submit, postpone, cancel and report on offerings",
    Scope.REVIEW_OFFERINGS: "review, object to, publish and close offerings: for the Academy and "
    "its regional focal points",
    Scope.READ_ENROLMENTS: "see registrations, with learners' names and e-mail addresses",
    Scope.WRITE_ENROLMENTS: "register, select, reject, confirm payments, withdraw; answers show "
    "the registration",
    Scope.READ_RESULTS: "see results",
    Scope.WRITE_RESULTS: "enter results",
    Scope.READ_OPERATIONS: "see runs, holds and people who wait to be matched",
    Scope.WRITE_OPERATIONS: "decide about holds, match people, send records again",
    Scope.WEBHOOKS: "be told of what changed",
    Scope.SEND_EVENTS: "tell the bridge that something changed at the Academy",
}
NOT_FOR_CENTRES = frozenset({Scope.REVIEW_OFFERINGS})
"""Nobody reviews what is their own."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose data: one centre's, one region's, or (both empty) everybody's."""

    centre: str = ""
    region: str = ""

    @property
    def everything(self) -> bool:
        return not (self.centre or self.region)

    def holds(self, centre: Centre) -> bool:
        if self.centre:
            return centre.code == self.centre
        return not self.region or centre.region == self.region

    def __str__(self) -> str:
        if self.centre:
            return f"centre {self.centre}"
        return f"region {self.region}" if self.region else "everything"


EVERYTHING = Reach()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as far as it may be shown: its secret was shown once, when it was made.

    ``per_minute`` is 0 where the settings' limit of requests holds.
    """

    id: int
    prefix: str
    purpose: str
    reach: Reach
    scopes: frozenset[Scope]
    per_minute: int
    created_at: datetime
    created_by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def name(self) -> str:
        """What the audit calls whoever uses it."""
        return f"token {self.prefix}"

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
