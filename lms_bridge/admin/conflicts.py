"""What other systems changed by themselves: what waits for a person, and what is
settled by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal_column, or_, select

from lms_bridge.admin.held import ListParams, Within, page_of
from lms_bridge.store.holds import PENDING
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import hold

_IS_CONFLICT: ColumnElement[bool] = literal_column("(item.action = 'conflict')")
"""The partial index's condition, written out: with a parameter in it the index is not used."""
_DECISION = (hold.c.status.label("hold_status"), hold.c.decided_by, hold.c.decided_at)


def open_conflicts(tx: Connection, of: ListParams) -> Sequence[Row[Any]]:
    """Those that a person has to decide about, the newest first. Rows: those of ``item``, and what
    became of its hold."""
    query = select(item, *_DECISION).join(hold, hold.c.id == item.c.hold_id)
    # Found as a whole, from the few holds that wait. A page would be looked for in all items.
    waiting = query.where(hold.c.status == PENDING).cte("waiting").prefix_with("MATERIALIZED")
    return tx.execute(page_of(select(waiting), waiting, waiting.c.centre, of)).all()


def settled_conflicts(tx: Connection, of: ListParams) -> Sequence[Row[Any]]:
    """Those that a person decided about, or the centre's policy. Rows: as above; without a hold
    the policy decided."""
    query = select(item, *_DECISION).outerjoin(hold, hold.c.id == item.c.hold_id)
    query = query.where(_IS_CONFLICT, or_(item.c.hold_id.is_(None), hold.c.status != PENDING))
    return tx.execute(page_of(query, item, item.c.centre, of)).all()


def count_open(tx: Connection, within: Within, centre: str = "") -> int:
    query: Select[Any] = select(func.count()).select_from(item)
    query = query.join(hold, hold.c.id == item.c.hold_id).where(hold.c.status == PENDING)
    if within is not None:
        query = query.where(hold.c.centre.in_(within))
    if centre:
        query = query.where(hold.c.centre == centre)
    return tx.scalar(query) or 0
