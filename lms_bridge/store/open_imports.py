"""Imports in parts: what they added stays hidden until all of it is there.

New enrolments carry the number of their import. As long as its row is there and not ``shown``,
readers leave them out (``tables.IS_SHOWN``). One short transaction shows all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind
from lms_bridge.store import outbox
from lms_bridge.store.tables import enrolment, open_import


def begin(tx: Connection, import_id: int, centre: str, system: str) -> None:
    """Notes that an import begins. Its enrolments have ids above all that are there now."""
    last = tx.scalar(select(func.coalesce(func.max(enrolment.c.id), 0)))
    tx.execute(insert(open_import).values(id=import_id, centre=centre, system=system, after=last))


def show(tx: Connection, centre: str, system: str) -> None:
    """Shows what imports of a centre added from a system: this run's, and one that broke off."""
    mine = open_import.c.centre == centre, open_import.c.system == system
    tx.execute(update(open_import).where(*mine).values(shown=True))


_OF_CENTRE = (
    select(open_import.c.id, open_import.c.after)
    .where(open_import.c.centre == bindparam("of_centre"))
    .order_by(open_import.c.id)
    .limit(1)
)
_HIDING, _SHOWN = _OF_CENTRE.where(~open_import.c.shown), _OF_CENTRE.where(open_import.c.shown)
"""Built once, because each run asks, and building costs more than the query."""


def hides_any(tx: Connection, centre: str) -> bool:
    """Whether an import of the centre is not whole yet."""
    return tx.execute(_HIDING, {"of_centre": centre}).first() is not None


def unfinished(tx: Connection, centre: str) -> tuple[int, int] | None:
    """(id, last enrolment) of an import that is shown, but whose changes were not announced."""
    row = tx.execute(_SHOWN, {"of_centre": centre}).first()
    return (row[0], row[1]) if row else None


def announce(tx: Connection, centre: str, most: int, now: datetime) -> None:
    """Gives some enrolments of a shown import the time from which they can be seen, for readers
    who follow changes, and adds them to the outbox. The import ends after its last one."""
    found = unfinished(tx, centre)
    if found is None:
        return
    import_id, after = found
    ids = _next_ids(tx, import_id, after, most)
    if not ids:
        tx.execute(delete(open_import).where(open_import.c.id == import_id))
        return
    for chunk in chunks(ids):
        tx.execute(
            update(enrolment)
            .where(enrolment.c.id.in_(chunk))
            .values(changed_at=now, revision=enrolment.c.revision)
        )
    outbox.add_new(tx, Kind.ENROLMENT, ids)
    tx.execute(update(open_import).where(open_import.c.id == import_id).values(after=ids[-1]))


def _next_ids(tx: Connection, import_id: int, after: int, most: int) -> Sequence[int]:
    query = select(enrolment.c.id).where(enrolment.c.id > after)
    query = query.where(enrolment.c.import_id == import_id)
    return tx.scalars(query.order_by(enrolment.c.id).limit(most)).all()
