"""The audit of webhooks: who added, changed, switched or removed one, and what it was before."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import Connection

from lms_bridge.domain.document import Json, difference, plain
from lms_bridge.domain.events import Webhook
from lms_bridge.logs import redacted_text
from lms_bridge.sync.auditing import By, Changed, Fields, Subject, filled, keep

SECRET: Fields = {"secret": None}


def note(
    tx: Connection,
    by: By,
    action: str,
    before: Webhook | None,
    after: Webhook | None,
    more: Fields | None = None,
) -> None:
    """Keeps what becomes of a webhook, with ``more`` fields than its own: ``before`` is None where
    it is new, ``after`` where it is removed. What changes nothing is not kept."""
    fields = {**(more or {}), **difference(_told(before), _told(after))}
    webhook = after or before
    if webhook is None or not fields:
        return
    name = f"{webhook.id} {redacted_text(webhook.name) or _host(webhook)}"
    changed = Changed(Subject.WEBHOOK, webhook.id, name, webhook.reach.centre)
    keep(tx, by, changed, action, fields)


def _host(webhook: Webhook) -> str:
    """Of an address nothing more is told: a path or a query may be as good as a password."""
    return urlsplit(webhook.address).hostname or ""


def _told(webhook: Webhook | None) -> dict[str, Json]:
    if webhook is None:
        return {}
    return filled(
        {
            "name": redacted_text(webhook.name),
            "host": _host(webhook),
            "events": plain(sorted(webhook.events)),
            "centre": webhook.reach.centre,
            "region": webhook.reach.region,
            "private_addresses": webhook.private_addresses,
            "active": webhook.active,
            "reason": webhook.reason,
            "failing_since": plain(webhook.failing_since),
            "old_until": plain(webhook.old_until),
        }
    )
