"""What the audit has of what was decided outside the flows."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import select

from lms_bridge.audit import FLOWS, Subject
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item, run


class Act(NamedTuple):
    action: str
    by: tuple[str, str]  # by what, and by whom
    fields: dict[str, Any]  # {field: [before, after]}


def acts(database: Database, subject: Subject, number: int | None = None) -> list[Act]:
    """What became of something, in the order in which it did."""
    query = (
        select(
            item, run.c.trigger, run.c.requested_by, run.c.status, run.c.finished_at, run.c.flows
        )
        .join(run, run.c.id == item.c.run_id)
        .where(item.c.kind == str(subject))
        .order_by(item.c.id)
    )
    if number is not None:
        query = query.where(item.c.record_id == number)
    with database.reading() as tx:
        rows = tx.execute(query).all()
    assert all(row.status == "done" and row.finished_at for row in rows)
    assert {row.flows for row in rows} <= {subject.flow}
    return [Act(row.action, (row.trigger, row.requested_by), row.fields) for row in rows]


def all_that_is_kept(database: Database) -> str:
    with database.reading() as tx:
        runs = tx.execute(select(run).where(run.c.flows.in_(FLOWS))).all()
        return repr([*runs, *tx.execute(select(item)).all()])
