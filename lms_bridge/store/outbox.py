"""Changes that wait for delivery to webhooks, written in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, literal, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.events import Event
from lms_bridge.domain.model import Kind
from lms_bridge.store.api_tables import outbox_entry, outbox_notice, webhook
from lms_bridge.store.tables import IN_CATALOGUE, offering

_LISTENED = select(webhook.c.id).where(webhook.c.active).limit(1)
_NAMES = ["kind", "record_id", "was_shown"]


def add_new(tx: Connection, kind: Kind, ids: Sequence[int]) -> None:
    """Records that were added, or changed where what they were before does not matter."""
    if ids and tx.execute(_LISTENED).first() is not None:
        tx.execute(
            insert(outbox_entry),
            [{"kind": kind, "record_id": id_, "was_shown": False} for id_ in ids],
        )


def add_changing(tx: Connection, offering_ids: Iterable[int]) -> None:
    """Offerings that are about to change: whether the catalogue shows them is kept."""
    if tx.execute(_LISTENED).first() is None:
        return
    for chunk in chunks(offering_ids):
        now = select(literal(str(Kind.OFFERING)), offering.c.id, IN_CATALOGUE)
        tx.execute(insert(outbox_entry).from_select(_NAMES, now.where(offering.c.id.in_(chunk))))


def add_notice(tx: Connection, event: Event, centre: str, at: datetime, **data: object) -> None:
    """What happened at a centre ("": at the Academy), in the transaction that made it happen."""
    if tx.execute(_LISTENED).first() is not None:
        data["centre"] = centre
        row = {"event": event, "centre": centre, "data": data, "at": at}
        tx.execute(insert(outbox_notice).values(row))


def any_entries(tx: Connection) -> bool:
    both = (select(table.c.id).limit(1) for table in (outbox_entry, outbox_notice))
    return any(tx.execute(query).first() is not None for query in both)


def take_notices(tx: Connection, most: int) -> Sequence[Row[Any]]:
    """Up to so many notices, in their order, which are sent from then on."""
    first = select(outbox_notice.c.id).order_by(outbox_notice.c.id).limit(most)
    mine = delete(outbox_notice).where(outbox_notice.c.id.in_(first))
    rows = tx.execute(mine.returning(*outbox_notice.c)).all()
    return sorted(rows, key=lambda row: row.id)


def take_entries(tx: Connection, most: int) -> dict[Kind, dict[int, bool]]:
    """Up to so many records that changed, {kind: {record id: whether the catalogue showed it}},
    whose changes are sent from then on. Of several changes of one record the first one counts."""
    first = select(outbox_entry.c.kind, outbox_entry.c.record_id)
    waiting: dict[str, set[int]] = {}
    for kind, record_id in tx.execute(first.order_by(outbox_entry.c.id).limit(most)):
        waiting.setdefault(kind, set()).add(record_id)
    taken: dict[Kind, dict[int, bool]] = {}
    for kind, ids in waiting.items():
        rows: list[Row[Any]] = []
        for chunk in chunks(ids):
            # What is deleted is mine: another process gets none of these rows.
            mine = delete(outbox_entry).where(
                outbox_entry.c.kind == kind, outbox_entry.c.record_id.in_(chunk)
            )
            rows += tx.execute(mine.returning(*outbox_entry.c)).all()
        found = taken.setdefault(Kind(kind), {})
        for row in sorted(rows, key=lambda row: row.id):
            found.setdefault(row.record_id, row.was_shown)
    return taken
