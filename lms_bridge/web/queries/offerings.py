"""Offerings as the interface lists them: the catalogue, and one's own.

Pages go in the order of ids, each beginning after the last one's end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)

from lms_bridge.domain.document import digest
from lms_bridge.domain.wanted import GONE, PUBLIC
from lms_bridge.store.api_tables import offering_in_list
from lms_bridge.store.database import Database
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import (
    EMPTY,
    OFFERING_AT_ACADEMY,
    centre,
    link,
    offering,
    offering_tag,
)
from lms_bridge.store.tags import Tag, tag_key
from lms_bridge.store.types import Utc
from lms_bridge.web.queries.interface import Asked, Reach

Found = Sequence[tuple[int, str]]
"""A page: (id, the offering as JSON) of each, in the order of ids."""
_BETWEEN = "\x1f"
"""Is in no JSON as it stands."""

_SHOWN = and_(
    offering.c.listed,
    # Written out: parameters of a list are put together anew with every question.
    offering.c.status.in_([literal_column(f"'{word}'") for word in sorted(PUBLIC)]),
    # Asked of each offering that all else fits: PostgreSQL would make a join of an EXISTS, over
    # all links there are.
    select(link.c.acknowledged)
    .where(
        literal_column(OFFERING_AT_ACADEMY),
        link.c.record_id == offering.c.id,
        link.c.acknowledged != EMPTY,
        link.c.acknowledged != digest(GONE),
    )
    .scalar_subquery()
    .is_not(None),
)
"""What the public may see: the Academy has acknowledged it, and it is still to be shown."""


def catalogue(database: Database, asked: Asked, after: int, most: int) -> Found:
    """Offerings that the public may see."""
    names, words = _filters(asked), _words(asked)
    values = _values(asked, names, words, after, most)
    query = _public(names, len(words), database.dialect.name)
    return _found(database.at_once(query, values, writing=False))


def mine(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Found:
    """All offerings within reach, whatever their status."""
    names, words = _filters(asked), _words(asked)
    values = _values(asked, names, words, after, most)
    if reach is not None:
        values["reach"] = list(reach)
    where = [] if reach is None else [offering.c.centre.in_(bindparam("reach", expanding=True))]
    return _found(tx.execute(_query(names, len(words), tx.dialect.name, where), values).first())


def _filters(asked: Asked) -> tuple[str, ...]:
    return tuple(name for name in _FILTERS if asked.get(name))


def _words(asked: Asked) -> list[str]:
    return list(asked.get("text", "").split()[:8])


def _values(
    asked: Asked, names: Sequence[str], words: Sequence[str], after: int, most: int
) -> dict[str, Any]:
    values = {name: tag_key(asked[name]) if name in _TAGS else asked[name] for name in names}
    values |= {f"word_{place}": _like(word) for place, word in enumerate(words)}
    return {**values, "after": after, "most": most}


_CENTRES = select(centre.c.code).where(centre.c.region == bindparam("region"))
_IN_REGION = {
    # Not by an index on the centre: the rows would have to be sorted by their ids again.
    "sqlite": offering.c.centre.concat(literal_column("''")).in_(_CENTRES),
    # Of an IN it would make a join, which it asks last.
    "postgresql": offering.c.centre
    == any_(func.array(_CENTRES.scalar_subquery(), type_=ARRAY(String))),
}
_JOINED: Mapping[str, Any] = {"sqlite": func.group_concat, "postgresql": func.string_agg}
_TAGS = {"topic": Tag.TOPIC, "language": Tag.LANGUAGE}
_FILTERS: Mapping[str, Any] = {
    **{
        name: offering.c[name] == bindparam(name, type_=offering.c[name].type)
        for name in ("centre", "modality", "level", "status")
    },
    "region": None,
    "starts_from": offering.c.starts_at >= bindparam("starts_from", type_=Utc()),
    "starts_to": offering.c.starts_at <= bindparam("starts_to", type_=Utc()),
    "modified_since": offering.c.changed_at >= bindparam("modified_since", type_=Utc()),
    **dict.fromkeys(_TAGS),
}


@lru_cache(maxsize=1000)
def _public(names: tuple[str, ...], words: int, dialect: str) -> Prepared:
    """Made once for each set of filters: making costs more than asking."""
    return Prepared(_query(names, words, dialect, [_SHOWN]))


def _query(
    names: Sequence[str], words: int, dialect: str, where: Sequence[ColumnElement[bool]]
) -> Select[str, str]:
    """The ids are found inside an index, and only what is shown of the page's is then read."""
    filters = {**_FILTERS, "region": _IN_REGION[dialect]}
    query = select(offering.c.id).where(
        *(filters[name] for name in names if name not in _TAGS),
        *where,
        *(
            func.lower(offering.c.title).like(bindparam(f"word_{place}"), escape="/")
            for place in range(words)
        ),
    )
    begun = [offering.c.id > bindparam("after")]
    order: Any = offering.c.id
    for name in names:
        if name in _TAGS:
            tag = offering_tag.alias()
            query = query.join(tag, tag.c.offering_id == offering.c.id).where(
                tag.c.kind == _TAGS[name], tag.c.value == bindparam(name)
            )
            order = tag.c.offering_id
            # Said of either: PostgreSQL may go through both from their beginnings.
            begun.append(order > bindparam("after"))
    found = query.where(*begun).order_by(order).limit(bindparam("most"))
    page = found.subquery()
    there = offering_in_list.c.offering_id
    joined = _JOINED[dialect]
    ids = joined(cast(there, String), literal_column("','"), type_=String)
    shown = joined(offering_in_list.c.shown, literal_column(f"'{_BETWEEN}'"), type_=String)
    return select(ids, shown).select_from(offering_in_list).join(page, page.c.id == there)


def _found(row: Sequence[Any] | None) -> Found:
    """The page of the one row that holds it: each row of SQLite's would be a turn at Python's lock,
    which threads hand around. Joined in whatever order."""
    if row is None or row[0] is None:
        return []
    return sorted(zip(map(int, row[0].split(",")), row[1].split(_BETWEEN), strict=True))


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
