"""Deliveries: one event for one webhook, with what came of sending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from lms_bridge.store.api_tables import webhook, webhook_delivery
from lms_bridge.store.rows import insert_missing

_KEY = ("webhook_id", "event", "kind", "record_id", "revision")
_WAITS = webhook_delivery.c.delivered_at.is_(None) & webhook_delivery.c.next_attempt.is_not(None)
DELIVERED, WAITING, DEAD = "delivered", "waiting", "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be sent, by its number. ``attempts`` were made before."""

    id: int
    webhook_id: int
    message: str
    body: Mapping[str, Any]
    attempts: int


def state_of(row: Any) -> str:
    """What came of a delivery: it arrived, waits for an attempt, or is given up."""
    if row.delivered_at is not None:
        return DELIVERED
    return DEAD if row.next_attempt is None else WAITING


def add(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds deliveries; what a webhook is told of already stays as it is."""
    insert_missing(tx, webhook_delivery, rows, _KEY)


def due_webhooks(tx: Connection, now: datetime) -> list[int]:
    """Numbers of the active webhooks for which something waits to be sent now."""
    query = (
        select(webhook_delivery.c.webhook_id)
        .join(webhook, webhook.c.id == webhook_delivery.c.webhook_id)
        .where(_WAITS, webhook_delivery.c.next_attempt <= now, webhook.c.active)
        .distinct()
    )
    return list(tx.scalars(query))


def claim(tx: Connection, webhook_id: int, now: datetime, until: datetime) -> Delivery | None:
    """The next delivery that is due for a webhook. It is this process's alone until the given
    time; one that dies leaves it to be claimed again from then on."""
    row = tx.execute(
        select(webhook_delivery)
        .where(
            _WAITS,
            webhook_delivery.c.webhook_id == webhook_id,
            webhook_delivery.c.next_attempt <= now,
        )
        .order_by(webhook_delivery.c.next_attempt, webhook_delivery.c.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    claimed = tx.execute(
        update(webhook_delivery)
        .where(
            _WAITS,
            webhook_delivery.c.id == row.id,
            webhook_delivery.c.next_attempt == row.next_attempt,
        )
        .values(next_attempt=until)
    )
    if claimed.rowcount != 1:
        return None
    return Delivery(row.id, webhook_id, row.message, row.body, row.attempts)


def arrived(tx: Connection, delivery: Delivery, status: int, now: datetime) -> None:
    _set(
        tx,
        delivery,
        attempts=delivery.attempts + 1,
        attempted_at=now,
        delivered_at=now,
        next_attempt=None,
        status=status,
        error="",
    )


def failed(
    tx: Connection,
    delivery: Delivery,
    *,
    status: int,
    error: str,
    now: datetime,
    again_at: datetime | None,
) -> None:
    """``again_at`` is None where the delivery is given up."""
    _set(
        tx,
        delivery,
        attempts=delivery.attempts + 1,
        attempted_at=now,
        next_attempt=again_at,
        status=status,
        error=error[:1000],
    )


def _set(tx: Connection, delivery: Delivery, **values: object) -> None:
    tx.execute(
        update(webhook_delivery).where(webhook_delivery.c.id == delivery.id).values(**values)
    )


def rest(tx: Connection, webhook_id: int, until: datetime) -> None:
    """Lets what waits for a webhook wait until then at least."""
    tx.execute(
        update(webhook_delivery)
        .where(
            _WAITS,
            webhook_delivery.c.webhook_id == webhook_id,
            webhook_delivery.c.next_attempt < until,
        )
        .values(next_attempt=until)
    )


def others_failing(tx: Connection, delivery: Delivery) -> bool:
    """Whether another delivery of the same webhook waits after a failure."""
    query = select(webhook_delivery.c.id).where(
        _WAITS,
        webhook_delivery.c.webhook_id == delivery.webhook_id,
        webhook_delivery.c.id != delivery.id,
        webhook_delivery.c.attempts > 0,
    )
    return tx.execute(query.limit(1)).first() is not None


def log(
    tx: Connection, before: int, most: int, *conditions: ColumnElement[bool]
) -> Sequence[Row[Any]]:
    """Deliveries below a number (0: all), the newest first."""
    query = select(webhook_delivery).where(*conditions)
    if before:
        query = query.where(webhook_delivery.c.id < before)
    return tx.execute(query.order_by(webhook_delivery.c.id.desc()).limit(most)).all()


def find(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(select(webhook_delivery).where(webhook_delivery.c.id == number)).first()


def again(tx: Connection, number: int, now: datetime) -> None:
    """Sends a delivery once more, at once, and tries as often as a new one."""
    tx.execute(
        update(webhook_delivery)
        .where(webhook_delivery.c.id == number)
        .values(next_attempt=now, delivered_at=None, attempts=0)
    )


def purge(tx: Connection, before: datetime) -> None:
    """Forgets what was made before then and waits for nothing."""
    tx.execute(
        delete(webhook_delivery).where(
            webhook_delivery.c.created_at < before, webhook_delivery.c.next_attempt.is_(None)
        )
    )
