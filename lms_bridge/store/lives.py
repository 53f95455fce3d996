"""Lives of offerings: whose status people keep in the bridge, since when, until what deadline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select

from lms_bridge.domain.model import OfferingStatus
from lms_bridge.store.links import chunks
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import offering, offering_life


@dataclass(frozen=True, slots=True)
class Life:
    """``deadline``: when silence counts as no objection; ``reason``: of the last objection,
    postponement or cancellation."""

    since: datetime
    deadline: datetime | None = None
    reason: str = ""


def lives(tx: Connection, offering_ids: Iterable[int]) -> dict[int, Life]:
    """{offering id: its life} of those that people have acted on."""
    found: dict[int, Life] = {}
    for chunk in chunks(offering_ids):
        rows = tx.execute(select(offering_life).where(offering_life.c.offering_id.in_(chunk)))
        found.update((row[0], Life(*row[1:])) for row in rows)
    return found


def is_kept(tx: Connection, code: str) -> bool:
    """Whether people have acted on the offering of that code."""
    mine = select(offering_life.c.offering_id).join(
        offering, offering.c.id == offering_life.c.offering_id
    )
    return tx.execute(mine.where(offering.c.code == code)).first() is not None


def keep(tx: Connection, offering_id: int, life: Life) -> None:
    row = {
        "offering_id": offering_id,
        "since": life.since,
        "deadline": life.deadline,
        "reason": life.reason[:1000],
    }
    upsert(tx, offering_life, [row], ["offering_id"], ["since", "deadline", "reason"])


def due(tx: Connection, now: datetime, centre: str) -> list[int]:
    """Ids of a centre's offerings whose status time alone may have changed."""
    moved = or_(
        and_(offering.c.status == OfferingStatus.SUBMITTED, offering_life.c.deadline <= now),
        and_(offering.c.status == OfferingStatus.PUBLISHED, offering.c.starts_at <= now),
        and_(offering.c.status == OfferingStatus.RUNNING, offering.c.ends_at <= now),
    )
    query = (
        select(offering.c.id)
        .join(offering_life, offering_life.c.offering_id == offering.c.id)
        .where(offering.c.centre == centre, moved)
        .order_by(offering.c.id)
    )
    return list(tx.scalars(query))
