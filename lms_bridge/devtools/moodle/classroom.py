"""What happens inside courses: enrolments, groups, grades and completions."""

from __future__ import annotations

from collections.abc import Iterator
from threading import RLock

from lms_bridge.devtools.moodle.records import (
    Completion,
    Criterion,
    Grade,
    GradeItem,
    MoodleEnrolment,
    MoodleGroup,
)


class MoodleEnrolments:
    """Who is enrolled where, found by course and by person."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._by_course: dict[int, dict[int, MoodleEnrolment]] = {}
        self._by_user: dict[int, dict[int, MoodleEnrolment]] = {}

    def __iter__(self) -> Iterator[MoodleEnrolment]:
        """All enrolments, by course and person."""
        for course_id in sorted(self._by_course):
            people = self._by_course[course_id]
            yield from (people[user_id] for user_id in sorted(people))

    def __len__(self) -> int:
        return sum(len(people) for people in self._by_course.values())

    def get(self, course_id: int, user_id: int) -> MoodleEnrolment | None:
        return self._by_course.get(course_id, {}).get(user_id)

    def of_course(self, course_id: int) -> list[MoodleEnrolment]:
        """The roster of a course, whatever the state of each enrolment, by person's id."""
        people = self._by_course.get(course_id, {})
        return [people[user_id] for user_id in sorted(people)]

    def of_user(self, user_id: int) -> list[MoodleEnrolment]:
        return list(self._by_user.get(user_id, {}).values())

    def enrol(
        self,
        course_id: int,
        user_id: int,
        role_id: int | None = 5,
        timestart: int = 0,
        timeend: int = 0,
        suspended: bool = False,
    ) -> MoodleEnrolment:
        """Enrol, or change the dates and state of, somebody enrolled before; roles add up."""
        with self._lock:
            found = self.get(course_id, user_id)
            enrolment = found or MoodleEnrolment(course_id, user_id)
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

    def index_all(self) -> None:
        """Makes the index by person anew, for enrolments that were put in at once."""
        self._by_user = {}
        for enrolment in self:
            courses = self._by_user.setdefault(enrolment.user_id, {})
            courses[enrolment.course_id] = enrolment


class MoodleGroups:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._groups: dict[int, MoodleGroup] = {}

    def get(self, group_id: int) -> MoodleGroup | None:
        return self._groups.get(group_id)

    def of_course(self, course_id: int) -> list[MoodleGroup]:
        """A course's groups, by name, as Moodle lists them."""
        groups = [group for group in self._groups.values() if group.course_id == course_id]
        return sorted(groups, key=lambda group: (group.name, group.id))

    def add(
        self, course_id: int, name: str, idnumber: str = "", description: str = ""
    ) -> MoodleGroup:
        with self._lock:
            group_id = max(self._groups, default=0) + 1
            group = MoodleGroup(group_id, course_id, name, description, idnumber=idnumber)
            self._groups[group_id] = group
            return group

    def forget(self, course_id: int, user_id: int) -> None:
        """Take a person out of all groups of a course, as an unenrolment does."""
        with self._lock:
            for group in self.of_course(course_id):
                group.members.pop(user_id, None)


class Gradebook:
    """Manual grade items per course; a course's total is the sum of what was graded."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._items: dict[int, list[GradeItem]] = {}
        self._total_ids: dict[int, int] = {}
        self._hidden_totals: dict[int, int] = {}
        self._without_total: set[int] = set()
        self._next_id = 1

    def items(self, course_id: int) -> list[GradeItem]:
        return self._items.get(course_id, [])

    def total_id(self, course_id: int) -> int:
        """The id of the course-total item, which Moodle makes when it first needs it."""
        with self._lock:
            if course_id not in self._total_ids:
                self._total_ids[course_id] = self._next_id
                self._next_id += 1
            return self._total_ids[course_id]

    def hide_total(self, course_id: int, at: int) -> None:
        """Hide a course's total. Moodle dates its grades anew."""
        self._hidden_totals[course_id] = at

    def total_hidden_at(self, course_id: int) -> int | None:
        return self._hidden_totals.get(course_id)

    def remove_total(self, course_id: int) -> None:
        """Give a course's total the grade type "None": nobody is shown one any more."""
        self._without_total.add(course_id)

    def has_total(self, course_id: int) -> bool:
        return course_id not in self._without_total

    def remove_items(self, course_id: int) -> None:
        """Delete all that is graded, as a reset of the whole gradebook does."""
        with self._lock:
            self._items.pop(course_id, None)

    def add_item(self, course_id: int, name: str, grademax: float = 100.0) -> GradeItem:
        with self._lock:
            self.total_id(course_id)
            item = GradeItem(self._next_id, name, grademax=grademax)
            self._next_id += 1
            self._items.setdefault(course_id, []).append(item)
            return item

    def grade(self, item: GradeItem, user_id: int, raw: float | None, graded_at: int) -> None:
        with self._lock:
            if raw is None:
                item.grades.pop(user_id, None)
            else:
                item.grades[user_id] = Grade(raw, graded_at)

    def forget(self, course_id: int, user_id: int) -> None:
        """Lose a person's grades in a course, as an unenrolment does."""
        with self._lock:
            for item in self.items(course_id):
                item.grades.pop(user_id, None)


class Completions:
    """Completion criteria per course, and how far each person is."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._criteria: dict[int, list[Criterion]] = {}
        self._any: set[int] = set()
        self._progress: dict[tuple[int, int], Completion] = {}

    def criteria(self, course_id: int) -> list[Criterion]:
        """A course's criteria; none means that Moodle refuses to tell the state."""
        return self._criteria.get(course_id, [])

    def add_criterion(self, course_id: int, kind: int = 1, title: str = "Self completion") -> None:
        with self._lock:
            criteria = self._criteria.setdefault(course_id, [])
            criteria.append(Criterion(len(criteria) + 1, kind, title))

    def add_grade_criterion(self, course_id: int, least: float) -> None:
        """A course grade of at least this much."""
        with self._lock:
            criteria = self._criteria.setdefault(course_id, [])
            detail, status = "Required course grade", f"No grade ({least:.2f} required)"
            number, shown = len(criteria) + 1, f"{least:.2f}"
            criteria.append(Criterion(number, 6, "Course grade", shown, detail, status))

    def need_any(self, course_id: int) -> None:
        """Let any criterion complete the course. Otherwise all are needed."""
        self._any.add(course_id)

    def aggregation(self, course_id: int) -> int:
        """Moodle's number: 1 if all criteria are needed, 2 if any is enough."""
        return 2 if course_id in self._any else 1

    def meet(self, course_id: int, user_id: int, criterion: int, at: int) -> None:
        """Meet one criterion, counted from 1. Only :meth:`run_task` completes the course."""
        with self._lock:
            progress = self._progress.setdefault((course_id, user_id), Completion())
            progress.met[criterion] = at

    def run_task(self, now: int) -> None:
        """What Moodle's cron does: complete the courses whose criteria were met."""
        with self._lock:
            for (course_id, _), progress in self._progress.items():
                met = [each.id in progress.met for each in self.criteria(course_id)]
                enough = any(met) if course_id in self._any else bool(met) and all(met)
                if enough and progress.completed_at is None:
                    progress.completed_at = now

    def progress(self, course_id: int, user_id: int) -> Completion:
        return self._progress.get((course_id, user_id), Completion())

    def complete(self, course_id: int, user_id: int, at: int, criteria: bool = True) -> None:
        """Mark a course as completed, and (by default) all of its criteria as met."""
        with self._lock:
            met = {criterion.id: at for criterion in self.criteria(course_id)} if criteria else {}
            self._progress[course_id, user_id] = Completion(met, at)

    def undo(self, course_id: int, user_id: int) -> None:
        with self._lock:
            self._progress.pop((course_id, user_id), None)
