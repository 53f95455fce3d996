"""The public catalogue: what the Academy acknowledged, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from lms_bridge.domain.document import Json, digest, document
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.wanted import GONE
from lms_bridge.store.offerings import offerings
from lms_bridge.store.tables import EMPTY, centre, link, offering

_GONE_HASH = digest(GONE)
_SHOWN = and_(
    link.c.system == ACADEMY,
    link.c.kind == Kind.OFFERING,
    link.c.record_id == offering.c.id,
    link.c.acknowledged != EMPTY,
    link.c.acknowledged != _GONE_HASH,
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a visitor looks for; an empty text asks for everything."""

    region: str = ""
    centre: str = ""
    modality: str = ""
    level: str = ""
    text: str = ""

    @property
    def any(self) -> bool:
        return bool(self.region or self.centre or self.modality or self.level or self.text)


@dataclass(frozen=True, slots=True)
class Listing:
    """One offering of the catalogue: its fields as the Academy acknowledged them."""

    code: str
    fields: Mapping[str, Json]
    centre_name: str
    region: str
    sample: bool


def count_listed(tx: Connection, filters: Filters | None = None) -> int:
    """How many offerings the catalogue has, or how many of them are looked for."""
    found = _found(select(func.count()), filters or Filters())
    return tx.scalar(found) or 0


def listed(
    tx: Connection, filters: Filters, now: datetime, *, limit: int, offset: int
) -> list[Listing]:
    """What is yet to come or going on, the earliest first; then what is over, the latest first."""
    over = and_(offering.c.ends_at.is_not(None), offering.c.ends_at < now)
    coming_up = case((over, None), else_=offering.c.starts_at)
    rows = tx.execute(
        _found(select(offering.c.id, link.c.held_document, centre), filters)
        .order_by(
            case((over, 1), else_=0),
            coming_up.is_(None),
            coming_up,
            offering.c.starts_at.desc(),
            offering.c.id,
        )
        .limit(limit)
        .offset(offset)
    ).all()
    return _listings(tx, rows)


def one_listed(tx: Connection, code: str) -> Listing | None:
    """An offering of the catalogue by its code."""
    query = _found(select(offering.c.id, link.c.held_document, centre), Filters())
    return next(iter(_listings(tx, tx.execute(query.where(offering.c.code == code)).all())), None)


def centres_with_offerings(tx: Connection) -> dict[str, str]:
    """{code: name} of the centres that the catalogue holds anything of."""
    query = _found(select(centre.c.code, centre.c.name).distinct(), Filters())
    return {row.code: row.name for row in tx.execute(query.order_by(centre.c.name))}


def _found(query: Select[Any], filters: Filters) -> Select[Any]:
    query = query.select_from(link).join(offering, _SHOWN)
    query = query.join(centre, centre.c.code == offering.c.centre)
    for column, wanted in (
        (centre.c.region, filters.region),
        (centre.c.code, filters.centre),
        (offering.c.modality, filters.modality),
        (offering.c.level, filters.level),
    ):
        if wanted:
            query = query.where(column == wanted)
    for word in filters.text.split()[:8]:
        query = query.where(holds_word(word))
    return query


def holds_word(word: str) -> Any:
    """Whether an offering has a word in its title, its course's code or its place."""
    # SQLite folds the case of ASCII letters only: the usual spellings cover the other scripts.
    spellings = {word, word.lower(), word.upper(), word.capitalize()}
    places = (offering.c.title, offering.c.course_code, offering.c.location)
    return or_(
        *(
            place.icontains(spelling, autoescape=True)
            for place in places
            for spelling in sorted(spellings)
        )
    )


def _listings(tx: Connection, rows: Sequence[Any]) -> list[Listing]:
    """The acknowledged document decides. Where it is not whole (the target was seen to hold
    something else), the bridge's own record fills it up."""
    records = offerings(tx, [row.id for row in rows])
    return [
        Listing(
            records[row.id].code,
            {**document(records[row.id]), **(row.held_document or {})},
            row.name,
            row.region,
            row.sample,
        )
        for row in rows
    ]
