"""What the interface reads: pages in the order of ids, each beginning after the last one's end.

``reach`` is the codes of the centres whose data may be told, or None for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    Table,
    select,
)

from lms_bridge.store.tables import (
    course,
    enrolment,
    hold,
    item,
    learner,
    offering,
    result,
    run,
    unmatched,
)

Rows = Sequence[Row[Any]]
Reach = Collection[str] | None
Asked = Mapping[str, Any]


def _within(query: Select[Any], column: Column[Any], reach: Reach) -> Select[Any]:
    return query if reach is None else query.where(column.in_(list(reach)))


# ---- courses, registrations and results ------------------------------------------------------


def courses(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    query = select(course).where(course.c.id > after).order_by(course.c.id).limit(most)
    if asked.get("centre"):
        query = query.where(course.c.centre == asked["centre"])
    return tx.execute(_within(query, course.c.centre, reach)).all()


_REGISTRATION: Select[Any] = (
    select(
        enrolment.c.id,
        enrolment.c.revision,
        enrolment.c.changed_at,
        enrolment.c.status,
        enrolment.c.starts_at,
        enrolment.c.ends_at,
        offering.c.id.label("offering_id"),
        offering.c.code.label("offering"),
        offering.c.centre,
        *(learner.c[name] for name in ("academy_id", "given_name", "family_name", "email")),
        learner.c.language,
        learner.c.country,
    )
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .join(learner, learner.c.id == enrolment.c.learner_id)
)
_RESULT: Select[Any] = (
    select(
        result.c.id,
        result.c.revision,
        result.c.changed_at,
        result.c.enrolment_id,
        *(result.c[name] for name in ("score", "scale_min", "scale_max", "completed")),
        result.c.completed_at,
        result.c.graded_at,
        offering.c.code.label("offering"),
        offering.c.centre,
        learner.c.academy_id,
    )
    .join(enrolment, enrolment.c.id == result.c.enrolment_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .join(learner, learner.c.id == enrolment.c.learner_id)
)


def registrations(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    query = _of_people(_REGISTRATION, enrolment, asked, after, most, reach)
    if asked.get("status"):
        query = query.where(enrolment.c.status == asked["status"])
    return tx.execute(query).all()


def registration(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(_REGISTRATION.where(enrolment.c.id == number)).first()


def results(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    return tx.execute(_of_people(_RESULT, result, asked, after, most, reach)).all()


def result_of(tx: Connection, number: int) -> Row[Any] | None:
    """The result of the registration of that number."""
    return tx.execute(_RESULT.where(result.c.enrolment_id == number)).first()


def _of_people(
    query: Select[Any], table: Table, asked: Asked, after: int, most: int, reach: Reach
) -> Select[Any]:
    query = query.where(table.c.id > after).order_by(table.c.id).limit(most)
    for column, name in (
        (offering.c.centre, "centre"),
        (offering.c.code, "offering"),
        (learner.c.academy_id, "learner"),
    ):
        if asked.get(name):
            query = query.where(column == asked[name])
    if asked.get("modified_since"):
        query = query.where(table.c.changed_at >= asked["modified_since"])
    return _within(query, offering.c.centre, reach)


# ---- operations: the newest first, but for people who wait -------------------------------------


def runs(tx: Connection, asked: Asked, before: int, most: int, reach: Reach) -> Rows:
    return _newest(tx, run, asked, before, most, reach)


def holds(tx: Connection, asked: Asked, before: int, most: int, reach: Reach) -> Rows:
    status = asked["status"]
    where = [] if status == "all" else [hold.c.status == status]
    return _newest(tx, hold, asked, before, most, reach, *where)


def _newest(
    tx: Connection, table: Table, asked: Asked, before: int, most: int, reach: Reach, *where: Any
) -> Rows:
    query = select(table).where(*where).order_by(table.c.id.desc()).limit(most)
    if before:
        query = query.where(table.c.id < before)
    if asked.get("centre"):
        query = query.where(table.c.centre == asked["centre"])
    return tx.execute(_within(query, table.c.centre, reach)).all()


def items(tx: Connection, run_id: int, after: int, most: int) -> Rows:
    query = select(item).where(item.c.run_id == run_id, item.c.id > after)
    return tx.execute(query.order_by(item.c.id).limit(most)).all()


_UNMATCHED: Select[Any] = select(unmatched, learner.c.academy_id).join(
    learner, learner.c.id == unmatched.c.learner_id
)


def people(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    query = _UNMATCHED.where(unmatched.c.id > after).order_by(unmatched.c.id).limit(most)
    if asked.get("centre"):
        query = query.where(unmatched.c.centre == asked["centre"])
    return tx.execute(_within(query, unmatched.c.centre, reach)).all()


def person(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(_UNMATCHED.where(unmatched.c.id == number)).first()
