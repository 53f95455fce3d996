"""Several calls to one Moodle at a time, and writes in batches with an outcome for each row."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Protocol, TypeVar

from lms_bridge.connectors.moodle.refusals import stops_everything
from lms_bridge.domain.batches import bisected, chunks
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import WriteFailed, Written

Item = TypeVar("Item")
Result = TypeVar("Result")
Outcome = Written | WriteFailed
Task = Callable[[], Sequence[Result]]

AHEAD = 4
"""Tasks queued per thread, so that threads stay busy while results are being stored."""


class CallPool:
    """A few threads for the calls to one system. They have the deadline of the run that asks."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="moodle")
        self._ahead = threads * AHEAD

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results of ``work`` for every item, in the order of the items.

        The first error ends the iteration. Work that has not begun is dropped.
        """
        waiting = iter(items)
        running: deque[Future[Result]] = deque()
        try:
            while True:
                while len(running) < self._ahead:
                    try:
                        item = next(waiting)
                    except StopIteration:
                        break
                    running.append(self._threads.submit(copy_context().run, work, item))
                if not running:
                    return
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()

    def outcomes(self, next_task: Callable[[], Task[Result] | None]) -> Iterator[Result]:
        """The results of all tasks, as they become known.

        ``next_task`` returns None when no task may begin now. After the first error no task
        begins. Tasks that already run still give their results, so that every write is reported.
        Then the error is raised.
        """
        running: set[Future[Sequence[Result]]] = set()
        failure: BridgeError | None = None
        try:
            while True:
                while failure is None and len(running) < self._ahead and (task := next_task()):
                    running.add(self._threads.submit(copy_context().run, task))
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    running.discard(future)
                    try:
                        yield from future.result()
                    except BridgeError as error:
                        failure = failure or error
                        running = {other for other in running if not other.cancel()}
        finally:
            for future in running:
                future.cancel()
        if failure is not None:
            raise failure

    def write(
        self, write: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], size: int
    ) -> Iterator[Result]:
        """The results of ``write`` for the items in batches."""
        tasks = iter([partial(write, batch) for batch in chunks(items, size)])
        yield from self.outcomes(partial(next, tasks, None))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class CourseQueue:
    """Tasks by course. Moodle locks a course while it enrols, so courses take turns.

    A course's first task runs alone: the others need the roster that it reads. Two tasks of one
    course run at once only when no other course has work left.
    """

    def __init__(self) -> None:
        self._tasks: dict[int, deque[Task[Outcome]]] = {}
        self._turn: deque[int] = deque()
        self._running: Counter[int] = Counter()
        self._begun: set[int] = set()
        self._lock = threading.Lock()

    def add(self, course: int, task: Task[Outcome]) -> None:
        if course not in self._tasks:
            self._tasks[course] = deque()
            self._turn.append(course)
        self._tasks[course].append(task)

    def next_task(self) -> Task[Outcome] | None:
        """A task of an idle course, else a task of any course that has begun."""
        with self._lock:
            for idle in (True, False):
                for _ in range(len(self._turn)):
                    course = self._turn[0]
                    self._turn.rotate(-1)
                    if not self._running[course] or not (idle or course not in self._begun):
                        return partial(self._run, course, self._begin(course))
        return None

    def _begin(self, course: int) -> Task[Outcome]:
        task = self._tasks[course].popleft()
        if not self._tasks[course]:
            self._turn.pop()  # next_task() has just moved the course to the end
        self._running[course] += 1
        return task

    def _run(self, course: int, task: Task[Outcome]) -> Sequence[Outcome]:
        try:
            return task()
        finally:
            with self._lock:
                self._running[course] -= 1
                self._begun.add(course)


class HasKey(Protocol):
    @property
    def key(self) -> int: ...


Row = TypeVar("Row", bound=HasKey)


def failed(rows: Iterable[HasKey], error: BridgeError) -> list[Outcome]:
    return [WriteFailed(row.key, error) for row in rows]


def failed_row(row: HasKey, error: RecordRefused) -> Outcome:
    return WriteFailed(row.key, error)


def write_batch(
    rows: Sequence[Row],
    send: Callable[[Sequence[Row]], list[Outcome]],
    refused: Callable[[Row, RecordRefused], Outcome] = failed_row,
) -> list[Outcome]:
    """Sends the rows and returns one outcome for each. A refused row does not stop the others.

    ``refused`` gives the outcome of a row that Moodle refuses on its own.

    Raises:
        BridgeError: nothing else can succeed at this site, and no row has an outcome yet.
    """
    outcomes: list[Outcome] = []
    try:
        for batch, answer in bisected(rows, send):
            if isinstance(answer, RecordRefused):
                outcomes.append(refused(batch[0], answer))
            else:
                outcomes += answer
    except BridgeError as error:
        outcomes += failed_rest(rows, outcomes, error)
    return outcomes


def failed_rest(
    rows: Iterable[HasKey], outcomes: Sequence[Outcome], error: BridgeError
) -> list[Outcome]:
    """Failures for the rows without an outcome. The error is raised if it stops everything and
    no row has an outcome."""
    if stops_everything(error) and not outcomes:
        raise error
    known = {outcome.key for outcome in outcomes}
    return failed((row for row in rows if row.key not in known), error)
