"""Lists of courses and offerings, in pages that are asked for by their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_

from lms_bridge.domain.model import Modality
from lms_bridge.feeds.entry import Entry, Giver
from lms_bridge.store.tables import course, link, offering
from lms_bridge.web.queries.asked import Asked, narrowed
from lms_bridge.web.queries.feeds import entries_with, shown_rows

OFFERING_ORDERS: Mapping[str, ColumnElement[Any]] = {
    "offeringId": link.c.record_id,
    "name": offering.c.title,
    "startDate": offering.c.starts_at,
    "endDate": offering.c.ends_at,
}
_NEWEST = func.max(link.c.record_id)
COURSE_ORDERS: Mapping[str, ColumnElement[Any]] = {
    "courseId": course.c.id,
    "name": func.max(offering.c.title),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. ``modalities`` None asks for all; ``course_id`` 0, too. ``orders`` are
    names of the orders, with ``-`` before one that falls."""

    asked: Asked = field(default_factory=Asked)
    modalities: Sequence[Modality] | None = None
    course_id: int = 0
    course_code: str = ""
    since: datetime | None = None
    until: datetime | None = None
    orders: Sequence[str] = ()


def offerings_page(
    tx: Connection, centres: Mapping[str, Giver], wanted: Wanted, *, limit: int, offset: int
) -> tuple[int, list[Entry]]:
    """(how many there are, one page of them)"""
    found = _found([func.count()], centres, wanted)
    query = _found([link.c.record_id], centres, wanted)
    query = query.order_by(*_ordered(OFFERING_ORDERS, wanted.orders), link.c.record_id)
    numbers = tx.scalars(query.limit(limit).offset(offset)).all()
    return tx.scalar(found) or 0, _in_order(tx, centres, numbers)


def courses_page(
    tx: Connection, centres: Mapping[str, Giver], wanted: Wanted, *, limit: int, offset: int
) -> tuple[int, list[Entry]]:
    """The same of courses, each by its newest offering."""
    found = _found([func.count(course.c.id.distinct())], centres, wanted)
    query = _found([_NEWEST], centres, wanted)
    query = query.where(course.c.id.is_not(None)).group_by(course.c.id)
    query = query.order_by(*_ordered(COURSE_ORDERS, wanted.orders), course.c.id)
    numbers = tx.scalars(query.limit(limit).offset(offset)).all()
    return tx.scalar(found) or 0, _in_order(tx, centres, numbers)


def course_entry(tx: Connection, centres: Mapping[str, Giver], course_id: int) -> Entry | None:
    """The newest offering of a course."""
    number = tx.scalar(shown_rows(_NEWEST).where(course.c.id == course_id))
    return next(iter(_in_order(tx, centres, [number] if number else [])), None)


def _found(
    columns: Sequence[ColumnElement[Any]], centres: Mapping[str, Giver], wanted: Wanted
) -> Select[Any]:
    query = narrowed(shown_rows(*columns), centres, wanted.asked)
    if wanted.modalities is not None:
        query = query.where(offering.c.modality.in_(wanted.modalities))
    if wanted.course_id:
        query = query.where(course.c.id == wanted.course_id)
    if wanted.course_code:
        query = query.where(offering.c.course_code == wanted.course_code)
    if wanted.since is not None:
        starts = offering.c.starts_at
        query = query.where(or_(starts.is_(None), starts >= wanted.since))
    if wanted.until is not None:
        query = query.where(offering.c.ends_at < wanted.until)
    return query


def _ordered(
    orders: Mapping[str, ColumnElement[Any]], names: Sequence[str]
) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = []
    for name in names:
        column = orders[name.removeprefix("-")]
        columns.append(column.desc() if name.startswith("-") else column.asc())
    return columns


def _in_order(tx: Connection, centres: Mapping[str, Giver], numbers: Sequence[int]) -> list[Entry]:
    found = entries_with(tx, centres, numbers)
    return [found[number] for number in numbers if number in found]
