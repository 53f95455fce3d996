"""Plans that wait for a person, and people who wait to be matched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from lms_bridge.domain.model import Kind
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import hold, learner, unmatched

PENDING, APPROVED, REJECTED = "pending", "approved", "rejected"
REMOVALS, CONFLICT = "removals", "conflict"
OUTDATED, SETTLED = "outdated", "settled"


def decided(tx: Connection, centre: str, kind: Kind) -> tuple[frozenset[int], frozenset[int]]:
    """(approved, rejected) ids of the records whose removal people decided about; the last word
    counts."""
    rows = tx.execute(
        select(hold.c.status, hold.c.record_ids)
        .where(
            hold.c.centre == centre,
            hold.c.kind == kind,
            hold.c.reason == REMOVALS,
            hold.c.status.in_([APPROVED, REJECTED]),
        )
        .order_by(hold.c.decided_at)
    )
    verdicts: dict[int, str] = {}
    for row in rows:
        verdicts.update(dict.fromkeys(row.record_ids, row.status))
    return (
        frozenset(id_ for id_, verdict in verdicts.items() if verdict == APPROVED),
        frozenset(id_ for id_, verdict in verdicts.items() if verdict == REJECTED),
    )


def ask(
    tx: Connection,
    *,
    centre: str,
    system: str,
    kind: Kind,
    reason: str,
    record_ids: Collection[int],
    out_of: int,
    run_id: int,
    at: datetime,
) -> tuple[int, bool]:
    """(number, whether it is new) of the pending hold about exactly these records. An older
    question about other removals is outdated: every plan names all of its removals."""
    wanted = sorted(record_ids)
    same = (
        hold.c.centre == centre,
        hold.c.system == system,
        hold.c.kind == kind,
        hold.c.reason == reason,
        hold.c.status == PENDING,
    )
    for row in tx.execute(select(hold.c.id, hold.c.record_ids).where(*same)):
        if row.record_ids == wanted:
            return row.id, False
    if reason == REMOVALS:
        tx.execute(update(hold).where(*same).values(status=OUTDATED))
    new_id: int = tx.execute(
        insert(hold)
        .values(
            centre=centre,
            system=system,
            kind=kind,
            reason=reason,
            status=PENDING,
            record_ids=wanted,
            out_of=out_of,
            run_id=run_id,
            created_at=at,
        )
        .returning(hold.c.id)
    ).scalar_one()
    return new_id, True


_ABOUT_REMOVALS = select(hold).where(
    hold.c.centre == bindparam("of_centre"),
    hold.c.system == bindparam("in_system"),
    hold.c.kind == bindparam("of_kind"),
    hold.c.reason == REMOVALS,
    hold.c.status.in_([PENDING, APPROVED, REJECTED]),
)
"""Made once: every run asks several times, mostly in vain, and making costs more than asking."""


def about_removals(tx: Connection, centre: str, system: str, kind: Kind) -> Sequence[Row[Any]]:
    """The questions about removals that wait, or whose answers still count."""
    return tx.execute(
        _ABOUT_REMOVALS, {"of_centre": centre, "in_system": system, "of_kind": kind}
    ).all()


def close(tx: Connection, statuses: Mapping[int, str]) -> None:
    """{hold id: ``outdated`` or ``settled``}: their answers count no more."""
    for hold_id, status in statuses.items():
        tx.execute(update(hold).where(hold.c.id == hold_id).values(status=status))


def reopen(tx: Connection, centre: str, kind: Kind, record_ids: Collection[int]) -> None:
    """These records came back: should they vanish once more, that is a new question."""
    if not record_ids:
        return
    rows = tx.execute(
        select(hold.c.id, hold.c.record_ids).where(
            hold.c.centre == centre,
            hold.c.kind == kind,
            hold.c.reason == REMOVALS,
            hold.c.status.in_([APPROVED, REJECTED]),
        )
    )
    close(tx, {row.id: SETTLED for row in rows if not set(record_ids).isdisjoint(row.record_ids)})


def decide(tx: Connection, hold_id: int, verdict: str, by: str, at: datetime) -> bool:
    """Approves or rejects a pending hold; False when it is not pending."""
    done = tx.execute(
        update(hold)
        .where(hold.c.id == hold_id, hold.c.status == PENDING)
        .values(status=verdict, decided_by=by[:100], decided_at=at)
    )
    return done.rowcount == 1


def hold_row(tx: Connection, hold_id: int) -> Row[Any] | None:
    return tx.execute(select(hold).where(hold.c.id == hold_id)).first()


def holds(tx: Connection, *, centre: str = "", status: str = "") -> Sequence[Row[Any]]:
    query = select(hold).order_by(hold.c.id)
    if centre:
        query = query.where(hold.c.centre == centre)
    if status:
        query = query.where(hold.c.status == status)
    return tx.execute(query).all()


# ---- people who wait to be matched ---------------------------------------------------------


def queue_person(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: centre, learner_id, suggestions, reason, since."""
    upsert(tx, unmatched, rows, ["centre", "learner_id"], ["suggestions", "reason"])


def unqueue_people(tx: Connection, centre: str, learner_ids: Collection[int]) -> None:
    tx.execute(
        delete(unmatched).where(
            unmatched.c.centre == centre, unmatched.c.learner_id.in_(list(learner_ids))
        )
    )


def waiting_people(tx: Connection, centre: str = "") -> Sequence[Row[Any]]:
    """Rows: centre, learner_id, academy_id, suggestions, reason, since. No names, no addresses."""
    query = (
        select(unmatched, learner.c.academy_id)
        .join(learner, learner.c.id == unmatched.c.learner_id)
        .order_by(unmatched.c.id)
    )
    if centre:
        query = query.where(unmatched.c.centre == centre)
    return tx.execute(query).all()
