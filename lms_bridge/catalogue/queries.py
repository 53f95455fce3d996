"""Queries of the public catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    func,
    not_,
    or_,
    select,
)

from lms_bridge.catalogue.entry import Provider, public_offering
from lms_bridge.domain.availability import TAKES_REGISTRATIONS, Availability
from lms_bridge.domain.document import Json, document
from lms_bridge.domain.model import ACADEMY, Kind, Offering
from lms_bridge.store.availability import availability
from lms_bridge.store.offerings import Tag, offerings, tag_key
from lms_bridge.store.search import holds_words
from lms_bridge.store.tables import HELD, IS_PUBLIC, centre, link, offering, offering_tag


@dataclass(frozen=True, slots=True)
class Moments:
    """The moment of a visit, and until when registration that closes is closing soon."""

    now: datetime
    soon: datetime


EVERYTHING, CURRENT, OPEN_NOW = "all", "current", "open_now"
"""What a visitor may ask for besides one availability: also courses that are over, all that are
not over, and those that take registrations now."""


FREE, PAID = "free", "paid"


@dataclass(frozen=True, slots=True)
class CatalogueFilters:
    """A reader's filters; an empty text means everything. The availability is that of the moment
    ``at``; without one it does not count."""

    region: str = ""
    centre: str = ""
    modality: str = ""
    level: str = ""
    topic: str = ""
    language: str = ""
    text: str = ""
    code: str = ""
    availability: str = ""
    price: str = ""
    starts_from: str = ""
    starts_to: str = ""
    at: Moments | None = None


def first_moment(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def last_moment(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)


def with_availability(query: Select[Any], wanted: str, at: Moments) -> Select[Any]:
    """The query for the offerings of this availability; "": for all that are not over."""
    if wanted == EVERYTHING:
        return query
    now = availability(at.now, at.soon)
    if wanted == OPEN_NOW:
        return query.where(now.in_(sorted(TAKES_REGISTRATIONS)))
    return query.where(now != Availability.OVER if wanted in ("", CURRENT) else now == wanted)


def narrowed(
    tx: Connection,
    query: Select[Any],
    centres: Mapping[str, Provider],
    filters: CatalogueFilters,
) -> Select[Any]:
    """The query for the chosen offerings alone."""
    if filters.at is not None:
        query = with_availability(query, filters.availability, filters.at)
    if filters.region:
        codes = [code for code, each in centres.items() if each.region == filters.region]
        query = query.where(offering.c.centre.in_(codes))
    for column, wanted in (
        (offering.c.centre, filters.centre),
        (offering.c.modality, filters.modality),
        (offering.c.level, filters.level),
        (offering.c.code, filters.code),
    ):
        if wanted:
            query = query.where(column == wanted)
    query = query.where(*_priced_and_begun(filters))
    if filters.topic:
        query = query.where(tagged(Tag.TOPIC, filters.topic))
    if filters.language:
        query = query.where(
            or_(tagged(Tag.LANGUAGE, filters.language), tagged(Tag.LANGUAGE, filters.language, "-"))
        )
    return query.where(*holds_words(tx, filters.text))


def _priced_and_begun(filters: CatalogueFilters) -> Iterator[ColumnElement[bool]]:
    """What is free or paid, and begins between two days. What may be begun at any time fits all
    days."""
    free = or_(offering.c.price.is_(None), offering.c.price == Decimal(0))
    if filters.price:
        yield free if filters.price == FREE else not_(free)
    starts = offering.c.starts_at
    if filters.starts_from:
        yield or_(starts.is_(None), starts >= first_moment(date.fromisoformat(filters.starts_from)))
    if filters.starts_to:
        yield or_(starts.is_(None), starts <= last_moment(date.fromisoformat(filters.starts_to)))


def tagged(kind: Tag, value: str, then: str = "") -> ColumnElement[bool]:
    """Whether an offering has a tag; with ``then``, one that goes on after the value and this."""
    key = tag_key(value)
    is_it = (
        offering_tag.c.value.startswith(key + then, autoescape=True)
        if then
        else offering_tag.c.value == key
    )
    has = select(offering_tag.c.offering_id).where(offering_tag.c.kind == kind, is_it)
    return offering.c.id.in_(has)


_LISTED = and_(
    link.c.system == ACADEMY,
    link.c.kind == Kind.OFFERING,
    link.c.record_id == offering.c.id,
    HELD,
)
_COLUMNS = (
    offering.c.id,
    offering.c.code.label("offering_code"),
    link.c.held_document,
    *(centre.c[name] for name in ("code", "name", "region", "sample")),
)
WHOLE = frozenset(each.name for each in fields(Offering)) - {"listed"}
"""The fields of a whole acknowledged document."""


@dataclass(frozen=True, slots=True)
class PageFilters:
    """A visitor's filters; an empty text means everything."""

    region: str = ""
    centre: str = ""
    modality: str = ""
    level: str = ""
    text: str = ""
    availability: str = ""

    @property
    def any(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class ListedOffering:
    """One offering of the catalogue: its fields as the Academy acknowledged them."""

    code: str
    fields: Mapping[str, Json]
    centre: str
    centre_name: str
    region: str
    sample: bool

    @property
    def offering(self) -> Offering:
        """The offering that the fields are of."""
        return public_offering(self.code, self.centre, self.fields)


def count_listed(
    tx: Connection, filters: PageFilters | None = None, at: Moments | None = None
) -> int:
    """How many offerings the catalogue has, or how many of them are looked for."""
    found = _found(tx, select(func.count()), filters or PageFilters(), at)
    return tx.scalar(found) or 0


def listed(
    tx: Connection, filters: PageFilters, at: Moments, *, limit: int
) -> list[ListedOffering]:
    """Current and future offerings, the earliest first; then past ones, the latest first, if the
    visitor asks for them: a course that is over is not on offer."""
    over = availability(at.now, at.soon) == Availability.OVER
    coming_up = case((over, None), else_=offering.c.starts_at)
    rows = tx.execute(
        _found(tx, select(*_COLUMNS), filters, at)
        .order_by(
            case((over, 1), else_=0),
            coming_up.is_(None),
            coming_up,
            offering.c.starts_at.desc(),
            offering.c.id,
        )
        .limit(limit)
    ).all()
    return _listings(tx, rows)


def starting_soon(tx: Connection, now: datetime, most: int) -> list[ListedOffering]:
    """The next to start."""
    query = _found(tx, select(*_COLUMNS), PageFilters())
    query = query.where(IS_PUBLIC, offering.c.starts_at >= now)
    return _listings(tx, tx.execute(query.order_by(offering.c.starts_at).limit(most)).all())


def recently_published(tx: Connection, now: datetime, most: int) -> list[ListedOffering]:
    """What was public here last, without what is over."""
    query = _found(tx, select(*_COLUMNS), PageFilters())
    over = offering.c.ends_at <= now
    query = query.where(IS_PUBLIC, or_(offering.c.ends_at.is_(None), ~over))
    query = query.where(offering.c.published_at.is_not(None))
    newest = (offering.c.published_at.desc(), offering.c.id.desc())
    return _listings(tx, tx.execute(query.order_by(*newest).limit(most)).all())


def one_listed(tx: Connection, code: str) -> ListedOffering | None:
    """An offering of the catalogue by its code."""
    query = _found(tx, select(*_COLUMNS), PageFilters())
    return next(iter(_listings(tx, tx.execute(query.where(offering.c.code == code)).all())), None)


def listed_by_number(tx: Connection, numbers: Sequence[int]) -> dict[int, ListedOffering]:
    """{number: offering} of those that the catalogue holds, of at most a page."""
    rows = tx.execute(_BY_NUMBER, {"numbers": numbers}).all()
    return {row.id: each for row, each in zip(rows, _listings(tx, rows), strict=True)}


MOST_EDITIONS = 20


def other_dates(tx: Connection, one: ListedOffering) -> list[ListedOffering]:
    """Other offerings of an offering's course, as the course's code says: what is to come first."""
    course_code = one.offering.course_code
    if not course_code or course_code == one.code:
        return []
    query = _found(tx, select(*_COLUMNS), PageFilters())
    same = (offering.c.course_code == course_code, offering.c.code != one.code)
    query = query.where(offering.c.centre == one.centre, *same)
    newest = (offering.c.starts_at.is_(None), offering.c.starts_at.desc(), offering.c.id)
    return _listings(tx, tx.execute(query.order_by(*newest).limit(MOST_EDITIONS)).all())


def _found(
    tx: Connection, query: Select[Any], filters: PageFilters, at: Moments | None = None
) -> Select[Any]:
    query = _joined(query)
    for column, wanted in (
        (centre.c.region, filters.region),
        (centre.c.code, filters.centre),
        (offering.c.modality, filters.modality),
        (offering.c.level, filters.level),
    ):
        if wanted:
            query = query.where(column == wanted)
    query = query.where(*holds_words(tx, filters.text))
    return query if at is None else with_availability(query, filters.availability, at)


def _joined(query: Select[Any]) -> Select[Any]:
    query = query.select_from(link).join(offering, _LISTED)
    return query.join(centre, centre.c.code == offering.c.centre)


# Every page of the catalogue asks this: putting the question together takes longer than its answer.
_BY_NUMBER = _joined(select(*_COLUMNS)).where(
    offering.c.id.in_(bindparam("numbers", expanding=True))
)


def _listings(tx: Connection, rows: Sequence[Any]) -> list[ListedOffering]:
    """The acknowledged document decides. Where it is not whole (the target was seen to hold
    something else), the bridge's own record fills it up."""
    held = {row.id: row.held_document or {} for row in rows}
    records = offerings(tx, [id_ for id_, there in held.items() if WHOLE - there.keys()])
    for id_, record in records.items():
        held[id_] = {**document(record), **held[id_]}
    return [
        ListedOffering(row.offering_code, held[row.id], row.code, row.name, row.region, row.sample)
        for row in rows
    ]
