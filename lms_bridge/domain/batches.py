"""Cutting work into batches, and finding the bad row of a batch that was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from lms_bridge.domain.errors import RecordRefused

SIZE = 500
"""Values in one IN list of a query: well below the parameter limit of every database."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def chunks(items: Iterable[Item], size: int = SIZE) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


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
