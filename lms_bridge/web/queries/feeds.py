"""What the feeds read from the store: entries of the public catalogue, page by page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from lms_bridge.domain.document import digest, document
from lms_bridge.domain.model import ACADEMY, Kind, Offering, OfferingStatus
from lms_bridge.domain.wanted import GONE
from lms_bridge.feeds.entry import Entry, Giver, public_offering
from lms_bridge.store.links import chunks
from lms_bridge.store.offerings import offerings
from lms_bridge.store.tables import EMPTY, centre, course, item, link, offering
from lms_bridge.store.target_links import PENDING
from lms_bridge.web.queries.asked import Asked, narrowed

PAGE = 500
_GONE_HASH = digest(GONE)
_WHOLE = {f.name for f in fields(Offering)} - {"listed"}
_OF_WITHDRAWN = frozenset(
    {"title", "status", "starts_at", "ends_at", "time_zone", "meetings", "location", "topics"}
)
"""What is still told of an offering that the catalogue no longer shows: enough to call it off, and
nothing that may have been written into it since."""
_AT_ACADEMY = and_(link.c.system == ACADEMY, link.c.kind == Kind.OFFERING)
_EVER_SHOWN = and_(_AT_ACADEMY, link.c.acknowledged != EMPTY)
_SHOWN = and_(_EVER_SHOWN, link.c.acknowledged != _GONE_HASH)
_SHOWN_OR_CANCELLED = and_(
    _EVER_SHOWN,
    or_(link.c.acknowledged != _GONE_HASH, offering.c.status == OfferingStatus.CANCELLED),
)
_TAKEN_IN = ("acknowledged", "found there", "left alone", "source wins")
"""States of items after which the Academy's catalogue shows something else than before."""


@dataclass(frozen=True, slots=True)
class State:
    """How new the catalogue is: ``mark`` changes with anything that the feeds show. ``at`` is when
    that last was; None while it is not certain, because the Academy has not acknowledged all."""

    at: datetime | None
    mark: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the order of changes."""

    changed_at: datetime
    record_id: int


def givers(tx: Connection) -> dict[str, Giver]:
    """{code: centre} of those of whom the catalogue shows anything, or ever did."""
    ever = and_(_EVER_SHOWN, link.c.record_id == offering.c.id)
    columns = (centre.c[name] for name in Giver.__slots__)
    rows = tx.execute(
        select(*columns).where(
            exists(offering.c.id).where(
                offering.c.centre == centre.c.code, exists(link.c.id).where(ever)
            )
        )
    )
    return {row.code: Giver(*row) for row in rows}


def state(tx: Connection, centres: Mapping[str, Giver]) -> State:
    """How new the catalogue is.

    What the feeds show becomes another when a record changes, and once more when the Academy
    acknowledges that: then it is no longer among those that wait.
    """
    changed = tx.scalar(select(func.max(offering.c.changed_at)))
    waiting = tx.execute(
        select(func.count(), func.sum(link.c.record_id)).where(
            link.c.centre.in_(list(centres)), _AT_ACADEMY, PENDING
        )
    ).one()
    shown = sorted((each.code, each.name, each.region, each.country) for each in centres.values())
    parts = [changed.isoformat() if changed else "", waiting[0], int(waiting[1] or 0), shown]
    return State(None if waiting[0] else changed, digest(parts).hex())


def numbers(
    tx: Connection,
    centres: Mapping[str, Giver],
    asked: Asked,
    *,
    after: int = 0,
    most: int,
    cancelled: bool = False,
) -> Sequence[int]:
    """The next numbers of what is asked for, in their order; with ``cancelled`` also of what was
    called off after it had been shown."""
    place = link.c.record_id
    query = narrowed(_joined(select(place)), centres, asked)
    # Both, or PostgreSQL merges the two from the first offering on.
    query = query.where(_shown(cancelled), place > after, offering.c.id > after)
    return tx.scalars(query.order_by(place).limit(most)).all()


def entries(
    tx: Connection,
    centres: Mapping[str, Giver],
    chosen: Collection[int],
    *,
    cancelled: bool = False,
) -> list[Entry]:
    """The entries with these numbers (at most a page), in their order, without those that are no
    longer shown."""
    place = link.c.record_id
    return _entries(
        tx, centres, _rows().where(_shown(cancelled), place.in_(chosen)).order_by(place)
    )


def entry(tx: Connection, centres: Mapping[str, Giver], code: str) -> Entry | None:
    """One entry by the offering's code."""
    found = entries(tx, centres, numbers(tx, centres, Asked(code=code), most=1))
    return next(iter(found), None)


def entries_with(
    tx: Connection, centres: Mapping[str, Giver], numbers: Collection[int]
) -> dict[int, Entry]:
    """{number: entry} of those that the catalogue shows."""
    found: dict[int, Entry] = {}
    for chunk in chunks(numbers):
        query = _rows().where(_SHOWN, link.c.record_id.in_(chunk))
        found.update((each.record_id, each) for each in _entries(tx, centres, query))
    return found


def changes(
    tx: Connection, centres: Mapping[str, Giver], asked: Asked, *, before: Place | None, most: int
) -> list[tuple[Place, Entry]]:
    """(place in the order, entry) of what the catalogue shows or ever showed, what changed last
    first. ``before`` is the place of the last one that was seen."""
    query = narrowed(_rows(), centres, asked).where(_EVER_SHOWN)
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
    found = _made(tx, centres, rows)
    places = (Place(row.changed_at, row.record_id) for row in rows)
    return list(zip(places, found, strict=True))


def part_starts(tx: Connection, size: int) -> Sequence[int]:
    """The number before which each part of so many entries begins; the first is 0."""
    place = func.row_number().over(order_by=link.c.record_id).label("place")
    placed = select(link.c.record_id, place).where(_SHOWN).subquery()
    rows = tx.scalars(
        select(placed.c.record_id).where(placed.c.place % size == 0).order_by(placed.c.record_id)
    )
    return [0, *rows]


def shown_rows(*columns: Any) -> Select[Any]:
    """A query of what the catalogue shows, over links, offerings and courses."""
    return _joined(select(*columns)).where(_SHOWN)


def _shown(cancelled: bool) -> ColumnElement[bool]:
    return _SHOWN_OR_CANCELLED if cancelled else _SHOWN


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


def _entries(tx: Connection, centres: Mapping[str, Giver], query: Select[Any]) -> list[Entry]:
    return _made(tx, centres, tx.execute(query).all())


def _taken_in(tx: Connection, numbers: Sequence[int]) -> dict[int, datetime]:
    """{number: when the Academy last took something in about it}"""
    found: dict[int, datetime] = {}
    for chunk in chunks(numbers):
        rows = tx.execute(
            select(item.c.record_id, func.max(item.c.at))
            .where(
                item.c.kind == Kind.OFFERING,
                item.c.record_id.in_(chunk),
                item.c.system == ACADEMY,
                item.c.state.in_(_TAKEN_IN),
            )
            .group_by(item.c.record_id)
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def _made(tx: Connection, centres: Mapping[str, Giver], rows: Sequence[Any]) -> list[Entry]:
    """The acknowledged document decides. Where it is not whole (the target was seen to hold
    something else, or holds nothing any more), the bridge's own record fills it up."""
    at = _taken_in(tx, [row.record_id for row in rows])
    partial = [row.record_id for row in rows if _WHOLE - (row.held_document or {}).keys()]
    records = offerings(tx, partial)
    made = []
    for row in rows:
        held, gone = row.held_document or {}, row.acknowledged == _GONE_HASH
        if row.record_id in records:
            held = {**document(records[row.record_id]), **held}
        if gone:
            held = {name: value for name, value in held.items() if name in _OF_WITHDRAWN}
        made.append(
            Entry(
                row.record_id,
                row.course_id or 0,
                public_offering(row.code, row.centre, held),
                centres.get(row.centre) or Giver(row.centre, row.centre, "", "", False),
                at.get(row.record_id, row.changed_at),
                gone,
            )
        )
    return made
