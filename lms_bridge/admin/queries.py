"""What the people who run the bridge look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from lms_bridge.audit import FLOWS
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind
from lms_bridge.jobs.leader import NAME
from lms_bridge.store.holds import PENDING as WAITING
from lms_bridge.store.holds import UNDECIDED
from lms_bridge.store.run_tables import lease, run
from lms_bridge.store.tables import (
    centre,
    enrolment,
    hold,
    link,
    offering,
    quarantine,
    result,
    unmatched,
)
from lms_bridge.store.target_links import PENDING


def clock_alive(tx: Connection, now: datetime) -> bool:
    """Whether some process holds the clock's lease."""
    held = select(lease.c.name).where(lease.c.name == NAME, lease.c.expires_at > now)
    return tx.scalar(held) is not None


def clock_state(tx: Connection, now: datetime, *, enabled: bool) -> str:
    """``running``; else ``stopped``, or ``off`` where the settings want none here."""
    return "running" if clock_alive(tx, now) else "stopped" if enabled else "off"


def _count(tx: Connection, table: Table, *where: Any) -> int:
    return tx.scalar(select(func.count()).select_from(table).where(*where)) or 0


def count_public(tx: Connection) -> dict[str, int]:
    """Numbers that anybody may see."""
    return {
        "centres": _count(tx, centre, centre.c.active),
        "enrolments": _count(tx, enrolment),
        "results": _count(tx, result),
    }


def count_waiting(tx: Connection, within: Sequence[str] | None = None) -> dict[str, int]:
    """{what waits for a machine or a person: how many} of these centres, or of all"""

    def among(table: Table) -> list[ColumnElement[bool]]:
        return [] if within is None else [table.c.centre.in_(within)]

    return {
        "to_send": _count(tx, link, PENDING, *among(link)),
        "holds": _count(tx, hold, hold.c.status == WAITING, *among(hold)),
        "quarantine": _count(tx, quarantine, *among(quarantine)),
        "people": _count(tx, unmatched, UNDECIDED, *among(unmatched)),
    }


def last_run_of_each(tx: Connection) -> dict[str, Row[Any]]:
    """{centre's code: its last run}; what was decided on its connections, tokens or webhooks is
    none that it ran."""
    older = run.alias()
    newest = (
        select(older.c.id)
        .where(older.c.centre.between(centre.c.code, centre.c.code), older.c.flows.not_in(FLOWS))
        .order_by(older.c.centre.desc(), older.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    # One step into the index for each centre: a year has millions of runs. With "=" PostgreSQL
    # would go back through the runs of all, as far as the last one of a silent centre.
    query = select(run).where(run.c.id.in_(select(newest).select_from(centre)))
    return {row.centre: row for row in tx.execute(query)}


def offering_names(tx: Connection, items: Iterable[Any]) -> dict[int, tuple[str, str]]:
    """{record id: (code, title)} of the offerings among some items or holds."""
    ids = {each.record_id for each in items if each.kind == Kind.OFFERING and each.record_id}
    return _offerings(tx, ids)


def _offerings(tx: Connection, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for chunk in chunks(ids):
        rows = tx.execute(
            select(offering.c.id, offering.c.code, offering.c.title).where(offering.c.id.in_(chunk))
        )
        found.update((row.id, (row.code, row.title)) for row in rows)
    return found
