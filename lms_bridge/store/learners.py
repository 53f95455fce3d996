"""Learners: one row a person, by the Academy's stable id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, bindparam, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.model import Learner
from lms_bridge.store.bulk import columns, insert_missing, update_many
from lms_bridge.store.tables import learner

_LEARNER = [learner.c[f.name] for f in fields(Learner)]
_BY_ACADEMY_IDS = select(learner.c.id, *_LEARNER).where(
    learner.c.academy_id.in_(bindparam("academy_ids", expanding=True))
)


def _learner(row: Any) -> Learner:
    return Learner(*row[1:])  # by place: by name takes four times as long


def learners(tx: Connection, ids: Iterable[int]) -> dict[int, Learner]:
    found: dict[int, Learner] = {}
    for chunk in chunks(ids):
        rows = tx.execute(select(learner.c.id, *_LEARNER).where(learner.c.id.in_(chunk)))
        found.update((row.id, _learner(row)) for row in rows)
    return found


def learners_by_academy_id(
    tx: Connection, academy_ids: Iterable[str]
) -> dict[str, tuple[int, Learner]]:
    found: dict[str, tuple[int, Learner]] = {}
    for chunk in chunks(academy_ids):
        rows = tx.execute(_BY_ACADEMY_IDS, {"academy_ids": chunk})
        found.update((row.academy_id, (row.id, _learner(row))) for row in rows)
    return found


def learners_by_email(tx: Connection, email: str, most: int = 2) -> dict[int, Learner]:
    """Learners with this address, however it is written; at most so many."""
    query = select(learner.c.id, *_LEARNER).where(learner.c.email_key == email_key(email))
    return {row.id: _learner(row) for row in tx.execute(query.order_by(learner.c.id).limit(most))}


def add_learners(tx: Connection, records: Sequence[Learner]) -> list[int]:
    """Adds people and returns their ids in order. Two centres' runs may add the same person at the
    same time; then the first row stays. The rows are sorted to avoid a deadlock."""
    rows = sorted((_learner_columns(record) for record in records), key=_by_academy_id)
    insert_missing(tx, learner, rows, ["academy_id"])
    ids = learners_by_academy_id(tx, [record.academy_id for record in records])
    return [ids[record.academy_id][0] for record in records]


def _by_academy_id(row: Mapping[str, Any]) -> str:
    return str(row["academy_id"])


def change_learners(tx: Connection, records: Mapping[int, Learner]) -> None:
    update_many(
        tx, learner, [{"id": id_, **_learner_columns(r)} for id_, r in sorted(records.items())]
    )


def _learner_columns(record: Learner) -> dict[str, Any]:
    return {**columns(record), "email_key": email_key(record.email)}
