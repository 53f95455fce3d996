"""Manual enrolments and the roles that come with them."""

from collections.abc import Iterator
from threading import RLock

from .records import Enrolment


class Enrolments:
    """Who is enrolled where, found by course and by person."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._by_course: dict[int, dict[int, Enrolment]] = {}
        self._by_user: dict[int, dict[int, Enrolment]] = {}

    def __iter__(self) -> Iterator[Enrolment]:
        """All enrolments, by course and person."""
        for course_id in sorted(self._by_course):
            people = self._by_course[course_id]
            yield from (people[user_id] for user_id in sorted(people))

    def __len__(self) -> int:
        return sum(len(people) for people in self._by_course.values())

    def get(self, course_id: int, user_id: int) -> Enrolment | None:
        """That person's enrolment in that course, if any."""
        return self._by_course.get(course_id, {}).get(user_id)

    def of_course(self, course_id: int) -> list[Enrolment]:
        """The roster of a course, whatever the state of each enrolment, by person's id."""
        people = self._by_course.get(course_id, {})
        return [people[user_id] for user_id in sorted(people)]

    def of_user(self, user_id: int) -> list[Enrolment]:
        """A person's enrolments."""
        return list(self._by_user.get(user_id, {}).values())

    def enrol(
        self,
        course_id: int,
        user_id: int,
        role_id: int | None = 5,
        timestart: int = 0,
        timeend: int = 0,
        suspended: bool = False,
    ) -> Enrolment:
        """Enrol, or change the dates and state of, somebody enrolled before; roles add up."""
        with self._lock:
            found = self.get(course_id, user_id)
            enrolment = found or Enrolment(course_id, user_id)
            enrolment.timestart, enrolment.timeend = timestart, timeend
            enrolment.suspended = suspended
            if role_id is not None and role_id not in enrolment.roles:
                enrolment.roles.append(role_id)
            if found is None:
                self._by_course.setdefault(course_id, {})[user_id] = enrolment
                self._by_user.setdefault(user_id, {})[course_id] = enrolment
            return enrolment

    def remove(self, course_id: int, user_id: int) -> bool:
        """Unenrol; False when the person wasn't enrolled."""
        with self._lock:
            self._by_user.get(user_id, {}).pop(course_id, None)
            return self._by_course.get(course_id, {}).pop(user_id, None) is not None
