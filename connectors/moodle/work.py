"""Calls side by side, and batches that are halved until the bad row is found."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from lms_bridge.domain.errors import BridgeError, RecordRefused

Item = TypeVar("Item")
Result = TypeVar("Result")
Task = Callable[[], Sequence[Result]]

AHEAD = 4
"""Tasks handed to the pool per thread: the threads go on while the results are being stored."""


class Pool:
    """A few threads for the calls to one system."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="moodle")
        self.ahead = threads * AHEAD

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results of ``work`` on every item, side by side, in the order of the items.

        The first error that ``work`` raises ends the iteration; what has not begun is dropped.
        """
        todo = iter(items)
        running: deque[Future[Result]] = deque()
        try:
            while True:
                while len(running) < self.ahead:
                    try:
                        item = next(todo)
                    except StopIteration:
                        break
                    running.append(self._threads.submit(work, item))
                if not running:
                    return
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()

    def outcomes(self, take: Callable[[], Task[Result] | None]) -> Iterator[Result]:
        """Everything that tasks give, as it becomes known; ``take`` hands out the next task, or
        None when there is none for now.

        After the first error nothing more is begun, but what had begun is still given before the
        error is raised: whatever was written is reported.
        """
        running: set[Future[Sequence[Result]]] = set()
        failure: BridgeError | None = None
        try:
            while True:
                while failure is None and len(running) < self.ahead and (task := take()):
                    running.add(self._threads.submit(task))
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

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def halving(
    rows: Sequence[Item], send: Callable[[Sequence[Item]], Result]
) -> Iterator[tuple[Sequence[Item], Result | RecordRefused]]:
    """Sends all rows at once; where that is refused, halves, down to the rows at fault.

    Yields the rows that were sent together with what ``send`` gave, or a single row with the
    refusal. Moodle's batches are all or nothing and do not say which row is bad.
    """
    todo = [rows]
    while todo:
        part = todo.pop()
        try:
            yield part, send(part)
        except RecordRefused as error:
            if len(part) == 1:
                yield part, error
                continue
            middle = len(part) // 2
            todo += [part[middle:], part[:middle]]
