"""Deliveries: one event for one webhook, with what came of sending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from lms_bridge.store.api_tables import webhook, webhook_attempt, webhook_delivery
from lms_bridge.store.links import chunks
from lms_bridge.store.rows import insert_missing

_KEY = ("webhook_id", "event", "kind", "record_id", "revision")
_WAITS = webhook_delivery.c.delivered_at.is_(None) & webhook_delivery.c.next_attempt.is_not(None)
DELIVERED, WAITING, DEAD = "delivered", "waiting", "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be sent, by its number. ``attempts`` were made before; it is claimed until
    ``until``."""

    id: int
    webhook_id: int
    message: str
    body: Mapping[str, Any]
    attempts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver. ``status`` is 0 where nothing was answered; ``code`` says what kind
    of failure it was, and is empty where it arrived."""

    at: datetime
    milliseconds: int = 0
    status: int = 0
    code: str = ""
    error: str = ""


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
    # Asked of each webhook: there are few of them, and perhaps very many messages that wait.
    first = select(webhook_delivery.c.id).where(
        _WAITS,
        webhook_delivery.c.webhook_id == webhook.c.id,
        webhook_delivery.c.next_attempt <= now,
    )
    query = select(webhook.c.id).where(
        webhook.c.active,
        or_(webhook.c.rest_until.is_(None), webhook.c.rest_until <= now),
        first.limit(1).scalar_subquery().is_not(None),
    )
    return list(tx.scalars(query.order_by(webhook.c.id)))


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
    return Delivery(row.id, webhook_id, row.message, row.body, row.attempts, until)


def arrived(tx: Connection, delivery: Delivery, attempt: Attempt) -> None:
    _keep(
        tx,
        delivery,
        attempt,
        attempts=delivery.attempts + 1,
        attempted_at=attempt.at,
        delivered_at=attempt.at,
        next_attempt=None,
        status=attempt.status,
        error="",
    )


def failed(tx: Connection, delivery: Delivery, attempt: Attempt, again_at: datetime | None) -> None:
    """``again_at`` is None where the delivery is given up. One that somebody asked for again
    meanwhile, or that another process claimed, waits as it does."""
    _keep(
        tx,
        delivery,
        attempt,
        webhook_delivery.c.next_attempt == delivery.until,
        attempts=delivery.attempts + 1,
        attempted_at=attempt.at,
        next_attempt=again_at,
        status=attempt.status,
        error=attempt.error[:1000],
    )


def _keep(
    tx: Connection,
    delivery: Delivery,
    attempt: Attempt,
    *conditions: ColumnElement[bool],
    **values: object,
) -> None:
    is_it = webhook_delivery.c.id == delivery.id
    kept = tx.execute(update(webhook_delivery).where(is_it, *conditions).values(**values))
    if kept.rowcount != 1 and find(tx, delivery.id) is None:
        return  # its webhook was removed meanwhile
    row = {
        "delivery_id": delivery.id,
        "at": attempt.at,
        "milliseconds": attempt.milliseconds,
        "status": attempt.status,
        "code": attempt.code[:40],
        "error": attempt.error[:255],
    }
    tx.execute(insert(webhook_attempt).values(row))


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


def attempts_of(tx: Connection, numbers: Sequence[int]) -> dict[int, list[Attempt]]:
    """{number of a delivery: its attempts, the first one first} of those that had any."""
    found: dict[int, list[Attempt]] = {}
    columns = [webhook_attempt.c[name] for name in Attempt.__slots__]
    for chunk in chunks(numbers):
        query = (
            select(webhook_attempt.c.delivery_id, *columns)
            .where(webhook_attempt.c.delivery_id.in_(chunk))
            .order_by(webhook_attempt.c.id)
        )
        for row in tx.execute(query):
            found.setdefault(row[0], []).append(Attempt(*row[1:]))
    return found


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
    """Forgets what was made before then and waits for nothing, or for a webhook that is off."""
    off = select(webhook.c.id).where(~webhook.c.active)
    tx.execute(
        delete(webhook_delivery).where(
            webhook_delivery.c.created_at < before,
            or_(
                webhook_delivery.c.next_attempt.is_(None),
                webhook_delivery.c.webhook_id.in_(off),
            ),
        )
    )
