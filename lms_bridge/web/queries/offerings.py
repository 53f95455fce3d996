"""Offerings as the interface lists them: the catalogue, and one's own.

Pages go in the order of ids, each beginning after the last one's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, literal_column, select

from lms_bridge.domain.document import digest
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.wanted import GONE, PUBLIC
from lms_bridge.schemas.shown import ShownOfferingInList
from lms_bridge.store.tables import EMPTY, centre, link, offering, offering_tag
from lms_bridge.store.tags import Tag, tag_key
from lms_bridge.store.types import Utc
from lms_bridge.web.queries.interface import Asked, Reach, Rows

IN_LIST = tuple(ShownOfferingInList().fields)
"""Fields of an offering in a list, in the order of their schema."""


_SHOWN = and_(
    offering.c.listed,
    # Written out: parameters of a list are put together anew with every question.
    offering.c.status.in_([literal_column(f"'{word}'") for word in sorted(PUBLIC)]),
    # Asked of each offering that all else fits: PostgreSQL would make a join of an EXISTS, over
    # all links there are.
    select(link.c.id)
    .where(
        link.c.system == ACADEMY,
        link.c.kind == Kind.OFFERING,
        link.c.record_id == offering.c.id,
        link.c.acknowledged != EMPTY,
        link.c.acknowledged != digest(GONE),
    )
    .limit(1)
    .scalar_subquery()
    .is_not(None),
)
"""What the public may see: the Academy has acknowledged it, and it is still to be shown."""


def catalogue(tx: Connection, asked: Asked, after: int, most: int) -> Rows:
    """Offerings that the public may see. Each row: id, then the fields of a list's entry."""
    return _offerings(tx, asked, after, most, None, public=True)


def mine(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    """The same of all offerings within reach, whatever their status."""
    return _offerings(tx, asked, after, most, reach, public=False)


def state(tx: Connection) -> tuple[object, ...]:
    """Another value once anything that a list of offerings shows may have changed: every change
    of an offering tells its time, and what the Academy acknowledged leaves an item."""
    return tuple(tx.exec_driver_sql(_STATE).one())


_STATE = "SELECT (SELECT max(changed_at) FROM offering), (SELECT max(id) FROM item)"


def _offerings(
    tx: Connection, asked: Asked, after: int, most: int, reach: Reach, *, public: bool
) -> Rows:
    values = {name: asked[name] for name in _FILTERS if asked.get(name)}
    words = asked.get("text", "").split()[:8]
    query = _query(tuple(values), len(words), reach is not None, public)
    for name, value in values.items():
        values[name] = tag_key(value) if name in _TAGS else value
    values |= {f"word_{place}": _like(word) for place, word in enumerate(words)}
    if reach is not None:
        values["reach"] = list(reach)
    return tx.execute(query, {**values, "after": after, "most": most}).all()


_TAGS = {"topic": Tag.TOPIC, "language": Tag.LANGUAGE}
_FILTERS: Mapping[str, Any] = {
    **{
        name: offering.c[name] == bindparam(name, type_=offering.c[name].type)
        for name in ("centre", "modality", "level", "status")
    },
    # Not by an index on the centre: the rows would have to be sorted by their ids again.
    "region": offering.c.centre.concat("").in_(
        select(centre.c.code).where(centre.c.region == bindparam("region"))
    ),
    "starts_from": offering.c.starts_at >= bindparam("starts_from", type_=Utc()),
    "starts_to": offering.c.starts_at <= bindparam("starts_to", type_=Utc()),
    "modified_since": offering.c.changed_at >= bindparam("modified_since", type_=Utc()),
    **dict.fromkeys(_TAGS),
}


@lru_cache(maxsize=1000)
def _query(names: tuple[str, ...], words: int, within: bool, public: bool) -> Select[Any]:
    """Made once for each set of filters: making costs more than asking. The ids are found inside
    an index, and only the page's rows are then read: they are long."""
    where = [_FILTERS[name] for name in names if name not in _TAGS]
    if public:
        where.append(_SHOWN)
    if within:
        where.append(offering.c.centre.in_(bindparam("reach", expanding=True)))
    where.extend(
        func.lower(offering.c.title).like(bindparam(f"word_{place}"), escape="/")
        for place in range(words)
    )
    query = select(offering.c.id).where(*where)
    order: Any = offering.c.id
    for name in names:
        if name in _TAGS:
            tag = offering_tag.alias()
            query = query.join(tag, tag.c.offering_id == offering.c.id).where(
                tag.c.kind == _TAGS[name], tag.c.value == bindparam(name)
            )
            order = tag.c.offering_id
    found = query.where(order > bindparam("after")).order_by(order).limit(bindparam("most"))
    page = found.subquery()
    columns = (offering.c.id, *(offering.c[name] for name in IN_LIST))
    rows = select(*columns).join(page, page.c.id == offering.c.id)
    return rows.order_by(offering.c.id)


def _like(word: str) -> str:
    """The pattern of a word anywhere. SQLite folds the case of ASCII letters only."""
    escaped = word.lower()
    for mark in "/%_":
        escaped = escaped.replace(mark, f"/{mark}")
    return f"%{escaped}%"


def one_offering(tx: Connection, code: str) -> Row[Any] | None:
    """Row: id, revision, changed_at, and whether the public may see it."""
    shown = _SHOWN.label("shown")
    query = select(offering.c.id, offering.c.revision, offering.c.changed_at, shown)
    return tx.execute(query.where(offering.c.code == code)).first()
