"""Writing enrolments: many courses at once, so that no thread ever waits for another.

Moodle locks a course while it enrols people there: it is fastest when the calls that are under way
concern different courses. So batches are taken from the courses in turn, and a course gets a
second call at once only when there is no other course left to work on.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from connectors.moodle.enrolling import Course, Entry, Outcome, activate, failed, is_new
from connectors.moodle.leaving import leave
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Part, Site
from connectors.moodle.work import chunks
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Action, Failed, Order, Outcomes, Removal

Task = Callable[[], list[Outcome]]


class Enrolments(Part):
    """Enrolments through Moodle's manual method."""

    def write_enrolments(self, orders: Sequence[Order], removal: Removal) -> Outcomes:
        by_course: dict[int, list[Entry]] = defaultdict(list)
        for order in orders:
            try:
                entry = Entry.of(order)
            except BridgeError as error:
                yield Failed(order.key, error)
                continue
            by_course[entry.place.course].append(entry)
        queue = Queue()
        for course, entries in by_course.items():
            for task in _tasks(self._site, Course(course), entries, removal):
                queue.add(course, task)
        yield from self._site.pool.outcomes(queue.take)


def _tasks(
    site: Site, course: Course, entries: Sequence[Entry], removal: Removal
) -> Iterator[Task]:
    """The course's batches. The first looks at the roster where that is needed; it is done before
    the others begin, so that they all see the roster as it was."""
    leaving = [entry for entry in entries if entry.order.action is Action.REMOVE]
    coming = [entry for entry in entries if entry.order.action is not Action.REMOVE]
    size = site.settings["batch"]
    coming.sort(key=lambda entry: not is_new(entry.order))
    for batch in chunks(coming, size):
        yield partial(_come, site, course, batch)
    for batch in chunks(leaving, size):
        yield partial(leave, site, course, batch, removal)


def _come(site: Site, course: Course, batch: Sequence[Entry]) -> list[Outcome]:
    try:
        if any(is_new(entry.order) for entry in batch):
            course.look(site)
    except BridgeError as error:
        if stops_everything(error):
            raise
        return failed(batch, error)
    return activate(site, course, batch)


class Queue:
    """Tasks by course. A course's first task runs alone; later ones may run side by side."""

    def __init__(self) -> None:
        self._tasks: dict[int, deque[Task]] = {}
        self._turn: deque[int] = deque()
        self._running: Counter[int] = Counter()
        self._begun: set[int] = set()
        self._lock = threading.Lock()

    def add(self, course: int, task: Task) -> None:
        if course not in self._tasks:
            self._tasks[course] = deque()
            self._turn.append(course)
        self._tasks[course].append(task)

    def take(self) -> Task | None:
        """The next task: of a course that nothing is under way for, else of any that may."""
        with self._lock:
            for idle in (True, False):
                for _ in range(len(self._turn)):
                    course = self._turn[0]
                    self._turn.rotate(-1)
                    if not self._running[course] or not (idle or course not in self._begun):
                        return partial(self._run, course, self._begin(course))
        return None

    def _begin(self, course: int) -> Task:
        task = self._tasks[course].popleft()
        if not self._tasks[course]:
            self._turn.pop()  # take() has just moved it to the end
        self._running[course] += 1
        return task

    def _run(self, course: int, task: Task) -> list[Outcome]:
        try:
            return task()
        finally:
            with self._lock:
                self._running[course] -= 1
                self._begun.add(course)
