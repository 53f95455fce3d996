"""What waits because of a hold, what other systems changed, and what is in quarantine: the lists
of pages and commands. Each page of a list begins after the last row of the one before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind
from lms_bridge.store.holds import CONFLICT, PENDING, REMOVALS
from lms_bridge.store.record_names import record_names
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import EMPTY, HELD, enrolment, hold, link, offering, quarantine, result

NAMED = 20
"""Records and offerings that are named for one hold."""
Within = Sequence[str] | None


@dataclass(frozen=True, slots=True)
class ListParams:
    """``before``: only rows older than this number; ``within``: the reader's centres (None: all);
    ``centre``: this one alone, if it is named."""

    within: Within = None
    centre: str = ""
    before: int = 0
    most: int = 50


def _page_of(
    query: Select[Any], table: Any, code: ColumnElement[str], of: ListParams
) -> Select[Any]:
    if of.before:
        query = query.where(table.c.id < of.before)
    if of.centre:
        query = query.where(code == of.centre)
    if of.within is not None:
        query = query.where(code.in_(of.within))
    return query.order_by(table.c.id.desc()).limit(of.most)


_SHORT = [each for each in hold.c if each.name != "record_ids"]


def holds_page(tx: Connection, of: ListParams, *, decided: bool = False) -> Sequence[Row[Any]]:
    """The newest first: those that wait, or the others. ``records`` is how many each has; their
    ids, which may be many thousands, are not read."""
    length = func.json_array_length(hold.c.record_ids).label("records")
    which = hold.c.status != PENDING if decided else hold.c.status == PENDING
    return tx.execute(_page_of(select(*_SHORT, length).where(which), hold, hold.c.centre, of)).all()


def count_pending(tx: Connection, within: Within, centre: str = "") -> int:
    query = select(func.count()).select_from(hold).where(hold.c.status == PENDING)
    if centre:
        query = query.where(hold.c.centre == centre)
    if within is not None:
        query = query.where(hold.c.centre.in_(within))
    return tx.scalar(query) or 0


# ---- one hold ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StagedTotal:
    """Of an offering: how many of its ``known`` records are held."""

    code: str
    title: str
    held: int
    known: int


@dataclass(frozen=True, slots=True)
class Staged:
    """The first offerings that a hold is about, the largest share first; ``others`` of them are
    not listed. ``names`` are the first records."""

    totals: tuple[StagedTotal, ...]
    others: int
    names: tuple[str, ...]


def staged(tx: Connection, row: Row[Any]) -> Staged:
    """What a hold would remove or send, by offering. Of a held offering, ``known`` are its
    enrolments: they end with it."""
    kind, ids = Kind(row.kind), list(row.record_ids)
    named = record_names(tx, kind, ids[:NAMED])
    held = _by_offering(tx, kind, ids)
    first = [id_ for id_, _ in held.most_common(NAMED)]
    known = _known(tx, row, kind, first)
    titles = _titles(tx, first)
    totals = tuple(
        StagedTotal(*titles[id_], held[id_], max(held[id_], known.get(id_, 0)))
        if kind is not Kind.OFFERING
        else StagedTotal(*titles[id_], 1, known.get(id_, 0))
        for id_ in first
        if id_ in titles
    )
    names = tuple(named[id_] for id_ in ids[:NAMED] if id_ in named)
    return Staged(totals, len(held) - len(totals), names)


def _by_offering(tx: Connection, kind: Kind, ids: Sequence[int]) -> Counter[int]:
    """{offering's id: how many of the records are its own}; of learners there are none."""
    if kind is Kind.OFFERING:
        return Counter(dict.fromkeys(ids, 1))
    found: Counter[int] = Counter()
    query: Select[Any] = select(enrolment.c.offering_id, func.count())
    if kind is Kind.RESULT:
        query = query.join(result, result.c.enrolment_id == enrolment.c.id)
    column: Any = result.c.id if kind is Kind.RESULT else enrolment.c.id
    for chunk in chunks([] if kind is Kind.LEARNER else ids):
        rows = tx.execute(query.where(column.in_(chunk)).group_by(enrolment.c.offering_id))
        found.update({row[0]: row[1] for row in rows})
    return found


def _known(tx: Connection, row: Row[Any], kind: Kind, of: Sequence[int]) -> dict[int, int]:
    """{offering's id: how many such records the other system shows or holds}; of offerings, how
    many enrolments they have."""
    query: Select[Any] = select(enrolment.c.offering_id, func.count())
    query = query.where(enrolment.c.offering_id.in_(of)).group_by(enrolment.c.offering_id)
    if kind is not Kind.OFFERING:
        record: Any = enrolment.c.id
        if kind is Kind.RESULT:
            query = query.join(result, result.c.enrolment_id == enrolment.c.id)
            record = result.c.id
        there = link.c.source_hash != EMPTY if row.reason == REMOVALS else HELD
        query = query.join(link, link.c.record_id == record).where(
            link.c.system == row.system, link.c.kind == kind, there
        )
    return {row[0]: row[1] for row in tx.execute(query)}


def _titles(tx: Connection, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    query = select(offering.c.id, offering.c.code, offering.c.title)
    return {row[0]: (row[1], row[2]) for row in tx.execute(query.where(offering.c.id.in_(ids)))}


# ---- conflicts --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldInConflict:
    """Where two sides differ. A personal field has no values."""

    record: str
    kind: str
    field: str
    personal: bool
    ours: object
    theirs: object
    since: datetime


def fields_held(tx: Connection, row: Row[Any]) -> list[FieldInConflict]:
    """The fields of the first records of a held conflict, as the audit has them."""
    if row.reason != CONFLICT:
        return []
    ids = list(row.record_ids)[:NAMED]
    until = [item.c.at <= row.decided_at] if row.decided_at else []
    query = select(item.c.record_id, item.c.fields, item.c.at).where(
        item.c.kind == row.kind,
        item.c.record_id.in_(ids),
        item.c.system == row.system,
        item.c.action == CONFLICT,
        *until,
    )
    last = {each.record_id: each for each in tx.execute(query.order_by(item.c.id))}
    names = record_names(tx, Kind(row.kind), last)
    return [
        FieldInConflict(
            names.get(id_, str(id_)),
            row.kind,
            field,
            pair is None,
            pair[0] if pair else None,
            pair[1] if pair else None,
            last[id_].at,
        )
        for id_ in ids
        if id_ in last
        for field, pair in (last[id_].fields or {}).items()
    ]


_IS_CONFLICT: ColumnElement[bool] = literal_column("(item.action = 'conflict')")
"""The partial index's condition, written out: with a parameter in it the index is not used."""
_DECISION = (hold.c.status.label("hold_status"), hold.c.decided_by, hold.c.decided_at)


def open_conflicts(tx: Connection, of: ListParams) -> Sequence[Row[Any]]:
    """Those that a person has to decide about, the newest first. Rows: those of ``item``, and what
    became of its hold."""
    query = select(item, *_DECISION).join(hold, hold.c.id == item.c.hold_id)
    # Found as a whole, from the few holds that wait. A page would be looked for in all items.
    waiting = query.where(hold.c.status == PENDING).cte("waiting").prefix_with("MATERIALIZED")
    return tx.execute(_page_of(select(waiting), waiting, waiting.c.centre, of)).all()


def settled_conflicts(tx: Connection, of: ListParams) -> Sequence[Row[Any]]:
    """Those that a person decided about, or the centre's policy. Rows: as above; without a hold
    the policy decided."""
    query = select(item, *_DECISION).outerjoin(hold, hold.c.id == item.c.hold_id)
    query = query.where(_IS_CONFLICT, or_(item.c.hold_id.is_(None), hold.c.status != PENDING))
    return tx.execute(_page_of(query, item, item.c.centre, of)).all()


def count_conflicts(tx: Connection, within: Within, centre: str = "") -> int:
    query: Select[Any] = select(func.count()).select_from(item)
    query = query.join(hold, hold.c.id == item.c.hold_id).where(hold.c.status == PENDING)
    if within is not None:
        query = query.where(hold.c.centre.in_(within))
    if centre:
        query = query.where(hold.c.centre == centre)
    return tx.scalar(query) or 0


# ---- quarantine --------------------------------------------------------------------------------


def quarantine_page(tx: Connection, of: ListParams) -> Sequence[Row[Any]]:
    return tx.execute(_page_of(select(quarantine), quarantine, quarantine.c.centre, of)).all()


def count_quarantined(tx: Connection, within: Within, centre: str = "") -> int:
    query = select(func.count()).select_from(quarantine)
    if within is not None:
        query = query.where(quarantine.c.centre.in_(within))
    if centre:
        query = query.where(quarantine.c.centre == centre)
    return tx.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class KnownCourse:
    """The last good version of a record in quarantine."""

    code: str
    title: str
    address: str


def courses_known(tx: Connection, rows: Sequence[Row[Any]]) -> Mapping[int, KnownCourse]:
    """{number of a row in quarantine: the offering that its source showed before}"""
    wanted = {(row.system, row.external_id): row.id for row in rows if row.kind == Kind.OFFERING}
    if not wanted:
        return {}
    columns = (link.c.system, link.c.external_id, offering.c.code, offering.c.title)
    query = (
        select(*columns, offering.c.address)
        .join(offering, offering.c.id == link.c.record_id)
        .where(
            link.c.kind == Kind.OFFERING,
            tuple_(link.c.system, link.c.external_id).in_(list(wanted)),
        )
    )
    return {wanted[row[0], row[1]]: KnownCourse(*row[2:]) for row in tx.execute(query)}
