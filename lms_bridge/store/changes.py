"""Changes of which no webhook was told yet: written with the change, in its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, literal, select

from lms_bridge.domain.model import Kind
from lms_bridge.domain.wanted import PUBLIC
from lms_bridge.store.api_tables import untold_change, webhook
from lms_bridge.store.links import chunks
from lms_bridge.store.tables import offering

_IS_SHOWN = offering.c.listed & offering.c.status.in_(sorted(PUBLIC))
_LISTENED = select(webhook.c.id).where(webhook.c.active).limit(1)
_NAMES = ["kind", "record_id", "was_shown"]


def note_new(tx: Connection, kind: Kind, ids: Sequence[int]) -> None:
    """Records that were added, or changed where what they were before does not matter."""
    if ids and tx.execute(_LISTENED).first() is not None:
        tx.execute(
            insert(untold_change),
            [{"kind": kind, "record_id": id_, "was_shown": False} for id_ in ids],
        )


def note_changing(tx: Connection, offering_ids: Iterable[int]) -> None:
    """Offerings that are about to change: whether the catalogue shows them is kept."""
    if tx.execute(_LISTENED).first() is None:
        return
    for chunk in chunks(offering_ids):
        now = select(literal(str(Kind.OFFERING)), offering.c.id, _IS_SHOWN)
        tx.execute(insert(untold_change).from_select(_NAMES, now.where(offering.c.id.in_(chunk))))


def any_untold(tx: Connection) -> bool:
    return tx.execute(select(untold_change.c.id).limit(1)).first() is not None


def take(tx: Connection, most: int) -> dict[Kind, dict[int, bool]]:
    """Up to so many records that changed, {kind: {record id: whether the catalogue showed it}},
    which are told of from then on. Of several changes of one record the first one counts."""
    first = select(untold_change.c.kind, untold_change.c.record_id)
    waiting: dict[str, set[int]] = {}
    for kind, record_id in tx.execute(first.order_by(untold_change.c.id).limit(most)):
        waiting.setdefault(kind, set()).add(record_id)
    taken: dict[Kind, dict[int, bool]] = {}
    for kind, ids in waiting.items():
        rows: list[Row[Any]] = []
        for chunk in chunks(ids):
            # What is deleted is mine: another process gets none of these rows.
            mine = delete(untold_change).where(
                untold_change.c.kind == kind, untold_change.c.record_id.in_(chunk)
            )
            rows += tx.execute(mine.returning(*untold_change.c)).all()
        found = taken.setdefault(Kind(kind), {})
        for row in sorted(rows, key=lambda row: row.id):
            found.setdefault(row.record_id, row.was_shown)
    return taken
