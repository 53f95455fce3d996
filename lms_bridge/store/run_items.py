"""The items of one run, page by page: a page begins after a row, not at a number of rows.

Every question goes through the items of its one run by an index. A filter may look at all of them,
but never at those of other runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from lms_bridge.domain.model import Kind
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import enrolment, learner, offering, result

Rows = Sequence[Row[Any]]
_FAILED: ColumnElement[bool] = literal_column("(item.code <> '')")
"""The partial index's condition, written out: with a parameter in it the index is not used."""
_kind: ColumnElement[str] = item.c.kind.concat(literal_column("''"))
"""Not by the index on records, which leads to the items of all runs."""


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Empty: whatever it is. ``course`` is an offering's code: the offering, and the enrolments and
    results in it. ``learner`` is an Academy id: the learner, with their enrolments and results."""

    kind: str = ""
    state: str = ""
    course: str = ""
    learner: str = ""


@dataclass(frozen=True, slots=True)
class ItemsPage:
    """``previous`` and ``next``: whether there are items before the first and after the last."""

    rows: Rows
    previous: bool
    next: bool


def items_by_number(
    tx: Connection, run_id: int, wanted: ItemFilter | None = None, *, after: int = 0, most: int
) -> Rows:
    """Items in the order in which they came, after this number."""
    query = select(item).where(item.c.run_id == run_id, item.c.id > after, *_where(tx, wanted))
    return tx.execute(query.order_by(item.c.id).limit(most)).all()


def count_items(
    tx: Connection, run_id: int, wanted: ItemFilter | None = None, *, after: int = 0
) -> int:
    query = select(func.count()).where(item.c.run_id == run_id, item.c.id > after)
    return tx.scalar(query.where(*_where(tx, wanted))) or 0


def items_page(
    tx: Connection,
    run_id: int,
    wanted: ItemFilter | None = None,
    *,
    after: int = 0,
    before: int = 0,
    most: int,
) -> ItemsPage:
    """A page of a run's items: those that failed first, each kind of failure together. It begins
    after an item, or ends before one; without either, or with one of no item, it is the first."""
    where = [item.c.run_id == run_id, *_where(tx, wanted)]
    edge = tx.execute(
        select(item.c.id, item.c.code).where(
            item.c.run_id == run_id, item.c.id == (after or before)
        )
    ).first()
    back = edge is not None and not after
    ids: list[int] = []
    for part in _parts(where, edge, back=back):
        ids += tx.scalars(part.limit(most + 1 - len(ids)))
        if len(ids) > most:
            break
    if back and len(ids) < most:  # the first page, which is to be a full one
        return items_page(tx, run_id, wanted, most=most)
    more, ids = len(ids) > most, ids[:most]
    found = {row.id: row for row in tx.execute(select(item).where(item.c.id.in_(ids)))}
    rows = [found[id_] for id_ in (reversed(ids) if back else ids)]
    return ItemsPage(rows, more if back else edge is not None, back or more)


def _parts(
    where: Sequence[ColumnElement[bool]], edge: Row[int, str] | None, *, back: bool
) -> Sequence[Select[int]]:
    """Questions for the numbers on one side of an item, the nearest first: those that failed, by
    their code, and those that did not. Numbers alone are in an index; whole rows would be long."""
    failed = (item.c.code, item.c.id)
    bad = select(item.c.id).where(*where, _FAILED)
    good = select(item.c.id).where(*where, item.c.code == "")
    if edge is not None and edge.code:
        place = (edge.code, edge.id)
        bad = bad.where(tuple_(*failed) < place if back else tuple_(*failed) > place)
    elif edge is not None:
        good = good.where(item.c.id < edge.id if back else item.c.id > edge.id)
    if back:
        bad = bad.order_by(*(each.desc() for each in failed))
        good = good.order_by(item.c.id.desc())
        return (bad,) if edge is not None and edge.code else (good, bad)
    bad, good = bad.order_by(*failed), good.order_by(item.c.id)
    return (good,) if edge is not None and not edge.code else (bad, good)


def _where(tx: Connection, wanted: ItemFilter | None) -> list[ColumnElement[bool]]:
    if wanted is None:
        return []
    where = [_kind == wanted.kind] if wanted.kind else []
    if wanted.state:
        where.append(item.c.state == wanted.state)
    if not wanted.course and not wanted.learner:
        return where
    course = tx.scalar(select(offering.c.id).where(offering.c.code == wanted.course))
    person = tx.scalar(select(learner.c.id).where(learner.c.academy_id == wanted.learner))
    if (wanted.course and course is None) or (wanted.learner and person is None):
        return [false()]
    return [*where, _is_about(course, person)]


def _is_about(course: int | None, person: int | None) -> ColumnElement[bool]:
    """The records of a course, of a learner, or of the one in the other."""
    places = select(enrolment.c.id)
    if course is not None:
        places = places.where(enrolment.c.offering_id == course)
    if person is not None:
        places = places.where(enrolment.c.learner_id == person)
    scores = select(result.c.id).where(result.c.enrolment_id.in_(places))
    about: dict[Kind, ColumnElement[bool]] = {
        Kind.ENROLMENT: item.c.record_id.in_(places),
        Kind.RESULT: item.c.record_id.in_(scores),
    }
    if person is None:
        about[Kind.OFFERING] = item.c.record_id == course
    elif course is None:
        about[Kind.LEARNER] = item.c.record_id == person
    return or_(*(and_(_kind == kind, these) for kind, these in about.items()))
