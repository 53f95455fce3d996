"""Lists of courses and offerings, in numbered pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_

from lms_bridge.catalogue.entry import CatalogueEntry, Provider
from lms_bridge.catalogue.feed_queries import entries_with, listed_rows
from lms_bridge.catalogue.queries import CatalogueFilters, narrowed
from lms_bridge.domain.availability import ENDED
from lms_bridge.domain.model import Modality
from lms_bridge.store.tables import course, link, offering

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
class OeapiParams:
    """The parameters of a list. ``modalities`` None and ``course_id`` 0 mean all. ``orders`` are
    names of the orders, with ``-`` before one that falls. ``without_over`` leaves out
    what has no end and is over all the same, by its status."""

    filters: CatalogueFilters = field(default_factory=CatalogueFilters)
    modalities: Sequence[Modality] | None = None
    course_id: int = 0
    course_code: str = ""
    since: datetime | None = None
    until: datetime | None = None
    without_over: bool = False
    orders: Sequence[str] = ()


def offerings_page(
    tx: Connection,
    centres: Mapping[str, Provider],
    params: OeapiParams,
    *,
    limit: int,
    offset: int,
) -> tuple[int, list[CatalogueEntry]]:
    """(how many there are, one page of them)"""
    found = _found(tx, [func.count()], centres, params)
    query = _found(tx, [link.c.record_id], centres, params)
    query = query.order_by(*_ordered(OFFERING_ORDERS, params.orders), link.c.record_id)
    numbers = tx.scalars(query.limit(limit).offset(offset)).all()
    return tx.scalar(found) or 0, _in_order(tx, centres, numbers)


def courses_page(
    tx: Connection,
    centres: Mapping[str, Provider],
    params: OeapiParams,
    *,
    limit: int,
    offset: int,
) -> tuple[int, list[CatalogueEntry]]:
    """The same of courses, each by its newest offering."""
    found = _found(tx, [func.count(course.c.id.distinct())], centres, params)
    query = _found(tx, [_NEWEST], centres, params)
    query = query.where(course.c.id.is_not(None)).group_by(course.c.id)
    query = query.order_by(*_ordered(COURSE_ORDERS, params.orders), course.c.id)
    numbers = tx.scalars(query.limit(limit).offset(offset)).all()
    return tx.scalar(found) or 0, _in_order(tx, centres, numbers)


def course_entry(
    tx: Connection, centres: Mapping[str, Provider], course_id: int
) -> CatalogueEntry | None:
    """The newest offering of a course."""
    number = tx.scalar(listed_rows(_NEWEST).where(course.c.id == course_id))
    return next(iter(_in_order(tx, centres, [number] if number else [])), None)


def _found(
    tx: Connection,
    columns: Sequence[ColumnElement[Any]],
    centres: Mapping[str, Provider],
    params: OeapiParams,
) -> Select[Any]:
    query = narrowed(tx, listed_rows(*columns), centres, params.filters)
    if params.modalities is not None:
        query = query.where(offering.c.modality.in_(params.modalities))
    if params.course_id:
        query = query.where(course.c.id == params.course_id)
    if params.course_code:
        query = query.where(offering.c.course_code == params.course_code)
    if params.since is not None:
        starts, ends = offering.c.starts_at, offering.c.ends_at
        # What may be begun at any time can be begun until it ends.
        any_start = or_(starts.is_(None), offering.c.modality == Modality.SELF_PACED)
        goes_on = or_(ends.is_(None), ends > params.since)
        query = query.where(or_(starts >= params.since, and_(any_start, goes_on)))
    if params.until is not None:  # an end at midnight is the day before
        query = query.where(offering.c.ends_at <= params.until)
    if params.without_over:  # where no end says so
        query = query.where(or_(offering.c.ends_at.is_not(None), offering.c.status.not_in(ENDED)))
    return query


def _ordered(
    orders: Mapping[str, ColumnElement[Any]], names: Sequence[str]
) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = []
    for name in names:
        column = orders[name.removeprefix("-")]
        columns.append(column.desc() if name.startswith("-") else column.asc())
    return columns


def _in_order(
    tx: Connection, centres: Mapping[str, Provider], numbers: Sequence[int]
) -> list[CatalogueEntry]:
    found = entries_with(tx, centres, numbers)
    return [found[number] for number in numbers if number in found]
