"""What a connector may ask of the LTI connections of its system: ``Access.lti``.

A connector does not speak LTI itself: the bridge holds the registrations, the keys and the tokens.
A *platform* launches people into the bridge; a *tool* is launched into by the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lms_bridge.domain.errors import IncompleteRead


class LtiSide(StrEnum):
    """What the other side of a connection is."""

    PLATFORM = "platform"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class LtiConnection:
    """One registration. ``memberships`` and ``scores`` say whether that service may be used: by
    the bridge at a platform, by a tool at the bridge. ``deep_linking``: a tool lets its resources
    be chosen."""

    number: int
    side: LtiSide
    name: str
    active: bool
    memberships: bool
    scores: bool
    deep_linking: bool = False


@dataclass(frozen=True, slots=True)
class LtiCourse:
    """A platform's course from which an offering was launched.

    ``connection`` is the platform's number, ``issuer`` its name: ids of people mean something
    within one issuer alone. ``by_sourced_id`` says that learners are known by the id of the
    register behind the platform, not by the platform's own. ``active``: the connection is in use.
    """

    number: int
    connection: int
    issuer: str
    offering: str
    title: str
    has_memberships: bool
    by_sourced_id: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class ChosenResource:
    """A resource of a tool that was chosen to become an offering. Dates are ISO 8601, or empty."""

    code: str
    title: str
    description: str = ""
    starts_at: str = ""
    ends_at: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)


class CourseGone(IncompleteRead):
    """The platform no longer has that course, or no longer shows it to the bridge."""


class LtiSystem(Protocol):
    """The LTI connections of one system, the Academy or a centre's LMS."""

    def connections(self) -> Sequence[LtiConnection]: ...

    def courses(self) -> Sequence[LtiCourse]:
        """The courses of the system's platforms, those of connections that are not active
        included: what cannot be read must not pass for empty."""
        ...

    def members(self, course: LtiCourse) -> tuple[bytes, ...]:
        """The pages of the course's memberships service, byte for byte, and all of them.

        Raises:
            RetryLater: the platform does not answer now.
            CourseGone: it no longer has the course.
            AccessDenied: the connection is not active, or the service is not granted.
            NotUnderstood, IncompleteRead: the answer is not a roster, or not whole.
        """
        ...

    def chosen(self) -> Sequence[ChosenResource]: ...

    def check_keys(self, number: int) -> None:
        """Fetches the key set of the connection with that number. Raises BridgeError when it
        cannot be had."""
        ...

    def check_token(self, number: int) -> None:
        """Asks a platform for a token for its memberships service. Raises BridgeError when it
        gives none."""
        ...

    def close(self) -> None: ...
