"""Who may do what: scopes, and whose data a role or a token reaches.

``allows`` is the one rule. Pages ask it about the roles of an account, and the API asks it about a
token.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Centre, Kind


class Scope(StrEnum):
    """What a person or a token may do. The public catalogue needs none."""

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
    WRITE_NETWORK = "network:write"
    ADMINISTER = "administration"


MEANINGS: dict[Scope, str] = {
    Scope.READ_OFFERINGS: "see their own courses and offerings, with any status",
    Scope.WRITE_OFFERINGS: "push schedules; submit, postpone, cancel and report on offerings; "
    "change a centre's profile",
    Scope.REVIEW_OFFERINGS: "review, object to, publish and close offerings: for the Academy and "
    "its regional focal points",
    Scope.READ_ENROLMENTS: "see registrations, with learners' names and e-mail addresses",
    Scope.WRITE_ENROLMENTS: "register, select, reject, confirm payments, withdraw; responses show "
    "the registration",
    Scope.READ_RESULTS: "see results",
    Scope.WRITE_RESULTS: "enter results",
    Scope.READ_OPERATIONS: "see runs, holds and people who wait to be matched",
    Scope.WRITE_OPERATIONS: "decide about holds, match people, send records again",
    Scope.WEBHOOKS: "receive changes by webhooks",
    Scope.SEND_EVENTS: "post events about changes at the Academy",
    Scope.WRITE_NETWORK: "change cycles, memberships and roll-overs: for the Academy and its "
    "regional focal points",
}
"""Of the scopes that a token may have."""
VALUES_NEED: Mapping[Kind, Scope] = {
    Kind.OFFERING: Scope.READ_OFFERINGS,
    Kind.LEARNER: Scope.READ_ENROLMENTS,
    Kind.ENROLMENT: Scope.READ_ENROLMENTS,
    Kind.RESULT: Scope.READ_RESULTS,
}
"""{kind of records: the scope without which nobody sees the values of a bad one}"""
PEOPLE_ONLY = frozenset({Scope.ADMINISTER})
"""Connections, tokens, webhooks, accounts: no program changes who has access."""
TOKEN_SCOPES = tuple(scope for scope in Scope if scope not in PEOPLE_ONLY)
NOT_FOR_CENTRES = frozenset({Scope.REVIEW_OFFERINGS, Scope.WRITE_NETWORK})
"""Nobody reviews or decides about what is their own."""


@dataclass(frozen=True, slots=True)
class DataScope:
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


EVERYTHING = DataScope()


@dataclass(frozen=True, slots=True)
class Permission:
    """Scopes, and whose data they are for."""

    scopes: frozenset[Scope]
    reach: DataScope = EVERYTHING


def allows(
    permissions: Iterable[Permission], scope: Scope | None, centre: Centre | None = None
) -> bool:
    """Whether one of the permissions has the scope, and reaches the centre.

    Without a centre: whether the scope may be used for anything at all. What is found then must be
    limited to ``reaches``. No scope means that any permission will do.
    """
    return any(
        (scope is None or scope in each.scopes) and (centre is None or each.reach.holds(centre))
        for each in permissions
    )


def reaches(permissions: Iterable[Permission], scope: Scope) -> list[DataScope]:
    """Whose data the scope may be used for."""
    return [each.reach for each in permissions if scope in each.scopes]


def check_reach(
    reach: DataScope, what: str, regions: Collection[str], *, centre_known: bool
) -> None:
    """Checks whom a new token or webhook is for. ``regions`` are those that there are.

    Raises:
        NotFound: there is no such centre or region.
        Refused: it names a centre and a region.
    """
    if reach.centre and reach.region:
        raise Refused("two-reaches", f"{what} is for a centre or for a region, not for both.")
    if reach.region and reach.region not in regions:
        raise NotFound(
            "no-such-region", "There is no such region.", f"Known: {', '.join(regions)}."
        )
    if reach.centre and not centre_known:
        raise NotFound("no-such-centre", "There is no such centre.", "See `centre list`.")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as far as it may be shown: its secret was shown once, when it was made.

    ``per_minute`` is 0 where the settings' limit of requests holds.
    """

    id: int
    prefix: str
    purpose: str
    reach: DataScope
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

    @property
    def permission(self) -> Permission:
        return Permission(self.scopes, self.reach)

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
