"""Categories, custom course fields and courses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any

from lms_bridge.devtools.moodle.records import (
    SITE_COURSE,
    CustomField,
    MoodleCategory,
    MoodleCourse,
)


class MoodleCatalogue:
    """The courses of a site; course 1 is the site itself, as in every Moodle."""

    def __init__(self, lock: RLock, clock: Callable[[], int], site_name: str) -> None:
        self.categories: dict[int, MoodleCategory] = {}
        self.custom_fields: dict[str, CustomField] = {}
        #: {category: courses too many that its count says}. Moodle keeps the count in a column.
        self.stale_counts: dict[int, int] = {}
        self._lock = lock
        self._clock = clock
        self._courses: dict[int, MoodleCourse] = {}
        self._next_id = SITE_COURSE + 1
        self._next_serial: dict[int, int] = {}
        self._shortnames: set[str] = set()
        self._courses[SITE_COURSE] = MoodleCourse(
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

    def __iter__(self) -> Iterator[MoodleCourse]:
        """All courses, the site's own first, by id."""
        return iter(sorted(self._courses.values(), key=lambda course: course.id))

    def __len__(self) -> int:
        return len(self._courses)

    def get(self, course_id: int) -> MoodleCourse | None:
        return self._courses.get(course_id)

    def with_value(self, field: str, value: str | int) -> list[MoodleCourse]:
        return [course for course in self if getattr(course, field) == value]

    def add_category(
        self, name: str, idnumber: str | None = None, parent: int = 0
    ) -> MoodleCategory:
        """Add a category after the others."""
        with self._lock:
            category_id = max(self.categories, default=0) + 1
            category = MoodleCategory(
                category_id,
                name,
                idnumber,
                10000 * category_id,
                timemodified=self._clock(),
                parent=parent,
            )
            self.categories[category_id] = category
            return category

    def define_field(self, field: CustomField) -> None:
        with self._lock:
            self.custom_fields[field.shortname] = field

    def shown_fields(self, course: MoodleCourse) -> list[dict[str, str | int | None]]:
        """Every defined field, also those that the course leaves empty."""
        values = course.customfields
        return [each.show(values.get(name)) for name, each in self.custom_fields.items()]

    def read_fields(self, rows: list[dict[str, str]]) -> dict[str, str | int]:
        """Raw values by short name from ``[{"shortname", "value"}]``.

        Unknown short names are passed over, as Moodle's form data is.
        """
        known = self.custom_fields
        names = [(row["shortname"], row["value"]) for row in rows if row["shortname"] in known]
        return {name: known[name].read(text) for name, text in names}

    def add_course(
        self, shortname: str, fullname: str, category_id: int = 1, **more: Any
    ) -> MoodleCourse:
        """Add a course; further fields of :class:`Course` by name, ``id`` to choose it.

        Raises ValueError when the short name is taken.
        """
        with self._lock:
            if shortname in self._shortnames:
                raise ValueError("short name taken")
            course_id = int(more.pop("id", self._next_id))
            now = self._clock()
            times = {"timecreated": now, "timemodified": now, "cacherev": now}
            course = MoodleCourse(course_id, shortname, fullname, category_id, **(times | more))
            self._next_id = max(self._next_id, course_id + 1)
            self._courses[course_id] = course
            self._shortnames.add(shortname)
            self._place(course)
            return course

    def change(self, course_id: int, **values: Any) -> MoodleCourse:
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

    def sortorder(self, course: MoodleCourse) -> int:
        """The course's place: Moodle puts each new course at the top of its category."""
        if course.id == SITE_COURSE:
            return 1
        newest_first = self._next_serial[course.category_id] - course.serial
        return self.categories[course.category_id].sortorder + newest_first

    def _place(self, course: MoodleCourse) -> None:
        course.serial = self._next_serial.get(course.category_id, 1)
        self._next_serial[course.category_id] = course.serial + 1
