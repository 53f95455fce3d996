"""Webhooks and their deliveries in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.store.api_tables import api_token, webhook, webhook_attempt, webhook_delivery
from lms_bridge.store.bulk import insert_missing
from lms_bridge.store.tables import centre

_LOCKED = ("locked_address", "secret", "old_secret")
_COLUMNS = [column for column in webhook.c if column.name not in _LOCKED]
_KNOWN = frozenset(map(str, Event))


def _webhook(row: Any) -> Webhook:
    return Webhook(
        row.id,
        row.name,
        row.address,
        frozenset(Event(each) for each in row.events if each in _KNOWN),
        DataScope(row.centre, row.region),
        row.active,
        row.private_addresses,
        row.created_at,
        row.created_by,
        row.failing_since,
        row.reason,
        row.rest_until,
        row.old_until,
        row.token_id,
    )


def add_webhook_row(
    tx: Connection, record: Webhook, locked_address: bytes, locked_secret: bytes
) -> Webhook:
    """Adds a webhook, and returns it with its number."""
    row = {
        "centre": record.reach.centre,
        "region": record.reach.region,
        "name": record.name[:255],
        "address": record.address,
        "locked_address": locked_address,
        "secret": locked_secret,
        "events": sorted(record.events),
        "private_addresses": record.private_addresses,
        "created_at": record.created_at,
        "created_by": record.created_by[:100],
        "token_id": record.token_id,
    }
    return _webhook(tx.execute(insert(webhook).values(row).returning(*_COLUMNS)).one())


def number_of(tx: Connection, token_id: int | None) -> int:
    """How many webhooks depend on a token."""
    mine = webhook.c.token_id == token_id
    return tx.scalar(select(func.count()).select_from(webhook).where(mine)) or 0


def all_webhooks(tx: Connection) -> list[Webhook]:
    return [_webhook(row) for row in tx.execute(select(*_COLUMNS).order_by(webhook.c.id))]


def webhook_page(tx: Connection, reach: DataScope, after: int, most: int) -> list[Webhook]:
    """Those whose data lie within a reach."""
    query = select(*_COLUMNS).where(webhook.c.id > after, *within(reach))
    return [_webhook(row) for row in tx.execute(query.order_by(webhook.c.id).limit(most))]


def within(reach: DataScope) -> list[ColumnElement[bool]]:
    """The conditions for webhooks within a data scope."""
    if reach.centre:
        return [webhook.c.centre == reach.centre]
    if reach.region:
        there = select(centre.c.code).where(centre.c.region == reach.region)
        return [or_(webhook.c.region == reach.region, webhook.c.centre.in_(there))]
    return []


def webhook_row(
    tx: Connection, number: int, reach: DataScope | None = None, *, lock: bool = False
) -> Webhook | None:
    """A webhook by its number; with ``reach``, one whose data lie within it. With ``lock`` nobody
    else changes it before the transaction ends."""
    conditions = within(reach) if reach is not None else []
    query = select(*_COLUMNS).where(webhook.c.id == number, *conditions)
    if lock:
        query = query.with_for_update(key_share=True)  # messages may be added all the same
    row = tx.execute(query).first()
    return None if row is None else _webhook(row)


@dataclass(frozen=True, slots=True)
class Locked:
    """What of a webhook is encrypted: its whole address, and the secrets that messages are signed
    with, the newest first."""

    address: bytes
    secrets: tuple[bytes, ...]


def locked_parts(tx: Connection, number: int, now: datetime) -> Locked:
    """None of it is there where there is no such webhook."""
    columns = webhook.c.locked_address, webhook.c.secret, webhook.c.old_secret, webhook.c.old_until
    row = tx.execute(select(*columns).where(webhook.c.id == number)).first()
    if row is None:
        return Locked(b"", ())
    both = row.old_until is not None and now < row.old_until
    return Locked(row.locked_address, (row.secret, row.old_secret) if both else (row.secret,))


def without_token(tx: Connection, now: datetime) -> list[tuple[int, str]]:
    """Active webhooks whose token ended, each with the reason to switch it off."""
    revoked = api_token.c.revoked_at.is_not(None)
    query = (
        select(webhook.c.id, api_token.c.prefix, revoked)
        .join(api_token, api_token.c.id == webhook.c.token_id)
        .where(webhook.c.active, or_(revoked, api_token.c.expires_at <= now))
        .order_by(webhook.c.id)
    )
    return [
        (number, f"its token {prefix} {'was revoked' if by_hand else 'expired'}")
        for number, prefix, by_hand in tx.execute(query)
    ]


def renew_secret(tx: Connection, number: int, locked: bytes, old_until: datetime | None) -> None:
    """Gives a webhook another secret. The one that it had counts until then; None: no more."""
    old = webhook.c.secret if old_until is not None else None
    _set(tx, number, secret=locked, old_secret=old, old_until=old_until)


def remove_webhook_row(tx: Connection, number: int) -> Webhook | None:
    """Removes a webhook, and with it the log of what it was sent. Gives it as it was; None where
    somebody else has removed it."""
    # No message may be added between the two: it would keep the webhook from being removed.
    tx.execute(select(webhook.c.id).where(webhook.c.id == number).with_for_update())
    tx.execute(delete(webhook_delivery).where(webhook_delivery.c.webhook_id == number))
    row = tx.execute(delete(webhook).where(webhook.c.id == number).returning(*_COLUMNS)).first()
    return None if row is None else _webhook(row)


def switch_on(tx: Connection, number: int, token_id: int | None) -> None:
    """``token_id``: the token that it depends on from now on."""
    _set(
        tx,
        number,
        active=True,
        token_id=token_id,
        failing_since=None,
        reason="",
        rest_until=None,
    )


def switch_off(tx: Connection, number: int, reason: str) -> None:
    _set(tx, number, active=False, reason=reason[:255])


def got_through(tx: Connection, number: int) -> None:
    _set(tx, number, failing_since=None, rest_until=None)


def note_failing(tx: Connection, number: int, since: datetime, rest_until: datetime) -> None:
    _set(tx, number, failing_since=since, rest_until=rest_until)


def wake(tx: Connection, number: int) -> None:
    """Somebody wants something sent at once."""
    _set(tx, number, rest_until=None)


def _set(tx: Connection, number: int, **values: object) -> None:
    tx.execute(update(webhook).where(webhook.c.id == number).values(**values))


def webhooks_with_secrets(
    found: Iterable[Webhook], event: Event, centre_code: str, region: str
) -> list[Webhook]:
    """The webhooks among these that receive an event at a centre of a region."""
    return [
        each
        for each in found
        if each.active
        and event in each.events
        and each.reach.centre in ("", centre_code)
        and each.reach.region in ("", region)
    ]


# Deliveries: one event for one webhook.

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
    """One attempt to deliver. ``status`` is 0 without a response. ``code`` is the kind of failure,
    and empty after a success."""

    at: datetime
    milliseconds: int = 0
    status: int = 0
    code: str = ""
    error: str = ""


def state_of(row: Any) -> str:
    """The state of a delivery: it arrived, waits for an attempt, or is given up."""
    if row.delivered_at is not None:
        return DELIVERED
    return DEAD if row.next_attempt is None else WAITING


def add_deliveries(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds deliveries; existing ones stay."""
    insert_missing(tx, webhook_delivery, rows, _KEY)


def due_webhooks(tx: Connection, now: datetime) -> list[Webhook]:
    """The active webhooks for which something waits to be sent now."""
    # Asked of each webhook: there are few of them, and perhaps very many messages that wait.
    first = select(webhook_delivery.c.id).where(
        _WAITS,
        webhook_delivery.c.webhook_id == webhook.c.id,
        webhook_delivery.c.next_attempt <= now,
    )
    query = select(*_COLUMNS).where(
        webhook.c.active,
        or_(webhook.c.rest_until.is_(None), webhook.c.rest_until <= now),
        first.limit(1).scalar_subquery().is_not(None),
    )
    return [_webhook(row) for row in tx.execute(query.order_by(webhook.c.id))]


def claim_delivery(
    tx: Connection, webhook_id: int, now: datetime, until: datetime
) -> Delivery | None:
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


def note_arrived(tx: Connection, delivery: Delivery, attempt: Attempt) -> None:
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


def note_failed(
    tx: Connection, delivery: Delivery, attempt: Attempt, again_at: datetime | None
) -> None:
    """``again_at`` is None where the delivery is given up. One that somebody sent again
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
    if kept.rowcount != 1 and find_delivery(tx, delivery.id) is None:
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


def delivery_log(
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


def find_delivery(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(select(webhook_delivery).where(webhook_delivery.c.id == number)).first()


def send_again(tx: Connection, number: int, now: datetime) -> None:
    """Sends a delivery once more, at once, and tries as often as a new one."""
    tx.execute(
        update(webhook_delivery)
        .where(webhook_delivery.c.id == number)
        .values(next_attempt=now, delivered_at=None, attempts=0)
    )


def purge_deliveries(tx: Connection, before: datetime) -> None:
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
