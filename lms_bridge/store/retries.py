"""Records that a target refused: when each is tried again, and what makes them due at once.

The reasons are in docs/reconciliation.md, "Push".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, func, select, update

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind
from lms_bridge.store.tables import link
from lms_bridge.store.target_links import DENIED, PENDING

_FAIL = (
    update(link)
    .where(link.c.id == bindparam("link_id"))
    .values(
        sending=bindparam("may_have_arrived"),
        attempts=link.c.attempts + 1,
        next_attempt=bindparam("again_at"),
        failed_since=case((link.c.error == "", bindparam("at")), else_=link.c.failed_since),
        refusal=bindparam("why"),
        error_code=bindparam("code"),
        error=bindparam("complaint"),
    )
)
_AT_ONCE: dict[str, Any] = {"next_attempt": None, "attempts": 0}


def failed(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: link_id, may_have_arrived, again_at, at, why (``LATER``, ``DENIED``, ""), code,
    complaint."""
    if rows:
        tx.execute(_FAIL, list(rows))


def try_again(tx: Connection, system: str, kind: Kind, record_ids: Collection[int]) -> None:
    """Lets records that wait after a failure be sent at the next run."""
    for chunk in chunks(record_ids):
        tx.execute(
            update(link)
            .where(link.c.system == system, link.c.kind == kind, link.c.record_id.in_(chunk))
            .values(_AT_ONCE)
        )


def try_all_again(tx: Connection, centre: str) -> dict[str, int]:
    """Lets all records of a centre that wait after a failure be sent at the next run. Returns
    {kind: how many}."""
    failing = (link.c.centre == centre, PENDING, link.c.attempts > 0)
    found = select(link.c.kind, func.count()).where(*failing).group_by(link.c.kind)
    kinds: dict[str, int] = {row[0]: row[1] for row in tx.execute(found)}
    tx.execute(update(link).where(*failing).values(_AT_ONCE))
    return kinds


@dataclass(frozen=True, slots=True)
class FailingLink:
    """A record that a target refused, and that waits for its next attempt."""

    system: str
    kind: str
    record_id: int
    attempts: int
    next_attempt: datetime | None
    error_code: str
    error: str


def failing_links(tx: Connection, centre: str) -> list[FailingLink]:
    rows = tx.execute(
        select(*(link.c[name] for name in FailingLink.__slots__))
        .where(link.c.centre == centre, PENDING, link.c.attempts > 0)
        .order_by(link.c.id)
    )
    return [FailingLink(*row) for row in rows]


_EXAMPLES = (
    select(func.min(link.c.id), link.c.error_code)
    .where(
        link.c.system == bindparam("in_system"),
        link.c.kind == bindparam("of_kind"),
        link.c.centre == bindparam("of_centre"),
        PENDING,
        link.c.refusal == DENIED,
        link.c.next_attempt > bindparam("now"),
    )
    .group_by(link.c.error_code)
)
"""Built once, because each run asks for each target, and building costs more than the query."""


def _denied(system: str, kind: Kind, centre: str) -> tuple[ColumnElement[bool], ...]:
    where = (link.c.system == system, link.c.kind == kind, link.c.centre == centre)
    return (*where, PENDING, link.c.refusal == DENIED)


def denied_examples(
    tx: Connection, system: str, kind: Kind, centre: str, now: datetime
) -> dict[int, str]:
    """{link id: code}: of each refusal for want of a right, one of the records that wait for it."""
    which = {"in_system": system, "of_kind": kind, "of_centre": centre, "now": now}
    return {row[0]: row[1] for row in tx.execute(_EXAMPLES, which)}


def release_denied(
    tx: Connection, system: str, kind: Kind, centre: str, examples: Mapping[int, str]
) -> None:
    """Examples were tried again. Where one is refused no more, the others of its code are due."""
    waiting = select(link.c.id).where(link.c.id.in_(list(examples)), link.c.refusal == DENIED)
    still = set(tx.scalars(waiting))
    granted = [code for id_, code in examples.items() if id_ not in still]
    if granted:
        where = (*_denied(system, kind, centre), link.c.error_code.in_(granted))
        tx.execute(update(link).where(*where).values(_AT_ONCE))


def release_all_denied(tx: Connection, centre: str) -> int:
    """Nothing is missing at a centre any more: what waits for a right is due. Returns how many."""
    where = (link.c.centre == centre, PENDING, link.c.refusal == DENIED)
    due = update(link).where(*where, link.c.next_attempt.is_not(None)).values(_AT_ONCE)
    return tx.execute(due).rowcount
