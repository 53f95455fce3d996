"""What happens inside a course: groups, grades and completions."""

from threading import RLock

from .records import Completion, Criterion, Grade, GradeItem, Group


class Groups:
    """The groups of all courses."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._groups: dict[int, Group] = {}

    def get(self, group_id: int) -> Group | None:
        """The group with that id, if any."""
        return self._groups.get(group_id)

    def of_course(self, course_id: int) -> list[Group]:
        """A course's groups, by name, as Moodle lists them."""
        groups = [group for group in self._groups.values() if group.course_id == course_id]
        return sorted(groups, key=lambda group: (group.name, group.id))

    def add(self, course_id: int, name: str, idnumber: str = "", description: str = "") -> Group:
        """Add a group without members."""
        with self._lock:
            group_id = max(self._groups, default=0) + 1
            group = Group(group_id, course_id, name, description, idnumber=idnumber)
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
        self._next_id = 1

    def items(self, course_id: int) -> list[GradeItem]:
        """A course's items, without its total."""
        return self._items.get(course_id, [])

    def total_id(self, course_id: int) -> int:
        """The id of the course-total item, which Moodle makes when it first needs it."""
        with self._lock:
            if course_id not in self._total_ids:
                self._total_ids[course_id] = self._next_id
                self._next_id += 1
            return self._total_ids[course_id]

    def add_item(self, course_id: int, name: str, grademax: float = 100.0) -> GradeItem:
        """Add a manual grade item."""
        with self._lock:
            self.total_id(course_id)
            item = GradeItem(self._next_id, name, grademax=grademax)
            self._next_id += 1
            self._items.setdefault(course_id, []).append(item)
            return item

    def grade(self, item: GradeItem, user_id: int, raw: float | None, graded_at: int) -> None:
        """Set a person's grade; None takes it away."""
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
        self._progress: dict[tuple[int, int], Completion] = {}

    def criteria(self, course_id: int) -> list[Criterion]:
        """A course's criteria; none means that Moodle refuses to tell the state."""
        return self._criteria.get(course_id, [])

    def add_criterion(self, course_id: int, kind: int = 1, title: str = "Self completion") -> None:
        """Add a criterion to a course."""
        with self._lock:
            criteria = self._criteria.setdefault(course_id, [])
            criteria.append(Criterion(len(criteria) + 1, kind, title))

    def progress(self, course_id: int, user_id: int) -> Completion:
        """How far a person is; an empty record when nothing is known."""
        return self._progress.get((course_id, user_id), Completion())

    def complete(self, course_id: int, user_id: int, at: int, criteria: bool = True) -> None:
        """Mark a course as completed, and (unless told not to) all of its criteria as met."""
        with self._lock:
            met = {criterion.id: at for criterion in self.criteria(course_id)} if criteria else {}
            self._progress[course_id, user_id] = Completion(met, at)

    def undo(self, course_id: int, user_id: int) -> None:
        """Forget that somebody completed a course."""
        with self._lock:
            self._progress.pop((course_id, user_id), None)
