"""Cutting work into batches, and finding the bad row of a batch that was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from lms_bridge.domain.errors import RecordRefused

SIZE = 500
"""Values in one IN list of a query: well below the parameter limit of every database."""

PART_SECONDS = 0.15
"""How long one transaction of a long work may keep others from writing."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def chunks(items: Iterable[Item], size: int = SIZE) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


class PartSize:
    """How many rows the next transaction of a long work has, by the time that the last one took:
    others wait to write, and a machine may be busy."""

    def __init__(self, most: int, least: int, first: int = 0) -> None:
        self.records, self._most, self._least = first or most, most, min(least, most)

    def adjust(self, seconds: float) -> None:
        wanted = int(self.records * min(2.0, PART_SECONDS / max(seconds, 0.001)))
        self.records = max(self._least, min(self._most, wanted))


def bisected(
    rows: Sequence[Item], send: Callable[[Sequence[Item]], Result]
) -> Iterator[tuple[Sequence[Item], Result | RecordRefused]]:
    """Sends all rows at once. Each time the system refuses a batch, halves are sent instead.

    Yields the rows of each accepted batch with the result of ``send``, and each refused row with
    the error. This serves systems that refuse a whole batch without naming the bad row.
    """
    waiting = [rows] if rows else []
    while waiting:
        batch = waiting.pop()
        try:
            yield batch, send(batch)
        except RecordRefused as error:
            if len(batch) == 1:
                yield batch, error
                continue
            middle = len(batch) // 2
            waiting += [batch[middle:], batch[:middle]]
