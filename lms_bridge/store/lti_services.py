"""Queries on what the bridge serves as a platform: subjects, resources, line items, members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, insert, or_, select, update

from lms_bridge.domain.model import Enrolment, Kind, Learner, Offering
from lms_bridge.domain.wanted import IN_COURSE
from lms_bridge.store.links import chunks
from lms_bridge.store.lti_tables import line_item, resource, score, subject
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.rows import insert_missing
from lms_bridge.store.tables import enrolment, item, learner, offering

Rows = Sequence[Row[*tuple[Any, ...]]]
"""What a query gives: columns by their names."""

# ---- subjects: what a tool calls a person ----------------------------------------------


def subjects(tx: Connection, centre: str, learner_ids: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(learner_ids):
        rows = tx.execute(
            select(subject.c.learner_id, subject.c.subject).where(
                subject.c.centre == centre, subject.c.learner_id.in_(chunk)
            )
        )
        found.update((row.learner_id, row.subject) for row in rows)
    return found


def add_subjects(tx: Connection, centre: str, new: Mapping[int, str]) -> None:
    """Somebody may be quicker: the first one's stand."""
    rows = [{"centre": centre, "learner_id": id_, "subject": text} for id_, text in new.items()]
    insert_missing(tx, subject, rows, ["centre", "learner_id"])


def learner_of_subject(tx: Connection, centre: str, text: str) -> int | None:
    found: int | None = tx.scalar(
        select(subject.c.learner_id).where(subject.c.centre == centre, subject.c.subject == text)
    )
    return found


# ---- resources: the links that people launch -------------------------------------------


LINK = ("id", "code", "title", "description", "address", "custom", "target")
_LINK = [resource.c[name] for name in LINK]


def resources(tx: Connection, **equal: object) -> Rows:
    conditions = [resource.c[name] == value for name, value in equal.items()]
    return tx.execute(select(resource).where(*conditions).order_by(resource.c.id)).all()


_RESOURCE = Prepared(
    select(*_LINK, func.coalesce(func.min(line_item.c.id), 0))
    .outerjoin(line_item, line_item.c.resource_link_id == resource.c.id)
    .where(resource.c.id == bindparam("id_is"))
    .group_by(resource.c.id)
)


def resource_with_line_item(tx: Connection, resource_id: int) -> tuple[Any, ...] | None:
    """What ``LINK`` names, and the id of its first line item (0 where it has none)."""
    return _RESOURCE.first(tx, {"id_is": resource_id})


def lock_links(tx: Connection, offering_id: int) -> None:
    """Until the transaction ends nobody else gives the offering a link or a main line item."""
    one = select(offering.c.id).where(offering.c.id == offering_id)
    tx.execute(one.with_for_update(key_share=True))  # others may refer to it all the same


def add_resource(tx: Connection, values: Mapping[str, Any]) -> int:
    return int(tx.execute(insert(resource).values(**values).returning(resource.c.id)).scalar_one())


def change_resource(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(resource).where(resource.c.id == id_).values(**values))


# ---- line items ------------------------------------------------------------------------


def line_items(tx: Connection, after: int = 0, most: int = 0, **equal: object) -> Rows:
    """Those with these values, each with ``resource_code``; ``most`` rows after a given id."""
    query = (
        select(line_item, resource.c.code.label("resource_code"))
        .outerjoin(resource, resource.c.id == line_item.c.resource_link_id)
        .where(*(_column(name) == value for name, value in equal.items()))
        .where(line_item.c.id > after)
        .order_by(line_item.c.id)
    )
    return tx.execute(query.limit(most) if most else query).all()


def _column(name: str) -> Any:
    return resource.c.code if name == "resource_code" else line_item.c[name]


def lock_line_item(tx: Connection, id_: int) -> None:
    """Until the transaction ends nobody else posts scores to it, or deletes it."""
    tx.execute(select(line_item.c.id).where(line_item.c.id == id_).with_for_update())


def add_line_item(tx: Connection, values: Mapping[str, Any]) -> int:
    made = tx.execute(insert(line_item).values(**values).returning(line_item.c.id))
    return int(made.scalar_one())


def change_line_item(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(line_item).where(line_item.c.id == id_).values(**values))


def drop_line_item(tx: Connection, id_: int) -> None:
    tx.execute(delete(score).where(score.c.line_item_id == id_))
    tx.execute(delete(line_item).where(line_item.c.id == id_))


# ---- places ----------------------------------------------------------------------------

_LEARNER, _OFFERING = fields(Learner), fields(Offering)
_PLACE = Prepared(
    select(
        enrolment.c.learner_id,
        enrolment.c.offering_id,
        enrolment.c.status,
        enrolment.c.starts_at,
        enrolment.c.ends_at,
        *(learner.c[f.name] for f in _LEARNER),
        *(offering.c[f.name] for f in _OFFERING),
    )
    .join(learner, learner.c.id == enrolment.c.learner_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .where(
        learner.c.academy_id == bindparam("academy_id"), offering.c.code == bindparam("offering")
    )
)


def place(
    tx: Connection, academy_id: str, code: str
) -> tuple[int, int, Enrolment, Learner, Offering] | None:
    """(learner id, offering id, enrolment, learner, offering) in one query: it is every
    launch's."""
    row = _PLACE.first(tx, {"academy_id": academy_id, "offering": code})
    if row is None:
        return None
    split = 5 + len(_LEARNER)
    own = Enrolment(academy_id, code, *row[2:5])
    return row[0], row[1], own, Learner(*row[5:split]), Offering(*row[split:])


# ---- rosters ---------------------------------------------------------------------------


def roster(
    tx: Connection, offering_id: int, after: int, most: int, learner_id: int | None = None
) -> Rows:
    """Those with a place in the offering, ``most`` of them after a given enrolment's id."""
    query = (
        select(enrolment.c.id, enrolment.c.learner_id, enrolment.c.status)
        .where(
            enrolment.c.offering_id == offering_id,
            enrolment.c.status.in_(IN_COURSE),
            enrolment.c.id > after,
        )
        .order_by(enrolment.c.id)
        .limit(most)
    )
    if learner_id is not None:
        query = query.where(enrolment.c.learner_id == learner_id)
    return tx.execute(query).all()


def changed_members(
    tx: Connection, offering_id: int, since: datetime, after: int, most: int
) -> Rows:
    """Enrolments that were written since then, or whose learner changed, as the audit knows."""
    renewed = exists().where(
        item.c.kind == Kind.LEARNER, item.c.record_id == enrolment.c.learner_id, item.c.at >= since
    )
    return list(
        tx.execute(
            select(enrolment.c.id, enrolment.c.learner_id, enrolment.c.status)
            .where(
                enrolment.c.offering_id == offering_id,
                enrolment.c.id > after,
                or_(enrolment.c.changed_at >= since, renewed),
            )
            .order_by(enrolment.c.id)
            .limit(most)
        ).all()
    )
