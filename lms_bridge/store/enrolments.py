"""Enrolments: one row for a learner in an offering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.lifecycle import TAKES_A_SEAT
from lms_bridge.domain.model import Enrolment, Kind
from lms_bridge.store import outbox
from lms_bridge.store.bulk import insert_many, update_many
from lms_bridge.store.tables import IS_SHOWN, enrolment, learner, offering

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


_BY_IDS = _ENROLMENT.where(enrolment.c.id.in_(bindparam("ids", expanding=True)))
_IDS_OF_LEARNERS = select(enrolment.c.offering_id, enrolment.c.learner_id, enrolment.c.id).where(
    enrolment.c.learner_id.in_(bindparam("learner_ids", expanding=True))
)


def _stored(row: Any) -> StoredEnrolment:
    id_, learner_id, offering_id, *record = row
    return StoredEnrolment(id_, learner_id, offering_id, Enrolment(*record))


def enrolments(tx: Connection, ids: Iterable[int]) -> dict[int, StoredEnrolment]:
    found: dict[int, StoredEnrolment] = {}
    for chunk in chunks(ids):
        rows = tx.execute(_BY_IDS, {"ids": chunk}).all()
        found.update((row[0], _stored(row)) for row in rows)
    return found


def count_of(tx: Connection, centre: str) -> int:
    """How many enrolments the offerings of a centre have."""
    query = select(func.count()).select_from(enrolment.join(offering))
    return tx.scalar(query.where(offering.c.centre == centre)) or 0


def seats_taken(tx: Connection, offering_ids: Iterable[int]) -> dict[int, int]:
    """{offering id: how many people have a seat} of offerings in which anybody has."""
    query = select(enrolment.c.offering_id, func.count()).group_by(enrolment.c.offering_id)
    query = query.where(enrolment.c.status.in_(TAKES_A_SEAT))
    found: dict[int, int] = {}
    for chunk in chunks(offering_ids):
        rows = tx.execute(query.where(enrolment.c.offering_id.in_(chunk)))
        found.update((row[0], row[1]) for row in rows)
    return found


def enrolments_in(
    tx: Connection, offering_ids: Iterable[int], *, shown: bool = False
) -> dict[int, StoredEnrolment]:
    """All enrolments in these offerings, by their ids; or only those that are ``shown``."""
    found: dict[int, StoredEnrolment] = {}
    query = _ENROLMENT.where(IS_SHOWN) if shown else _ENROLMENT
    for chunk in chunks(offering_ids):
        rows = tx.execute(query.where(enrolment.c.offering_id.in_(chunk))).all()
        found.update((row[0], _stored(row)) for row in rows)
    return found


def of_learners(tx: Connection, learner_ids: Iterable[int]) -> list[StoredEnrolment]:
    found: list[StoredEnrolment] = []
    for chunk in chunks(learner_ids):
        rows = tx.execute(_ENROLMENT.where(enrolment.c.learner_id.in_(chunk))).all()
        found.extend(_stored(row) for row in rows)
    return found


def ids_of_learner(tx: Connection, learner_id: int) -> list[int]:
    return list(tx.scalars(select(enrolment.c.id).where(enrolment.c.learner_id == learner_id)))


def enrolment_ids(tx: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """{(offering id, learner id): enrolment id} of the pairs that are enrolments."""
    desired = set(pairs)
    found: dict[tuple[int, int], int] = {}
    # By the learners, who have a few enrolments each: the offerings may be as many as the pairs.
    for chunk in chunks({learner_id for _, learner_id in desired}):
        rows = tx.execute(_IDS_OF_LEARNERS, {"learner_ids": chunk}).all()
        found.update(((row[0], row[1]), row[2]) for row in rows if (row[0], row[1]) in desired)
    return found


def add_enrolments(
    tx: Connection, rows: Sequence[tuple[int, int, Enrolment]], import_id: int = 0
) -> list[int]:
    """Rows: (learner id, offering id, record). Those of an import are hidden until it is whole."""
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
                "import_id": import_id,
            }
            for learner_id, offering_id, record in rows
        ],
    )
    if not import_id:
        outbox.add_new(tx, Kind.ENROLMENT, ids)
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
    outbox.add_new(tx, Kind.ENROLMENT, list(records))


def count_shown(tx: Connection) -> int:
    """How many enrolments there are, without those of an import that is not whole yet."""
    return tx.scalar(select(func.count()).select_from(enrolment).where(IS_SHOWN)) or 0
