"""Who is in the courses from which offerings were launched, read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from connectors.lti.members import GONE, Member, members
from lms_bridge.domain.errors import AccessDenied, StopRun
from lms_bridge.domain.lti_ports import CourseGone, LtiCourse, LtiSystem


class Rosters:
    """The memberships of one system's platforms. Each course is read once."""

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti
        self._pages: dict[int, tuple[bytes, ...]] = {}

    @cached_property
    def courses(self) -> Mapping[str, Sequence[LtiCourse]]:
        """{offering: the courses from which it was launched}

        Raises:
            StopRun: they are of several issuers, whose ids of people may clash.
        """
        found: dict[str, list[LtiCourse]] = defaultdict(list)
        for course in self._lti.courses():
            found[course.offering].append(course)
        if len({course.issuer for courses in found.values() for course in courses}) > 1:
            raise StopRun(
                "several-platforms",
                "Offerings were launched from several platforms, which may give one id to two "
                "people.",
                "Connect one platform alone, or each as a centre of its own.",
            )
        return dict(found)

    def of(self, offering: str) -> tuple[bytes, ...]:
        """The pages of all courses of an offering; none where it was never launched.

        Raises:
            BridgeError: not all of them can be read.
        """
        return tuple(page for course in self.courses.get(offering, ()) for page in self.in_(course))

    def in_(self, course: LtiCourse) -> tuple[bytes, ...]:
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

    def everybody(self) -> Iterator[Member]:
        """All people of all courses; who is in several comes several times. A course that is gone
        has nobody; one that cannot be read now may have anybody.

        Raises:
            BridgeError: a course cannot be read.
        """
        for courses in self.courses.values():
            for course in courses:
                try:
                    pages = self.in_(course) if course.has_memberships else ()
                except CourseGone:
                    continue
                yield from (member for member in members(pages) if member.state != GONE)
