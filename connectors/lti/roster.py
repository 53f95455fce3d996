"""Rosters: who is in a platform's courses, from the pages of its memberships service.

Source: Names and Role Provisioning Services 2.0, section 2.2 (members, their status and roles).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lms_bridge.domain.errors import AccessDenied, NotUnderstood, StopRun
from lms_bridge.domain.lti_ports import CourseGone, LtiCourse, LtiSystem
from lms_bridge.domain.lti_roles import CourseRole, course_role, names_of, status_of
from lms_bridge.http import foreign_json

LONGEST_ID = 255
CHECK_ROLES = "Check the roles of its people in the platform's course."
ACTIVE, SUSPENDED, GONE = "active", "suspended", "gone"
_STATES = {"": ACTIVE, "active": ACTIVE, "inactive": SUSPENDED, "deleted": GONE}


@dataclass(frozen=True, slots=True)
class LtiMember:
    """A person in a course. ``state`` is ``active``, ``suspended`` or ``gone``.

    ``sourced_id`` is the person's id in the register behind the platform. A platform may leave any
    text empty, for privacy.
    """

    id: str
    state: str
    learns: bool
    sourced_id: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    given_name: str = field(default="", repr=False)
    family_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)


def members(pages: Iterable[bytes]) -> Iterator[LtiMember]:
    """The people on these pages, in their order. Somebody in two courses appears twice.

    Raises:
        NotUnderstood: a page is not a roster, or a person has no id.
    """
    for page in pages:
        try:
            body = foreign_json.loads(page)
        except ValueError:
            raise NotUnderstood("not-json", "The platform's roster is not JSON.") from None
        people = body.get("members") if isinstance(body, dict) else None
        if not isinstance(people, list):
            raise NotUnderstood("roster-unreadable", "The platform's roster cannot be read.")
        yield from map(_member, people)


def learners(pages: Iterable[bytes]) -> list[LtiMember]:
    """Each learner once. Somebody in several courses counts with the best state."""
    best: dict[str, LtiMember] = {}
    for member in members(pages):
        if member.learns:
            known = best.setdefault(member.id, member)
            if _ORDER[member.state] < _ORDER[known.state]:
                best[member.id] = member
    return list(best.values())


def lack_of_learners(pages: Iterable[bytes]) -> str:
    """Says that a roster has people and no learner; empty where all is well."""
    people = list(members(pages))
    if not people or any(each.learns for each in people):
        return ""
    return f"Nobody on the roster has a learner's role in the course. Members: {len(people)}."


def best_of(read: Mapping[int, Iterable[bytes]]) -> list[tuple[int, LtiMember]]:
    """Each learner once, with the connection where their state is best. ``read`` is {connection:
    pages}."""
    best: dict[str, tuple[int, LtiMember]] = {}
    for connection, pages in sorted(read.items()):
        for member in learners(pages):
            known = best.get(member.id)
            if known is None or _ORDER[member.state] < _ORDER[known[1].state]:
                best[member.id] = connection, member
    return list(best.values())


def enrolment_id(offering: str, person: str) -> str:
    """The external id of an enrolment. If it would be too long, a hash stands for the person."""
    name = f"{offering}/{person}"
    if len(name) <= LONGEST_ID:
        return name
    return f"{offering}/{hashlib.sha256(person.encode()).hexdigest()}"


_ORDER = {ACTIVE: 0, SUSPENDED: 1, GONE: 2}


def _member(body: object) -> LtiMember:
    id_ = _text(body, "user_id") if isinstance(body, Mapping) else ""
    usable = 0 < len(id_) <= LONGEST_ID and foreign_json.is_whole(id_)
    if not isinstance(body, Mapping) or not usable:
        raise NotUnderstood(
            "member-unreadable",
            "A person on the platform's roster has no id that can be used.",
        )
    return LtiMember(
        id=id_,
        # An unknown status must not remove anybody.
        state=_STATES.get(status_of(_text(body, "status")), ACTIVE),
        learns=course_role(names_of(body.get("roles")) or ()) is CourseRole.LEARNER,
        sourced_id=_text(body, "lis_person_sourcedid"),
        name=_text(body, "name"),
        given_name=_text(body, "given_name"),
        family_name=_text(body, "family_name"),
        email=_text(body, "email"),
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


class LtiRosters:
    """Who is in the courses from which one system launches offerings. Each course is read once."""

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti
        self._pages: dict[int, tuple[bytes, ...]] = {}

    @cached_property
    def courses(self) -> Mapping[str, list[LtiCourse]]:
        """Each offering's code, with the courses that have launched it and can be read.

        Raises:
            StopRun: the courses belong to several issuers, whose ids of people may clash.
        """
        found = _by_offering(course for course in self._all if course.active)
        connections = {c.connection: c.issuer for courses in found.values() for c in courses}
        if len(set(connections.values())) > 1:
            raise _several_platforms(connections)
        return found

    @cached_property
    def ended(self) -> Mapping[str, list[LtiCourse]]:
        """Each offering's code, with its courses of connections that are not active. They are not
        read, and nothing follows from that."""
        return _by_offering(course for course in self._all if not course.active)

    @cached_property
    def _all(self) -> Sequence[LtiCourse]:
        return self._lti.courses()

    def pages_for(self, offering: str) -> tuple[bytes, ...]:
        """The pages of all courses of an offering. There are none before the first launch.

        Raises:
            BridgeError: a course cannot be read.
        """
        return tuple(page for pages in self.by_connection(offering).values() for page in pages)

    def by_connection(self, offering: str) -> dict[int, tuple[bytes, ...]]:
        """The same for each connection.

        Raises:
            BridgeError: a course cannot be read, or all are of connections that are not active.
        """
        if offering not in self.courses and offering in self.ended:
            raise PlatformNotActive(self.ended[offering])
        found: dict[int, tuple[bytes, ...]] = {}
        for course in self.courses.get(offering, ()):
            found[course.connection] = (
                *found.get(course.connection, ()),
                *self.pages_of(course),
            )
        return found

    def pages_of(self, course: LtiCourse) -> tuple[bytes, ...]:
        if not course.has_memberships:
            raise AccessDenied(
                "no-memberships",
                "The platform does not offer its memberships service in this course.",
                "Allow the tool to use it (in Moodle: IMS LTI Names and Role Provisioning), and "
                "launch the offering from the course once more.",
            )
        if course.number not in self._pages:
            self._pages[course.number] = self._lti.members(course)
        return self._pages[course.number]

    def everybody(self) -> Iterator[LtiMember]:
        """The people of all courses. Somebody in two courses appears twice. A deleted course has
        nobody, but a course that cannot be read may have anybody.

        Raises:
            BridgeError: a course cannot be read.
        """
        for courses in self.courses.values():
            for course in courses:
                try:
                    pages = self.pages_of(course) if course.has_memberships else ()
                except CourseGone:
                    continue
                yield from (member for member in members(pages) if member.state != GONE)


def _by_offering(courses: Iterable[LtiCourse]) -> dict[str, list[LtiCourse]]:
    found: dict[str, list[LtiCourse]] = defaultdict(list)
    for course in courses:
        found[course.offering].append(course)
    return dict(found)


def _several_platforms(connections: Mapping[int, str]) -> StopRun:
    """``connections`` is {number: issuer}."""
    named = ", ".join(f"{number} ({issuer})" for number, issuer in sorted(connections.items()))
    return StopRun(
        "several-platforms",
        "Offerings were launched from several platforms, which may use one id for two people: "
        f"connections {named}.",
        "Move the old connection to the new one with `lms-bridge lti move`, or end it with "
        "`lms-bridge lti reject`. Two platforms in use need a centre each.",
    )


class PlatformNotActive(AccessDenied):
    """All connections that launched an offering have ended. ``helps`` is the command to begin
    with."""

    def __init__(self, courses: Sequence[LtiCourse]) -> None:
        numbers = sorted({course.connection for course in courses})
        named = ", ".join(map(str, numbers))
        super().__init__(
            "platform-not-active",
            f"Its courses are not read: connection {named} is not active.",
            f"Approve it (`lms-bridge lti show {numbers[0]}`), move it to the new platform "
            f"(`lms-bridge lti move {numbers[0]} --to NUMBER`), or let it go (`lms-bridge lti "
            f"forget {numbers[0]}`).",
        )
        self.helps = f"lms-bridge lti show {numbers[0]}"
