"""The made-up world that is measured: so many centres, each with offerings, people, enrolments.

Everything follows from numbers, so that the source's bytes, the database and the expectations can
each be made without holding the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lms_bridge.domain.model import Centre
from lms_bridge.sync.offerings import offering_code

FIRST_COURSE = 2  # Moodle's course 1 is the front page
FIRST_ACCOUNT = 3  # accounts 1 and 2 are the guest and the administrator
CATEGORIES = 5
FAR = datetime(2060, 1, 1, tzinfo=UTC)
"""Everything lies so far ahead that nothing is over on the day of the measurement."""


@dataclass(frozen=True, slots=True)
class World:
    """Per centre: ``offerings``, ``enrolments`` in each of them, and ``people`` who share them."""

    centres: int = 100
    offerings: int = 200
    enrolments: int = 50
    people: int = 2_500

    @property
    def total(self) -> int:
        return self.centres * self.per_centre

    @property
    def per_centre(self) -> int:
        return self.offerings * self.enrolments

    def courses(self) -> range:
        """The ids of a centre's courses in its LMS."""
        return range(FIRST_COURSE, FIRST_COURSE + self.offerings)

    def members(self, course: int) -> list[int]:
        """Who is in a course: numbers of people, the same in every centre."""
        start = course * 37
        return [(start + n) % self.people for n in range(self.enrolments)]

    def places(self) -> Iterator[tuple[int, int]]:
        """(course, person) of every enrolment of a centre, in the Academy's order."""
        for course in self.courses():
            for person in self.members(course):
                yield course, person


def centre_of(number: int) -> Centre:
    code = f"C{number:03d}"
    return Centre(code, f"Sample centre {number}", "europe", "moodle", sample=True)


def academy_id(centre: int, person: int) -> str:
    return f"acad-{centre:03d}{person:05d}"


def account(person: int) -> int:
    return FIRST_ACCOUNT + person


def registration_id(centre: int, course: int, person: int) -> str:
    return f"reg-{centre:03d}-{course:04d}-{person:05d}"


def code_of(centre: Centre, course: int) -> str:
    return offering_code(centre.code, str(course))


def ends_at(version: int) -> str:
    """The end of an enrolment, as long a text for every version of it."""
    return (FAR + timedelta(days=version)).strftime("%Y-%m-%dT%H:%M:%SZ")
