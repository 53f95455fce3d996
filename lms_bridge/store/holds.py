"""Plans that wait for a person, and people who wait to be matched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.events import Event
from lms_bridge.domain.matching import agrees
from lms_bridge.domain.model import Kind
from lms_bridge.store.bulk import upsert
from lms_bridge.store.outbox import add_notice
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import hold, learner, unmatched

PENDING, APPROVED, REJECTED = "pending", "approved", "rejected"
REMOVALS, CONFLICT = "removals", "conflict"
OUTDATED, SETTLED = "outdated", "settled"
UNDECIDED = unmatched.c.to_create.is_(False)
"""The learners who wait for a decision by a person."""


_DECIDED = (
    select(hold.c.status, hold.c.record_ids)
    .where(
        hold.c.centre == bindparam("of_centre"),
        hold.c.kind == bindparam("of_kind"),
        hold.c.reason == REMOVALS,
        hold.c.status.in_([APPROVED, REJECTED]),
    )
    .order_by(hold.c.decided_at)
)


def decided(tx: Connection, centre: str, kind: Kind) -> tuple[frozenset[int], frozenset[int]]:
    """(approved, rejected) ids of the records whose removal people decided about; the last word
    counts."""
    rows = tx.execute(_DECIDED, {"of_centre": centre, "of_kind": kind})
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
    question about other removals is outdated: every plan names all of its removals. Of results
    each course is a question of its own."""
    desired, older = sorted(record_ids), list[int]()
    same = (
        hold.c.centre == centre,
        hold.c.system == system,
        hold.c.kind == kind,
        hold.c.reason == reason,
        hold.c.status == PENDING,
    )
    for row in tx.execute(select(hold.c.id, hold.c.record_ids).where(*same)).all():
        if row.record_ids == desired:
            return row.id, False
        if kind is not Kind.RESULT or not set(desired).isdisjoint(row.record_ids):
            older.append(row.id)
    if reason == REMOVALS:
        _outdate(tx, at, hold.c.id.in_(older))
    new_id: int = tx.execute(
        insert(hold)
        .values(
            centre=centre,
            system=system,
            kind=kind,
            reason=reason,
            status=PENDING,
            record_ids=desired,
            out_of=out_of,
            run_id=run_id,
            created_at=at,
        )
        .returning(hold.c.id)
    ).scalar_one()
    about = {"kind": kind, "reason": reason, "records": len(desired), "out_of": out_of}
    add_notice(tx, Event.HOLD_OPENED, centre, at, hold=new_id, run=run_id, **about)
    return new_id, True


def name_hold(tx: Connection, run_id: int, system: str, kind: Kind, number: int) -> None:
    """Gives the held conflicts of a run that have no hold yet the number of theirs."""
    tx.execute(
        update(item)
        .where(
            item.c.run_id == run_id,
            item.c.system == system,
            item.c.kind == kind,
            item.c.action == CONFLICT,
            item.c.state == "held",
            item.c.hold_id.is_(None),
        )
        .values(hold_id=number)
    )


_ABOUT_REMOVALS = select(hold).where(
    hold.c.centre == bindparam("of_centre"),
    hold.c.system == bindparam("in_system"),
    hold.c.kind == bindparam("of_kind"),
    hold.c.reason == REMOVALS,
    hold.c.status.in_([PENDING, APPROVED, REJECTED]),
)
"""Built once, because each run uses it several times, and building costs more than the query."""


def about_removals(tx: Connection, centre: str, system: str, kind: Kind) -> Sequence[Row[Any]]:
    """The holds of removals that wait, or whose decisions still count."""
    return tx.execute(
        _ABOUT_REMOVALS, {"of_centre": centre, "in_system": system, "of_kind": kind}
    ).all()


_IN_CONFLICT = select(hold.c.id, hold.c.record_ids).where(
    hold.c.centre == bindparam("of_centre"),
    hold.c.system == bindparam("in_system"),
    hold.c.kind == bindparam("of_kind"),
    hold.c.reason == CONFLICT,
    hold.c.status == PENDING,
)


def in_conflict(tx: Connection, centre: str, system: str, kind: Kind) -> frozenset[int]:
    """The ids of records about whose conflicts somebody has to decide."""
    rows = tx.execute(
        _IN_CONFLICT, {"of_centre": centre, "in_system": system, "of_kind": kind}
    ).all()
    return frozenset(id_ for row in rows for id_ in row.record_ids)


def end_conflicts(
    tx: Connection,
    centre: str,
    system: str,
    kind: Kind,
    record_ids: Collection[int],
    at: datetime,
) -> None:
    """These records agree again: nobody has to decide about them any more."""
    asked = {"of_centre": centre, "in_system": system, "of_kind": kind}
    for row in tx.execute(_IN_CONFLICT, asked).all():
        rest = [id_ for id_ in row.record_ids if id_ not in record_ids]
        if not rest:
            close(tx, {row.id: OUTDATED}, at)
        elif len(rest) < len(row.record_ids):
            narrow(tx, row.id, rest)


def causes(tx: Connection, hold_ids: Collection[int]) -> dict[int, list[str]]:
    """{hold's id: what is known of the causes of its conflicts, each once}"""
    found: dict[int, list[str]] = {id_: [] for id_ in hold_ids}
    for ids in chunks(hold_ids):
        of_hold, message = item.c.hold_id, item.c.message
        query = select(of_hold, message).where(of_hold.in_(ids), message != "")
        for each in tx.execute(query.distinct().order_by(of_hold, message)):
            found[each.hold_id].append(each.message)
    return found


_APPROVED_KINDS = (
    select(hold.c.kind)
    .where(
        hold.c.centre == bindparam("of_centre"),
        hold.c.status == APPROVED,
        hold.c.system == bindparam("in_system"),
        hold.c.reason == REMOVALS,
    )
    .distinct()
)


def approved_kinds(tx: Connection, centre: str, system: str) -> frozenset[str]:
    """The kinds of records of which a person approved removals from a system."""
    rows = tx.scalars(_APPROVED_KINDS, {"of_centre": centre, "in_system": system})
    return frozenset(rows)


def narrow(tx: Connection, hold_id: int, record_ids: list[int]) -> None:
    """A decision is from now on about these of its records alone: the others are settled."""
    tx.execute(update(hold).where(hold.c.id == hold_id).values(record_ids=record_ids))


def close(tx: Connection, statuses: Mapping[int, str], at: datetime) -> None:
    """{hold id: ``outdated`` or ``settled``}: these holds no longer count."""
    for hold_id, status in statuses.items():
        if status == OUTDATED:
            _outdate(tx, at, hold.c.id == hold_id)
        else:
            tx.execute(update(hold).where(hold.c.id == hold_id).values(status=status))


def _outdate(tx: Connection, at: datetime, *which: ColumnElement[bool]) -> None:
    """Nobody has to decide any more. Who was told of these holds is told of that, too."""
    rows = tx.execute(
        update(hold)
        .where(*which, hold.c.status == PENDING)
        .values(status=OUTDATED)
        .returning(hold.c.id, hold.c.centre, hold.c.kind, hold.c.reason)
    ).all()
    for row in rows:
        about = {"kind": row.kind, "reason": row.reason, "status": OUTDATED}
        add_notice(tx, Event.HOLD_DECIDED, row.centre, at, hold=row.id, **about)


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
    again = [row.id for row in rows if not set(record_ids).isdisjoint(row.record_ids)]
    tx.execute(update(hold).where(hold.c.id.in_(again)).values(status=SETTLED))


def decide(tx: Connection, hold_id: int, verdict: str, by: str, at: datetime) -> bool:
    """Approves or rejects a pending hold; False when it is not pending."""
    done = tx.execute(
        update(hold)
        .where(hold.c.id == hold_id, hold.c.status == PENDING)
        .values(status=verdict, decided_by=by[:100], decided_at=at)
        .returning(hold.c.centre, hold.c.kind, hold.c.reason)
    ).first()
    if done is None:
        return False
    about = {"kind": done.kind, "reason": done.reason, "status": verdict}
    add_notice(tx, Event.HOLD_DECIDED, done.centre, at, hold=hold_id, **about)
    return True


def hold_row(tx: Connection, hold_id: int) -> Row[Any] | None:
    return tx.execute(select(hold).where(hold.c.id == hold_id)).first()


def holds(
    tx: Connection, *, centre: str = "", status: str = "", most: int = 1000
) -> Sequence[Row[Any]]:
    """The newest ones, the oldest of them first."""
    query = select(hold).order_by(hold.c.id.desc()).limit(most)
    if centre:
        query = query.where(hold.c.centre == centre)
    if status:
        query = query.where(hold.c.status == status)
    return tx.execute(query).all()[::-1]


def fields_in_conflict(tx: Connection, row: Row[Any]) -> dict[int, dict[str, Any] | None]:
    """{record id: {field: [what the bridge sent, what the target holds]}} of a held conflict, as
    the audit has it: a personal field has no values."""
    found: dict[int, dict[str, Any] | None] = {}
    until = [item.c.at <= row.decided_at] if row.decided_at else []
    for chunk in chunks(row.record_ids if row.reason == CONFLICT else []):
        items = tx.execute(
            select(item.c.record_id, item.c.fields)
            .where(
                item.c.kind == row.kind,
                item.c.record_id.in_(chunk),
                item.c.system == row.system,
                item.c.action == CONFLICT,
                *until,
            )
            .order_by(item.c.id)
        )
        found.update((each.record_id, each.fields) for each in items)
    return found


_DECIDED_ANEW = ["suggestions", "reason", "to_create", "agrees"]


def queue_person(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: centre, learner_id, suggestions, reason, since."""
    rows = [
        {**row, "to_create": False, "agrees": agrees(row["reason"], row["suggestions"])}
        for row in rows
    ]
    for centre in sorted({row["centre"] for row in rows}):
        own = [row for row in rows if row["centre"] == centre]
        known = _undecided(tx, centre, [row["learner_id"] for row in own])
        new = [row for row in own if row["learner_id"] not in known]
        if new:
            since = min(row["since"] for row in new)
            add_notice(tx, Event.PEOPLE_UNMATCHED, centre, since, people=len(new))
    upsert(tx, unmatched, rows, ["centre", "learner_id"], _DECIDED_ANEW)


def _undecided(tx: Connection, centre: str, learner_ids: Sequence[int]) -> frozenset[int]:
    waiting = select(unmatched.c.learner_id).where(unmatched.c.centre == centre, UNDECIDED)
    return frozenset(
        id_
        for chunk in chunks(learner_ids)
        for id_ in tx.scalars(waiting.where(unmatched.c.learner_id.in_(chunk)))
    )


def decide_to_create(tx: Connection, centre: str, learner_id: int) -> None:
    """Stores a person's decision that no account is this learner's. The learner gets a new one."""
    tx.execute(
        update(unmatched)
        .where(unmatched.c.centre == centre, unmatched.c.learner_id == learner_id)
        .values(to_create=True)
    )


def to_create(tx: Connection, centre: str) -> frozenset[int]:
    """The learners who get a new account by a person's decision."""
    rows = tx.scalars(
        select(unmatched.c.learner_id).where(unmatched.c.centre == centre, unmatched.c.to_create)
    )
    return frozenset(rows)


def unqueue_people(tx: Connection, centre: str, learner_ids: Collection[int]) -> None:
    if learner_ids:
        tx.execute(
            delete(unmatched).where(
                unmatched.c.centre == centre, unmatched.c.learner_id.in_(list(learner_ids))
            )
        )


_WAITING_PEOPLE: Select[Any] = (
    select(unmatched, learner.c.academy_id)
    .join(learner, learner.c.id == unmatched.c.learner_id)
    .where(UNDECIDED)
    .order_by(unmatched.c.id)
)


def waiting_people(
    tx: Connection,
    centre: str = "",
    *,
    within: Collection[str] | None = None,
    agreeing: bool = False,
    after: int = 0,
    most: int | None = None,
) -> Sequence[Row[Any]]:
    """Rows: id, centre, learner_id, academy_id, suggestions, reason, since, agrees. No names, no
    addresses. ``within`` are the centres that count (None: all), ``after`` is the id of the row
    before the first one."""
    query = _WAITING_PEOPLE.where(unmatched.c.id > after) if after else _WAITING_PEOPLE
    if centre:
        query = query.where(unmatched.c.centre == centre)
    if within is not None:
        query = query.where(unmatched.c.centre.in_(within))
    if agreeing:
        query = query.where(unmatched.c.agrees)
    return tx.execute(query.limit(most)).all()


def count_waiting_people(
    tx: Connection, centre: str = "", *, within: Collection[str] | None = None
) -> tuple[int, int]:
    """(how many wait, with how many of them one account agrees)"""
    agreeing = func.count().filter(unmatched.c.agrees)
    query = select(func.count(), agreeing).select_from(unmatched).where(UNDECIDED)
    if centre:
        query = query.where(unmatched.c.centre == centre)
    if within is not None:
        query = query.where(unmatched.c.centre.in_(within))
    row = tx.execute(query).one()
    return row[0], row[1]


def waits(tx: Connection, centre: str, learner_id: int) -> bool:
    """Whether the learner waits for a decision; whoever else decides waits for this transaction."""
    query = select(unmatched.c.id).where(
        unmatched.c.centre == centre, unmatched.c.learner_id == learner_id, UNDECIDED
    )
    return tx.scalar(query.with_for_update()) is not None
