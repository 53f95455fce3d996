"""Writing: orders merged into a file that is replaced whole, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from connectors.files.folder import Folder
from lms_bridge.domain.errors import NotUnderstood, RecordRefused
from lms_bridge.domain.ports import Action, Done, Failed, Order, Outcomes, Raw
from lms_bridge.domain.wanted import REMOVED
from lms_bridge.schemas.csv import (
    Row,
    read_offerings,
    read_results,
    write_offerings,
    write_results,
)


@dataclass(frozen=True, slots=True)
class Target:
    """One file that the bridge writes, and the id of a record in it ("" for none)."""

    file: str
    read: Callable[[BinaryIO], Iterator[Row]]
    write: Callable[[BinaryIO, Iterable[Raw]], int]
    external_id: Callable[[Order], str]


def merged(folder: Folder, target: Target, orders: Sequence[Order]) -> Outcomes:
    """Writes all orders at once, then acknowledges them; a removed record loses its row.

    Raises:
        NotUnderstood: somebody spoiled the file: rows that the bridge cannot read would be lost.
        Unreachable, AccessDenied: the folder cannot be written; nothing was.
    """
    rows: dict[str, Raw | None] = {}
    named: list[tuple[int, str]] = []
    for order in orders:
        external_id = order.external_id or target.external_id(order)
        if not external_id:
            yield Failed(order.key, RecordRefused("no-id", "The record has no identity."))
            continue
        named.append((order.key, external_id))
        gone = order.action is Action.REMOVE or order.wanted.get("state") == REMOVED
        rows[external_id] = None if gone else Raw(external_id, order.wanted)
    if named:
        with folder.locked(target.file):
            _replace(folder, target, rows)
    for key, external_id in named:
        yield Done(key, external_id)


def _replace(folder: Folder, target: Target, rows: Mapping[str, Raw | None]) -> None:
    with folder.replacing(target.file) as new:
        if folder.has(target.file):
            with folder.reading(target.file) as old:
                target.write(new, _with_changes(target.read(old), rows, target.file))
        else:
            target.write(new, (raw for raw in rows.values() if raw is not None))


def _with_changes(old: Iterator[Row], rows: Mapping[str, Raw | None], file: str) -> Iterator[Raw]:
    left = dict(rows)
    for row in old:
        if row.problem:
            raise NotUnderstood(
                "file-spoiled",
                f"{file}: {row.problem} Writing it anew would lose that row.",
                "Mend the row, or move the file away and have everything sent again.",
            )
        raw = left.pop(row.raw.external_id, row.raw)
        if raw is not None:
            yield raw
    yield from (raw for raw in left.values() if raw is not None)


def _code(order: Order) -> str:
    return str(order.wanted.get("code") or "")


def _result_id(order: Order) -> str:
    offering, learner = order.wanted.get("offering"), order.wanted.get("learner")
    return f"{offering}/{learner}" if offering and learner else ""


CATALOGUE = Target("catalogue.csv", read_offerings, write_offerings, _code)
RESULTS = Target("results.csv", read_results, write_results, _result_id)
