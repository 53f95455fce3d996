"""Lives of offerings: whose status people keep in the bridge, since when, until what deadline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, Connection, and_, bindparam, or_, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import OfferingStatus
from lms_bridge.store.bulk import upsert
from lms_bridge.store.tables import kept_status, offering


@dataclass(frozen=True, slots=True)
class KeptStatus:
    """``deadline``: when silence counts as no objection; ``reason``: of the last objection,
    postponement or cancellation."""

    since: datetime
    deadline: datetime | None = None
    reason: str = ""


def kept_statuses(tx: Connection, offering_ids: Iterable[int]) -> dict[int, KeptStatus]:
    """{offering id: its life} of those that people have acted on."""
    found: dict[int, KeptStatus] = {}
    for chunk in chunks(offering_ids):
        rows = tx.execute(select(kept_status).where(kept_status.c.offering_id.in_(chunk)))
        found.update((row[0], KeptStatus(*row[1:])) for row in rows)
    return found


def is_kept(tx: Connection, code: str) -> bool:
    """Whether people have acted on the offering of that code."""
    mine = select(kept_status.c.offering_id).join(
        offering, offering.c.id == kept_status.c.offering_id
    )
    return tx.execute(mine.where(offering.c.code == code)).first() is not None


def keep(tx: Connection, offering_id: int, life: KeptStatus) -> None:
    row = {
        "offering_id": offering_id,
        "since": life.since,
        "deadline": life.deadline,
        "reason": life.reason[:1000],
    }
    upsert(tx, kept_status, [row], ["offering_id"], ["since", "deadline", "reason"])


_NOW: BindParameter[datetime] = bindparam("now")
_MOVED = or_(
    and_(offering.c.status == OfferingStatus.SUBMITTED, kept_status.c.deadline <= _NOW),
    and_(offering.c.status == OfferingStatus.PUBLISHED, offering.c.starts_at <= _NOW),
    and_(offering.c.status == OfferingStatus.RUNNING, offering.c.ends_at <= _NOW),
)
_DUE = (
    select(offering.c.id)
    .outerjoin(kept_status, kept_status.c.offering_id == offering.c.id)
    .where(offering.c.centre == bindparam("of_centre"), _MOVED)
    .order_by(offering.c.id)
    .limit(bindparam("most"))
)
"""Built once, because each run asks, and building costs more than the query."""


def due(tx: Connection, now: datetime, centre: str, most: int) -> list[int]:
    """Ids of a centre's offerings whose status time alone has changed, whoever published them."""
    return list(tx.scalars(_DUE, {"of_centre": centre, "now": now, "most": most}))
