"""Lists of runs, the newest first. A year has millions, so each page is a few steps into an index,
whatever is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, literal_column, select, union_all

from lms_bridge.domain.batches import chunks
from lms_bridge.store.run_tables import IS_DECISION_RUN, run

Rows = Sequence[Row[Any]]
Where = Sequence[ColumnElement[bool]]
IS_DECISION: ColumnElement[bool] = literal_column(f"(run.{IS_DECISION_RUN})")
"""The partial index's condition, written out: with parameters in it the index is not used."""


def newest_runs(
    tx: Connection,
    where: Where = (),
    *,
    centres: Sequence[str] | None = None,
    before: int = 0,
    most: int,
) -> Rows:
    """Runs of these centres (None: of all, and of none), with ``before`` only those older than this
    number."""
    where = [*where, run.c.id < before] if before else where
    newest = select(run.c.id).where(*where).order_by(run.c.id.desc()).limit(most)
    if centres is not None:
        if not centres:
            return []
        of_each = [newest.where(run.c.centre == code) for code in centres]
        newest = of_each[0] if len(of_each) == 1 else _newest_of(of_each, most)
    # Numbers alone are in the index. What a run counted is read of those that are shown.
    return runs_among(tx, list(tx.scalars(newest)), most=most)


def _newest_of(of_each: Sequence[Select[int]], most: int) -> Select[int]:
    """A step into the index for each centre: of an IN, all runs of these would be sorted."""
    each = union_all(*(select(part.subquery().c.id) for part in of_each)).subquery()
    return select(each.c.id).order_by(each.c.id.desc()).limit(most)


def runs_among(tx: Connection, ids: Sequence[int], where: Where = (), *, most: int) -> Rows:
    """Those of some runs, the newest first, of which this holds. ``ids`` begin with the newest."""
    found: list[Row[Any]] = []
    for chunk in chunks(ids):
        query = select(run).where(run.c.id.in_(chunk), *where).order_by(run.c.id.desc())
        found += tx.execute(query.limit(most - len(found)))
        if len(found) >= most:
            break
    return found
