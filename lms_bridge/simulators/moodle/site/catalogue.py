"""Categories, custom course fields and courses."""

from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any

from .records import SITE_COURSE, Category, Course, CustomField


class Catalogue:
    """The courses of a site; course 1 is the site itself, as in every Moodle."""

    def __init__(self, lock: RLock, clock: Callable[[], int], site_name: str) -> None:
        self.categories: dict[int, Category] = {}
        self.custom_fields: dict[str, CustomField] = {}
        self._lock = lock
        self._clock = clock
        self._courses: dict[int, Course] = {}
        self._next_id = SITE_COURSE + 1
        self._next_serial: dict[int, int] = {}
        self._shortnames: set[str] = set()
        self._courses[SITE_COURSE] = Course(
            SITE_COURSE,
            "centre",
            site_name,
            0,
            summaryformat=0,
            format="site",
            newsitems=3,
            enablecompletion=0,
        )
        self.add_category("Category 1")

    def __iter__(self) -> Iterator[Course]:
        """All courses, the site's own first, by id."""
        return iter(sorted(self._courses.values(), key=lambda course: course.id))

    def __len__(self) -> int:
        return len(self._courses)

    def get(self, course_id: int) -> Course | None:
        """The course with that id, if any."""
        return self._courses.get(course_id)

    def with_value(self, field: str, value: str | int) -> list[Course]:
        """The courses whose field has exactly that value, by id."""
        return [course for course in self if getattr(course, field) == value]

    def add_category(self, name: str, idnumber: str | None = None) -> Category:
        """Add a top-level category after the others."""
        with self._lock:
            category_id = max(self.categories, default=0) + 1
            category = Category(
                category_id, name, idnumber, 10000 * category_id, timemodified=self._clock()
            )
            self.categories[category_id] = category
            return category

    def define_field(self, field: CustomField) -> None:
        """Define (or replace) a custom course field."""
        with self._lock:
            self.custom_fields[field.shortname] = field

    def add_course(
        self, shortname: str, fullname: str, category_id: int = 1, **more: Any
    ) -> Course:
        """Add a course; further fields of :class:`Course` by name, ``id`` to choose it.

        Raises ValueError when the short name is taken.
        """
        with self._lock:
            if shortname in self._shortnames:
                raise ValueError("short name taken")
            course_id = int(more.pop("id", self._next_id))
            now = self._clock()
            times = {"timecreated": now, "timemodified": now, "cacherev": now}
            course = Course(course_id, shortname, fullname, category_id, **(times | more))
            self._next_id = max(self._next_id, course_id + 1)
            self._courses[course_id] = course
            self._shortnames.add(shortname)
            self._place(course)
            return course

    def change(self, course_id: int, **values: Any) -> Course:
        """Set fields of a course and its time of modification. Raises KeyError if unknown."""
        with self._lock:
            course = self._courses[course_id]
            self._shortnames.discard(course.shortname)
            for name, value in values.items():
                setattr(course, name, value)
            self._shortnames.add(course.shortname)
            if "category_id" in values:
                self._place(course)
            course.timemodified = course.cacherev = self._clock()
            return course

    def remove(self, course_id: int) -> None:
        """Delete a course, as an administrator may by hand."""
        with self._lock:
            self._shortnames.discard(self._courses.pop(course_id).shortname)

    def sortorder(self, course: Course) -> int:
        """The course's place: Moodle puts each new course at the top of its category."""
        if course.id == SITE_COURSE:
            return 1
        newest_first = self._next_serial[course.category_id] - course.serial
        return self.categories[course.category_id].sortorder + newest_first

    def _place(self, course: Course) -> None:
        course.serial = self._next_serial.get(course.category_id, 1)
        self._next_serial[course.category_id] = course.serial + 1
