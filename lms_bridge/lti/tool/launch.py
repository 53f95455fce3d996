"""A launch from a platform: frozen records, made only of verified claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lms_bridge.domain.lti_roles import CourseRole, course_role
from lms_bridge.lti import vocabulary


class MessageType(StrEnum):
    """The messages that the tool side accepts."""

    RESOURCE_LINK = vocabulary.RESOURCE_LINK_REQUEST
    DEEP_LINKING = vocabulary.DEEP_LINKING_REQUEST


@dataclass(frozen=True, slots=True)
class LaunchingPerson:
    """Who launches. ``id`` is the platform's own; ``stable_id`` what its registrar calls them.

    Everything but the id may be missing: platforms keep it back at will.
    """

    id: str
    name: str = field(default="", repr=False)
    given_name: str = field(default="", repr=False)
    family_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    stable_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CourseContext:
    """The course that the launch comes from."""

    id: str
    label: str = ""
    title: str = ""
    codes: tuple[str, ...] = ()
    """What the platform's register calls it, the most exact first."""


@dataclass(frozen=True, slots=True)
class ResourceLink:
    """The place in the course that was clicked."""

    id: str


@dataclass(frozen=True, slots=True)
class Grading:
    """Assignment and Grade Services: where line items are, and what the token may be used for.

    ``line_items`` and ``line_item`` are addresses as given, with their queries; empty if missing.
    """

    line_items: str = ""
    line_item: str = ""
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """A deep linking request: what may be chosen, and where the choice goes.

    ``data`` is any JSON value. It is returned to the platform as it came; None where it sent none.
    """

    return_address: str
    several: bool = True
    line_items: bool = True
    targets: tuple[str, ...] = ()
    data: object = None


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch. ``centre`` is empty for the Academy's platform."""

    issuer: str
    client_id: str
    deployment_id: str
    centre: str
    message: MessageType
    target: str
    person: LaunchingPerson
    roles: tuple[str, ...] = ()
    context: CourseContext | None = None
    resource_link: ResourceLink | None = None
    grading: Grading | None = None
    memberships: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    selection: Selection | None = None
    return_address: str = ""
    locale: str = ""

    @property
    def role(self) -> CourseRole:
        return course_role(self.roles)
