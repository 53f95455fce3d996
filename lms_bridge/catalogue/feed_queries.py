"""Queries of the feeds: entries page by page, with no connection held between pages."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, or_, select

from lms_bridge.catalogue.entry import CatalogueEntry, Provider, public_offering
from lms_bridge.catalogue.queries import EVERYTHING, WHOLE, CatalogueFilters, narrowed
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import GONE_HASH
from lms_bridge.domain.document import digest, document
from lms_bridge.domain.model import ACADEMY, Kind, OfferingStatus
from lms_bridge.store.database import Database
from lms_bridge.store.offerings import offerings
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import EMPTY, HELD, centre, course, link, offering
from lms_bridge.store.target_links import PENDING

PAGE = 500
_OF_WITHDRAWN = frozenset(
    {"title", "status", "starts_at", "ends_at", "time_zone", "meetings", "location", "topics"}
)
"""The fields of an offering that the catalogue no longer shows: enough to cancel it, and
nothing that may have been written into it since."""
_AT_ACADEMY = and_(link.c.system == ACADEMY, link.c.kind == Kind.OFFERING)
_EVER_LISTED = and_(_AT_ACADEMY, link.c.acknowledged != EMPTY)
_LISTED = and_(_AT_ACADEMY, HELD)
_LISTED_OR_CANCELLED = and_(
    _EVER_LISTED,
    or_(link.c.acknowledged != GONE_HASH, offering.c.status == OfferingStatus.CANCELLED),
)
_ACKNOWLEDGED = ("acknowledged", "found there", "left alone", "source wins")
"""States of items after which the Academy's catalogue shows something else than before."""


@dataclass(frozen=True, slots=True)
class CatalogueState:
    """How new the catalogue is: ``mark`` changes with anything that the feeds show. ``at`` is when
    that last was; None while it is not certain, because the Academy has not acknowledged all."""

    at: datetime | None
    mark: str


@dataclass(frozen=True, slots=True)
class ChangePlace:
    """Where an entry stands in the order of changes."""

    changed_at: datetime
    record_id: int


def providers(tx: Connection) -> dict[str, Provider]:
    """{code: centre} of the centres with offerings in the catalogue, now or earlier."""
    ever = and_(_EVER_LISTED, link.c.record_id == offering.c.id)
    columns = (centre.c[name] for name in Provider.__slots__)
    rows = tx.execute(
        select(*columns).where(
            exists(offering.c.id).where(
                offering.c.centre == centre.c.code, exists(link.c.id).where(ever)
            )
        )
    )
    return {row.code: Provider(*row) for row in rows}


def state(
    tx: Connection, centres: Mapping[str, Provider], filters: CatalogueFilters | None = None
) -> CatalogueState:
    """How new the catalogue is; with filters, what they choose of it by its availability, too.

    The feeds change when a record changes, and again when the Academy acknowledges the change.
    """
    changed = tx.scalar(select(func.max(offering.c.changed_at)))
    waiting = tx.execute(
        select(func.count(), func.sum(link.c.record_id)).where(
            link.c.centre.in_(list(centres)), _AT_ACADEMY, PENDING
        )
    ).one()
    shown = sorted((each.code, each.name, each.region, each.country) for each in centres.values())
    turned = None if filters is None else _turned(tx, filters)
    newest = max((each for each in (changed, turned) if each), default=None)
    parts = [newest.isoformat() if newest else "", waiting[0], int(waiting[1] or 0), shown]
    return CatalogueState(None if waiting[0] else newest, digest(parts).hex())


def _turned(tx: Connection, filters: CatalogueFilters) -> datetime | None:
    """When time alone last changed what the filters choose."""
    at, named = filters.at, offering.c
    if at is None or filters.availability == EVERYTHING:
        return None
    lead = at.soon - at.now
    passed = [(named.ends_at, at.now, lead * 0)]
    soon = []
    if filters.availability:  # without one, only the end of a course counts
        begins = (named.starts_at, named.registration_opens, named.registration_closes)
        passed += [(column, at.now, lead * 0) for column in begins]
        closes = (named.starts_at, named.ends_at, named.registration_closes)
        soon = [(column, at.soon, lead) for column in closes]
    watched = [*passed, *soon]
    row = tx.execute(select(*(func.max(case((c <= until, c))) for c, until, _ in watched))).one()
    moments = (
        each - before for each, (_, _, before) in zip(row, watched, strict=True) if each is not None
    )
    return max(moments, default=None)


def numbers(
    tx: Connection,
    centres: Mapping[str, Provider],
    filters: CatalogueFilters,
    *,
    after: int = 0,
    most: int,
    cancelled: bool = False,
) -> Sequence[int]:
    """The next numbers of the chosen offerings, in order; with ``cancelled`` also of what was
    called off after it had been shown."""
    place = link.c.record_id
    query = narrowed(tx, _joined(select(place)), centres, filters)
    # Both, or PostgreSQL merges the two from the first offering on.
    query = query.where(_condition(cancelled), place > after, offering.c.id > after)
    return tx.scalars(query.order_by(place).limit(most)).all()


def entries(
    tx: Connection,
    centres: Mapping[str, Provider],
    chosen: Collection[int],
    *,
    cancelled: bool = False,
) -> list[CatalogueEntry]:
    """The entries with these numbers (at most a page), in their order, without those that are no
    longer shown."""
    place = link.c.record_id
    return _entries(
        tx, centres, _rows().where(_condition(cancelled), place.in_(chosen)).order_by(place)
    )


def entry(tx: Connection, centres: Mapping[str, Provider], code: str) -> CatalogueEntry | None:
    """One entry by the offering's code."""
    found = entries(tx, centres, numbers(tx, centres, CatalogueFilters(code=code), most=1))
    return next(iter(found), None)


def entries_with(
    tx: Connection, centres: Mapping[str, Provider], numbers: Collection[int]
) -> dict[int, CatalogueEntry]:
    """{number: entry} of those that the catalogue shows."""
    found: dict[int, CatalogueEntry] = {}
    for chunk in chunks(numbers):
        query = _rows().where(_LISTED, link.c.record_id.in_(chunk))
        found.update((each.record_id, each) for each in _entries(tx, centres, query))
    return found


def changes(
    tx: Connection,
    centres: Mapping[str, Provider],
    filters: CatalogueFilters,
    *,
    before: ChangePlace | None,
    most: int,
) -> list[tuple[ChangePlace, CatalogueEntry]]:
    """(place in the order, entry) of what the catalogue shows or ever showed, what changed last
    first. ``before`` is the place of the last one that was seen."""
    query = narrowed(tx, _rows(), centres, filters).where(_EVER_LISTED)
    if before is not None:
        query = query.where(
            or_(
                offering.c.changed_at < before.changed_at,
                and_(offering.c.changed_at == before.changed_at, offering.c.id < before.record_id),
            )
        )
    rows = tx.execute(
        query.order_by(offering.c.changed_at.desc(), offering.c.id.desc()).limit(most)
    ).all()
    found = _entries_of(tx, centres, rows)
    places = (ChangePlace(row.changed_at, row.record_id) for row in rows)
    return list(zip(places, found, strict=True))


def part_starts(tx: Connection, size: int) -> Sequence[int]:
    """The number before which each part of so many entries begins; the first is 0."""
    place = func.row_number().over(order_by=link.c.record_id).label("place")
    placed = select(link.c.record_id, place).where(_LISTED).subquery()
    rows = tx.scalars(
        select(placed.c.record_id).where(placed.c.place % size == 0).order_by(placed.c.record_id)
    )
    return [0, *rows]


def listed_rows(*columns: Any) -> Select[Any]:
    """A query of what the catalogue shows, over links, offerings and courses."""
    return _joined(select(*columns)).where(_LISTED)


def _condition(cancelled: bool) -> ColumnElement[bool]:
    return _LISTED_OR_CANCELLED if cancelled else _LISTED


def _rows(*more: Any) -> Select[Any]:
    return _joined(
        select(
            link.c.record_id,
            link.c.acknowledged,
            link.c.held_document,
            offering.c.code,
            offering.c.centre,
            offering.c.changed_at,
            course.c.id.label("course_id"),
            *more,
        )
    )


def _joined(query: Select[Any]) -> Select[Any]:
    return (
        query.select_from(link)
        .join(offering, offering.c.id == link.c.record_id)
        .outerjoin(
            course,
            and_(course.c.centre == offering.c.centre, course.c.code == offering.c.course_code),
        )
    )


def _entries(
    tx: Connection, centres: Mapping[str, Provider], query: Select[Any]
) -> list[CatalogueEntry]:
    return _entries_of(tx, centres, tx.execute(query).all())


def _acknowledged_at(tx: Connection, numbers: Sequence[int]) -> dict[int, datetime]:
    """{number: when the Academy last took something in about it}"""
    found: dict[int, datetime] = {}
    for chunk in chunks(numbers):
        rows = tx.execute(
            select(item.c.record_id, func.max(item.c.at))
            .where(
                item.c.kind == Kind.OFFERING,
                item.c.record_id.in_(chunk),
                item.c.system == ACADEMY,
                item.c.state.in_(_ACKNOWLEDGED),
            )
            .group_by(item.c.record_id)
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def _entries_of(
    tx: Connection, centres: Mapping[str, Provider], rows: Sequence[Any]
) -> list[CatalogueEntry]:
    """The acknowledged document decides. Where it is not whole (the target was seen to hold
    something else, or holds nothing any more), the bridge's own record fills it up."""
    at = _acknowledged_at(tx, [row.record_id for row in rows])
    partial = [row.record_id for row in rows if WHOLE - (row.held_document or {}).keys()]
    records = offerings(tx, partial)
    made = []
    for row in rows:
        held, gone = row.held_document or {}, row.acknowledged == GONE_HASH
        if row.record_id in records:
            held = {**document(records[row.record_id]), **held}
        if gone:
            held = {name: value for name, value in held.items() if name in _OF_WITHDRAWN}
        made.append(
            CatalogueEntry(
                row.record_id,
                row.course_id or 0,
                public_offering(row.code, row.centre, held),
                centres.get(row.centre) or Provider(row.centre, row.centre, "", "", False),
                at.get(row.record_id, row.changed_at),
                gone,
            )
        )
    return made


AHEAD = 10_000
"""Numbers that are read at once."""
_BLOCK = 64 * 1024


def all_entries(
    database: Database,
    centres: Mapping[str, Provider],
    filters: CatalogueFilters,
    *,
    after: int = 0,
    most: int = 0,
    cancelled: bool = False,
) -> Iterator[CatalogueEntry]:
    """The chosen entries after a number, at most ``most``.

    Each page has its own short transaction, so a slow reader holds no connection. Pages follow the
    numbers of records, so changes in the meantime lose or double none. Numbers are read for many
    pages at once, because some filters read the whole catalogue. The first page is read at once, so
    that an error of the database comes before the response begins."""
    pages = _pages(
        database, centres, _numbers(database, centres, filters, after, most, cancelled), cancelled
    )
    return chain.from_iterable(chain([next(pages, [])], pages))


def _pages(
    database: Database,
    centres: Mapping[str, Provider],
    chosen: Iterable[list[int]],
    cancelled: bool,
) -> Iterator[list[CatalogueEntry]]:
    for numbers in chosen:
        with database.reading() as tx:
            page = entries(tx, centres, numbers, cancelled=cancelled)
        yield page


def _numbers(
    database: Database,
    centres: Mapping[str, Provider],
    filters: CatalogueFilters,
    after: int,
    most: int,
    cancelled: bool,
) -> Iterator[list[int]]:
    """The numbers of one page after the other."""
    left = most
    while True:
        size = min(AHEAD, left) if most else AHEAD
        with database.reading() as tx:
            found = numbers(tx, centres, filters, after=after, most=size, cancelled=cancelled)
        yield from chunks(found, PAGE)
        left -= len(found)
        if len(found) < size or (most and left <= 0):
            return
        after = found[-1]


def in_blocks(pieces: Iterable[bytes]) -> Generator[bytes]:
    """The same bytes in fewer pieces: each costs the server a call."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
