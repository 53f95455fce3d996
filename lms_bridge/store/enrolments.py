"""Enrolments: one row for a learner in an offering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from lms_bridge.domain.model import Enrolment, Kind
from lms_bridge.store import changes
from lms_bridge.store.links import chunks
from lms_bridge.store.rows import insert_many, update_many
from lms_bridge.store.tables import enrolment, learner, offering

_ENROLMENT = (
    select(
        enrolment.c.id,
        enrolment.c.learner_id,
        enrolment.c.offering_id,
        learner.c.academy_id,
        offering.c.code,
        enrolment.c.status,
        enrolment.c.starts_at,
        enrolment.c.ends_at,
    )
    .join(learner, learner.c.id == enrolment.c.learner_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
)


@dataclass(frozen=True, slots=True)
class StoredEnrolment:
    """An enrolment with the ids of its rows."""

    id: int
    learner_id: int
    offering_id: int
    record: Enrolment

    def with_record(self, record: Enrolment) -> StoredEnrolment:
        return replace(self, record=record)


def _stored(row: Any) -> StoredEnrolment:
    id_, learner_id, offering_id, *record = row
    return StoredEnrolment(id_, learner_id, offering_id, Enrolment(*record))


def enrolments(tx: Connection, ids: Iterable[int]) -> dict[int, StoredEnrolment]:
    found: dict[int, StoredEnrolment] = {}
    for chunk in chunks(ids):
        rows = tx.execute(_ENROLMENT.where(enrolment.c.id.in_(chunk))).all()
        found.update((row[0], _stored(row)) for row in rows)
    return found


def enrolments_in(tx: Connection, offering_ids: Iterable[int]) -> dict[int, StoredEnrolment]:
    """All enrolments in these offerings, by their ids."""
    found: dict[int, StoredEnrolment] = {}
    for chunk in chunks(offering_ids):
        rows = tx.execute(_ENROLMENT.where(enrolment.c.offering_id.in_(chunk))).all()
        found.update((row[0], _stored(row)) for row in rows)
    return found


def enrolment_ids(tx: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """{(offering id, learner id): enrolment id} of the pairs that are enrolments."""
    wanted = set(pairs)
    found: dict[tuple[int, int], int] = {}
    # By the learners, who have a few enrolments each: the offerings may be as many as the pairs.
    for chunk in chunks({learner_id for _, learner_id in wanted}):
        rows = tx.execute(
            select(enrolment.c.offering_id, enrolment.c.learner_id, enrolment.c.id).where(
                enrolment.c.learner_id.in_(chunk)
            )
        ).all()
        found.update(((row[0], row[1]), row[2]) for row in rows if (row[0], row[1]) in wanted)
    return found


def add_enrolments(tx: Connection, rows: Sequence[tuple[int, int, Enrolment]]) -> list[int]:
    """Rows: (learner id, offering id, record)."""
    ids = insert_many(
        tx,
        enrolment,
        [
            {
                "learner_id": learner_id,
                "offering_id": offering_id,
                "status": record.status,
                "starts_at": record.starts_at,
                "ends_at": record.ends_at,
            }
            for learner_id, offering_id, record in rows
        ],
    )
    changes.note_new(tx, Kind.ENROLMENT, ids)
    return ids


def change_enrolments(tx: Connection, records: Mapping[int, Enrolment]) -> None:
    update_many(
        tx,
        enrolment,
        [
            {"id": id_, "status": r.status, "starts_at": r.starts_at, "ends_at": r.ends_at}
            for id_, r in records.items()
        ],
    )
    changes.note_new(tx, Kind.ENROLMENT, list(records))
