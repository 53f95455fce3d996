"""The roles of people who sign in: each is a set of scopes, for a centre, a region, or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lms_bridge.domain.access import EVERYTHING, DataScope, Permission, Scope, check_reach
from lms_bridge.domain.errors import Refused


class Role(StrEnum):
    """What a person does at the Academy or at a centre. An account may have several."""

    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    FOCAL_POINT = "focal-point"
    REVIEWER = "reviewer"
    COORDINATOR = "coordinator"
    INSTRUCTOR = "instructor"


_READING = frozenset({Scope.READ_OFFERINGS, Scope.READ_ENROLMENTS, Scope.READ_RESULTS})
_WRITING = frozenset({Scope.WRITE_OFFERINGS, Scope.WRITE_ENROLMENTS, Scope.WRITE_RESULTS})
_OPERATIONS = frozenset({Scope.READ_OPERATIONS, Scope.WRITE_OPERATIONS})

ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.OPERATOR: frozenset(Scope),
    Role.ADMINISTRATOR: _READING
    | _WRITING
    | _OPERATIONS
    | {Scope.REVIEW_OFFERINGS, Scope.WRITE_NETWORK},
    Role.FOCAL_POINT: _READING
    | {Scope.REVIEW_OFFERINGS, Scope.READ_OPERATIONS, Scope.WRITE_NETWORK},
    Role.REVIEWER: frozenset({Scope.READ_OFFERINGS, Scope.REVIEW_OFFERINGS}),
    Role.COORDINATOR: _READING | _WRITING | {Scope.READ_OPERATIONS},
    Role.INSTRUCTOR: _READING | {Scope.WRITE_RESULTS},
}
ROLE_MEANINGS: dict[Role, str] = {
    Role.OPERATOR: "runs the bridge, and may do everything, with connections, tokens and accounts",
    Role.ADMINISTRATOR: "for the Academy, with all records, reviews and decisions about runs",
    Role.FOCAL_POINT: "for one region, with its reviews, records and runs",
    Role.REVIEWER: "an expert who reviews outlines, of one region or of all",
    Role.COORDINATOR: "for one centre, with its offerings, registrations, results and runs",
    Role.INSTRUCTOR: "for one centre, with its rosters and results",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and whose data it reaches."""

    role: Role
    reach: DataScope = EVERYTHING

    @property
    def permission(self) -> Permission:
        return Permission(ROLE_SCOPES[self.role], self.reach)

    def __str__(self) -> str:
        return f"{self.role} of {self.reach}"


_REGIONAL = frozenset({Role.FOCAL_POINT, Role.REVIEWER})
_OF_CENTRES = frozenset({Role.COORDINATOR, Role.INSTRUCTOR})


def check_grant(grant: Grant, regions: Sequence[str], *, centre_known: bool) -> None:
    """Checks what a person is to be made. ``regions`` are those that there are.

    Raises:
        NotFound: there is no such centre or region.
        Refused: the role cannot have this reach.
    """
    role, reach = grant.role, grant.reach
    check_reach(reach, "A role", regions, centre_known=centre_known)
    if role in _OF_CENTRES and not reach.centre:
        raise Refused("role-needs-centre", f"The role {role} is for one centre.", "Name it.")
    if role is Role.FOCAL_POINT and not reach.region:
        raise Refused("role-needs-region", f"The role {role} is for one region.", "Name it.")
    if role not in _OF_CENTRES and reach.centre:
        raise Refused("role-not-for-centres", f"The role {role} is not for a centre.")
    if role not in _REGIONAL and reach.region:
        raise Refused("role-not-for-regions", f"The role {role} is not for a region.")
