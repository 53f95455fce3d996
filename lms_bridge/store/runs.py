"""Runs, their items and requests for them; records in quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import KINDS_OF, Flow, Kind
from lms_bridge.store import leases
from lms_bridge.store.bulk import upsert
from lms_bridge.store.database import Database
from lms_bridge.store.flow_states import note_end
from lms_bridge.store.run_days import add_to_day
from lms_bridge.store.run_lists import newest_runs
from lms_bridge.store.run_tables import item, lease, run
from lms_bridge.store.tables import quarantine
from lms_bridge.store.waits import Wait, wait_of

RUNNING: ColumnElement[bool] = literal_column("(run.status = 'running')")
"""Written out, so that PostgreSQL plans for this rare status and no other."""
QUIET_AT_ONCE = 10_000
_WHOSE = (run.c.id, run.c.centre, run.c.flows, run.c.trigger, run.c.started_at)


# Built once, because each run uses them, and building costs more than the statement.
_START = insert(run).returning(run.c.id)
_FINISH = (
    update(run)
    .where(run.c.id == bindparam("of_run"))
    .values(
        status=bindparam("new_status"),
        counts=bindparam("new_counts"),
        finished_at=bindparam("at"),
        error_code=bindparam("code"),
        error=bindparam("text"),
        waits=bindparam("new_waits"),
    )
    .returning(*_WHOSE)
)


def start_run(
    tx: Connection, centre: str, flows: str, trigger: str, at: datetime, requested_by: str = ""
) -> int:
    """Stores the beginning of a run and returns its number."""
    row = {
        "centre": centre,
        "flows": flows,
        "trigger": trigger,
        "status": "running",
        "started_at": at,
        "counts": {},
        "waits": [],
        "requested_by": requested_by[:100],
    }
    new_id: int = tx.execute(_START, row).scalar_one()
    return new_id


def finish_run(
    tx: Connection,
    run_id: int,
    status: str,
    counts: Mapping[str, int],
    at: datetime,
    error: tuple[str, str] = ("", ""),
    waits: Sequence[Wait] = (),
    answered: bool | None = None,
    by_flow: Mapping[Flow, str] | None = None,
) -> None:
    """Ends a run; ``answered`` and ``by_flow`` as for ``note_end``."""
    ended = tx.execute(
        _FINISH,
        {
            "of_run": run_id,
            "new_status": status,
            "new_counts": dict(counts),
            "at": at,
            "code": error[0][:60],
            "text": error[1][:1000],
            "new_waits": [each.document() for each in waits],
        },
    )
    for whose in ended.all():
        note_end(tx, whose, status, error[0], at, answered, by_flow)
        add_to_day(tx, whose, status, counts, at)


def lost_centres(tx: Connection, at: datetime) -> frozenset[str]:
    """The centres with a run that looks alive, although nobody holds its lease any more: its
    process is gone. On this machine that shows at once, else when the lease ends."""
    going = tx.scalars(select(run.c.centre).where(RUNNING).distinct()).all()
    return frozenset(each for each in going if not leases.is_at_work(tx, f"{leases.RUN}{each}", at))


def end_lost_runs(database: Database, at: datetime) -> None:
    """Ends runs whose process is gone, so that lists tell what they did. Nearly always there is
    none, and nothing is written."""
    with database.reading() as tx:
        lost = lost_centres(tx, at)
    if lost:
        # Where nothing can be written, they are ended when something can be.
        with suppress(DBAPIError), database.writing() as tx:
            for centre in lost & lost_centres(tx, at):
                end_orphaned_runs(tx, centre, at)


def end_orphaned_runs(tx: Connection, centre: str, at: datetime) -> None:
    """Runs of this centre that still look alive were cut off: their process is gone. What the
    audit has of each is what it did until then. A run that lent its lease goes on."""
    leases.end_dead_claim(tx, f"{leases.RUN}{centre}", at)
    ended = tx.execute(_END_ORPHANS, {"of_centre": centre, "at": at})
    for whose in ended.all():
        counts = _counts_of(tx, whose.id)
        tx.execute(update(run).where(run.c.id == whose.id).values(counts=counts))
        note_end(tx, whose, CUT_OFF, "", at)
        add_to_day(tx, whose, CUT_OFF, counts, at)


CUT_OFF = "cut off"
_AT: BindParameter[datetime] = bindparam("at")
_WHY_CUT_OFF = (
    "The run was cut off: its process ended, or lost its lease. Its work is kept, and the next run "
    "goes on from there."
)
_LENDERS = select(lease.c.lender).where(lease.c.lender.is_not(None), lease.c.expires_at > _AT)
_END_ORPHANS = (
    update(run)
    .where(run.c.centre == bindparam("of_centre"), RUNNING, run.c.id.not_in(_LENDERS))
    .values(status=CUT_OFF, finished_at=bindparam("at"), error=_WHY_CUT_OFF)
    .returning(*_WHOSE)
)


def _counts_of(tx: Connection, run_id: int) -> dict[str, int]:
    """{"kind.action.state": number} of the items of a run."""
    of = (item.c.kind, item.c.action, item.c.state)
    rows = tx.execute(select(*of, func.count()).where(item.c.run_id == run_id).group_by(*of))
    return {".".join(row[:3]): row[3] for row in rows}


def forget_quiet_runs(tx: Connection, before: datetime) -> int:
    """Deletes runs that began before then, did not fail, and changed nothing; some
    thousands at once. Gives how many."""
    younger = select(run.c.id).where(run.c.started_at >= before).order_by(run.c.started_at)
    bound = tx.scalar(younger.limit(1))
    quiet = (
        select(run.c.id)
        .where(
            run.c.started_at < before,
            # Numbers grow with time. Without this, all younger runs would be read as well.
            *(() if bound is None else (run.c.id < bound,)),
            run.c.status.in_(["done", "waiting"]),
            ~exists().where(item.c.run_id == run.c.id),
        )
        .limit(QUIET_AT_ONCE)
    )
    return tx.execute(delete(run).where(run.c.id.in_(quiet))).rowcount


def add_items(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: run_id, system, kind, record_id, external_id, action, state, fields, code,
    message, at; of a conflict also its centre."""
    if rows:
        tx.execute(insert(item), list(rows))


def last_runs(tx: Connection, *, centre: str = "", most: int = 20) -> Sequence[Row[Any]]:
    """The newest first, of this centre or of all."""
    return newest_runs(tx, centres=[centre] if centre else None, most=most)


def waits_at_end(tx: Connection, last: Mapping[Flow, int | None]) -> list[Wait]:
    """What waited at the end of the last run of each flow, of this flow's kinds."""
    rows = tx.execute(select(run.c.id, run.c.waits).where(run.c.id.in_(set(last.values()))))
    found = {row.id: [wait_of(each) for each in row.waits] for row in rows}
    return [
        wait
        for flow, run_id in last.items()
        for wait in found.get(run_id, ())
        if wait.kind in KINDS_OF[flow]
    ]


def run_row(tx: Connection, run_id: int) -> Row[Any] | None:
    return tx.execute(select(run).where(run.c.id == run_id)).first()


_QUARANTINED = select(quarantine.c.external_id, quarantine.c.source_hash).where(
    quarantine.c.system == bindparam("in_system"),
    quarantine.c.kind == bindparam("of_kind"),
    quarantine.c.scope == bindparam("in_scope"),
)


def quarantined(tx: Connection, system: str, kind: Kind, scope: str) -> dict[str, bytes]:
    """{external id: hash of the bad record} of what is in quarantine in one scope."""
    rows = tx.execute(_QUARANTINED, {"in_system": system, "of_kind": kind, "in_scope": scope})
    return {row.external_id: row.source_hash for row in rows}


def quarantine_reasons(
    tx: Connection, system: str, kind: Kind, centre: str, external_ids: Iterable[str]
) -> dict[str, tuple[bytes, str]]:
    """{external id: (hash of the bad record, reason)} of a centre's records in quarantine."""
    query = select(quarantine.c.external_id, quarantine.c.source_hash, quarantine.c.reason).where(
        quarantine.c.system == system, quarantine.c.kind == kind, quarantine.c.centre == centre
    )
    found: dict[str, tuple[bytes, str]] = {}
    for chunk in chunks(external_ids):
        rows = tx.execute(query.where(quarantine.c.external_id.in_(chunk)))
        found.update((row.external_id, (row.source_hash, row.reason)) for row in rows)
    return found


_SCOPES_IN_QUARANTINE = (
    select(quarantine.c.scope)
    .where(quarantine.c.system == bindparam("in_system"), quarantine.c.kind == bindparam("of_kind"))
    .distinct()
)


def scopes_in_quarantine(tx: Connection, system: str, kind: Kind) -> frozenset[str]:
    """The scopes with a record in quarantine: few, if any."""
    return frozenset(tx.scalars(_SCOPES_IN_QUARANTINE, {"in_system": system, "of_kind": kind}))


def put_in_quarantine(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: system, kind, centre, external_id, scope, source_hash, code, reason, since,
    run_id, ``shown`` and ``remedy``."""
    upsert(
        tx,
        quarantine,
        rows,
        ["system", "kind", "centre", "external_id"],
        ["source_hash", "scope", "code", "reason", "shown", "remedy", "run_id"],
    )


def release(
    tx: Connection, system: str, kind: Kind, centre: str, external_ids: Iterable[str]
) -> None:
    """Takes a centre's records out of quarantine that are good now, or gone."""
    for chunk in chunks(external_ids):
        tx.execute(
            delete(quarantine).where(
                quarantine.c.system == system,
                quarantine.c.kind == kind,
                quarantine.c.centre == centre,
                quarantine.c.external_id.in_(chunk),
            )
        )


def quarantine_of(tx: Connection, centre: str = "", *, most: int = 1000) -> Sequence[Row[Any]]:
    query = select(quarantine).order_by(quarantine.c.id).limit(most)
    if centre:
        query = query.where(quarantine.c.centre == centre)
    return tx.execute(query).all()
