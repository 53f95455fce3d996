"""Webhooks, and the log of what they were sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.numbers import NUMBER
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.cli.webhook.group import json_option, told, webhook
from lms_bridge.domain.document import document
from lms_bridge.domain.events import Webhook
from lms_bridge.store import deliveries, webhooks
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.store.deliveries import Attempt
from lms_bridge.webhooks import keeping

_SHOWN = 20


@webhook.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All webhooks, without their secrets."""
    with bridge.database.reading() as tx:
        found = webhooks.all_webhooks(tx)
    if in_json:
        tell_json([told(each) for each in found])
    elif not found:
        say("There is no webhook yet. See `lms-bridge webhook add --help`.")
    else:
        table(
            ["number", "name", "host", "reaches", "events", "status"],
            [
                (
                    each.id,
                    each.name,
                    urlsplit(each.address).hostname or "",
                    each.reach,
                    " ".join(sorted(each.events)),
                    _status(each),
                )
                for each in found
            ],
        )


def _status(each: Webhook) -> str:
    if not each.active:
        return f"off: {each.reason}" if each.reason else "off"
    return f"failing since {when(each.failing_since)}" if each.failing_since else "active"


@webhook.command()
@click.argument("number", type=NUMBER)
@json_option
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """One webhook, and what it was sent last."""
    with bridge.database.reading() as tx:
        found = keeping.find_webhook(tx, number)
        rows = deliveries.log(tx, 0, _SHOWN, webhook_delivery.c.webhook_id == number)
        attempts = deliveries.attempts_of(tx, [row.id for row in rows])
    if in_json:
        lines = [_line(row, attempts.get(row.id, [])) for row in rows]
        tell_json({**told(found), "deliveries": lines})
        return
    say(f"{found.name or 'Webhook'} {found.id}: {found.address}")
    say(f"Reaches {found.reach}; {_status(found)}; {', '.join(sorted(found.events))}")
    if rows:
        say()
        names = ["number", "event", "state", "attempts", "status", "at", "error"]
        table(
            names,
            [
                (
                    row.id,
                    row.event,
                    deliveries.state_of(row),
                    row.attempts,
                    row.status or "-",
                    when(row.attempted_at),
                    row.error,
                )
                for row in rows
            ],
        )
        say(f"Every attempt of one of them: lms-bridge webhook delivery {rows[0].id}")


@webhook.command()
@click.argument("number", type=NUMBER)
@json_option
@with_bridge
def delivery(bridge: Bridge, number: int, in_json: bool) -> None:
    """One delivery, by the number that `webhook show` tells, with every attempt."""
    with bridge.database.reading() as tx:
        row = keeping.find_delivery(tx, number)
        attempts = deliveries.attempts_of(tx, [number]).get(number, [])
    if in_json:
        tell_json(_line(row, attempts))
        return
    state = deliveries.state_of(row)
    until = f" until {when(row.next_attempt)}" if state == deliveries.WAITING else ""
    say(f"Delivery {row.id} to webhook {row.webhook_id}: {row.event}, {state}{until}")
    say(f"Message {row.message}")
    if attempts:
        say()
        table(
            ["at", "took", "status", "code", "error"],
            [
                (
                    when(each.at),
                    f"{each.milliseconds} ms",
                    each.status or "-",
                    each.code or "arrived",
                    each.error,
                )
                for each in attempts
            ],
        )


def _line(row: Any, attempts: list[Attempt]) -> dict[str, Any]:
    return {
        "number": row.id,
        "message": row.message,
        "event": row.event,
        "state": deliveries.state_of(row),
        "attempts": row.attempts,
        "status": row.status,
        "error": row.error,
        "data": row.body.get("data", {}),
        "created_at": row.created_at,
        "attempted_at": row.attempted_at,
        "next_attempt": row.next_attempt,
        "delivered_at": row.delivered_at,
        "log": [document(each) for each in attempts],
    }
