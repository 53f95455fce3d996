"""Webhooks: where events are sent to. Their secrets are kept encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from lms_bridge.domain.access import Reach
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.store.api_tables import webhook, webhook_delivery
from lms_bridge.store.tables import centre

_COLUMNS = [column for column in webhook.c if column.name not in ("secret", "old_secret")]
_KNOWN = frozenset(map(str, Event))


def _webhook(row: Any) -> Webhook:
    return Webhook(
        row.id,
        row.name,
        row.address,
        frozenset(Event(each) for each in row.events if each in _KNOWN),
        Reach(row.centre, row.region),
        row.active,
        row.private_addresses,
        row.created_at,
        row.created_by,
        row.failing_since,
        row.reason,
        row.rest_until,
        row.old_until,
    )


def add(tx: Connection, record: Webhook, locked: bytes) -> Webhook:
    """Adds a webhook with its locked secret, and gives it with its number."""
    row = {
        "centre": record.reach.centre,
        "region": record.reach.region,
        "name": record.name[:255],
        "address": record.address,
        "secret": locked,
        "events": sorted(record.events),
        "private_addresses": record.private_addresses,
        "created_at": record.created_at,
        "created_by": record.created_by[:100],
    }
    return _webhook(tx.execute(insert(webhook).values(row).returning(*_COLUMNS)).one())


def number_of(tx: Connection, created_by: str) -> int:
    """How many webhooks somebody has added that are still there."""
    mine = webhook.c.created_by == created_by[:100]
    return tx.scalar(select(func.count()).select_from(webhook).where(mine)) or 0


def all_webhooks(tx: Connection) -> list[Webhook]:
    return [_webhook(row) for row in tx.execute(select(*_COLUMNS).order_by(webhook.c.id))]


def page(tx: Connection, reach: Reach, after: int, most: int) -> list[Webhook]:
    """Those whose data lie within a reach."""
    query = select(*_COLUMNS).where(webhook.c.id > after, *within(reach))
    return [_webhook(row) for row in tx.execute(query.order_by(webhook.c.id).limit(most))]


def within(reach: Reach) -> list[ColumnElement[bool]]:
    """The conditions for webhooks that are told of nothing beyond a reach."""
    if reach.centre:
        return [webhook.c.centre == reach.centre]
    if reach.region:
        there = select(centre.c.code).where(centre.c.region == reach.region)
        return [or_(webhook.c.region == reach.region, webhook.c.centre.in_(there))]
    return []


def find(
    tx: Connection, number: int, reach: Reach | None = None, *, lock: bool = False
) -> Webhook | None:
    """A webhook by its number; with ``reach``, one whose data lie within it. With ``lock`` nobody
    else changes it before the transaction ends."""
    conditions = within(reach) if reach is not None else []
    query = select(*_COLUMNS).where(webhook.c.id == number, *conditions)
    if lock:
        query = query.with_for_update(key_share=True)  # messages may be added all the same
    row = tx.execute(query).first()
    return None if row is None else _webhook(row)


def secrets_of(tx: Connection, number: int, now: datetime) -> list[bytes]:
    """The locked secrets that messages are signed with, the newest first; none where there is no
    such webhook."""
    columns = webhook.c.secret, webhook.c.old_secret, webhook.c.old_until
    row = tx.execute(select(*columns).where(webhook.c.id == number)).first()
    if row is None:
        return []
    both = row.old_until is not None and now < row.old_until
    return [row.secret, row.old_secret] if both else [row.secret]


def renew_secret(tx: Connection, number: int, locked: bytes, old_until: datetime | None) -> None:
    """Gives a webhook another secret. The one that it had counts until then; None: no more."""
    old = webhook.c.secret if old_until is not None else None
    _set(tx, number, secret=locked, old_secret=old, old_until=old_until)


def remove(tx: Connection, number: int) -> Webhook | None:
    """Removes a webhook, and with it the log of what it was sent. Gives it as it was; None where
    somebody else has removed it."""
    tx.execute(delete(webhook_delivery).where(webhook_delivery.c.webhook_id == number))
    row = tx.execute(delete(webhook).where(webhook.c.id == number).returning(*_COLUMNS)).first()
    return None if row is None else _webhook(row)


def switch_on(tx: Connection, number: int) -> None:
    _set(tx, number, active=True, failing_since=None, reason="", rest_until=None)


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


def telling(found: Iterable[Webhook], event: Event, centre_code: str, region: str) -> list[Webhook]:
    """Those of some webhooks that are to be told of an event at a centre of a region."""
    return [
        each
        for each in found
        if each.active
        and event in each.events
        and each.reach.centre in ("", centre_code)
        and each.reach.region in ("", region)
    ]
