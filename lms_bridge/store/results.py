"""Results: at most one row for an enrolment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, or_, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind, Result
from lms_bridge.store import outbox
from lms_bridge.store.bulk import columns, insert_many, update_many
from lms_bridge.store.tables import enrolment, learner, offering, result


def results_of(tx: Connection, enrolment_ids: Iterable[int]) -> dict[int, tuple[int, Result]]:
    """{enrolment id: (result id, result)}"""
    found: dict[int, tuple[int, Result]] = {}
    for chunk in chunks(enrolment_ids):
        rows = tx.execute(_RESULT.where(result.c.enrolment_id.in_(chunk)))
        found.update((row.enrolment_id, (row.id, _result(row))) for row in rows)
    return found


def revisions(tx: Connection, ids: Iterable[int]) -> dict[int, int]:
    """{result id: how many times it was written}"""
    found: dict[int, int] = {}
    for chunk in chunks(ids):
        rows = tx.execute(select(result.c.id, result.c.revision).where(result.c.id.in_(chunk)))
        found.update((row.id, row.revision) for row in rows)
    return found


def results(tx: Connection, ids: Iterable[int]) -> dict[int, tuple[int, Result]]:
    """{result id: (enrolment id, result)}"""
    found: dict[int, tuple[int, Result]] = {}
    for chunk in chunks(ids):
        rows = tx.execute(_RESULT.where(result.c.id.in_(chunk)))
        found.update((row.id, (row.enrolment_id, _result(row))) for row in rows)
    return found


_RESULT = (
    select(
        result.c.id,
        result.c.enrolment_id,
        learner.c.academy_id,
        offering.c.code,
        result.c.score,
        result.c.scale_min,
        result.c.scale_max,
        result.c.completed,
        result.c.completed_at,
        result.c.graded_at,
    )
    .join(enrolment, enrolment.c.id == result.c.enrolment_id)
    .join(learner, learner.c.id == enrolment.c.learner_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
)


def _result(row: Any) -> Result:
    return Result(row.academy_id, row.code, *row[4:])


def count_filled(tx: Connection, code: str) -> int:
    """How many results of an offering have a score or a completion."""
    filled = or_(result.c.score.is_not(None), result.c.completed)
    query = select(func.count()).select_from(result).join(enrolment).join(offering)
    return tx.scalar(query.where(offering.c.code == code, filled)) or 0


def _result_columns(record: Result) -> dict[str, Any]:
    named = columns(record)
    del named["learner"], named["offering"]
    return named


def add_results(tx: Connection, rows: Sequence[tuple[int, Result]]) -> list[int]:
    """Rows: (enrolment id, record)."""
    ids = insert_many(
        tx, result, [{"enrolment_id": id_, **_result_columns(record)} for id_, record in rows]
    )
    outbox.add_new(tx, Kind.RESULT, ids)
    return ids


def change_results(tx: Connection, records: Mapping[int, Result]) -> None:
    update_many(tx, result, [{"id": id_, **_result_columns(r)} for id_, r in records.items()])
    outbox.add_new(tx, Kind.RESULT, list(records))
