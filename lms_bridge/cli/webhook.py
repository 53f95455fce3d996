"""`lms-bridge webhook`: who is told of what changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.hold import user_name
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.access import Reach
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.reference import reference
from lms_bridge.store import deliveries, webhooks
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.webhooks import keeping

_SHOWN = 20
_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")


@click.group()
def webhook() -> None:
    """Webhooks: others are told of what changed (docs/webhooks.md)."""


@webhook.command()
@click.argument("address")
@click.option("--name", default="", help="Whose it is.")
@click.option("--centre", default="", help="The centre of whose data it is told.")
@click.option("--region", default="", help="The region of whose centres' data it is told.")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice([event.value for event in Event]),
    help="What it is told of; repeatable; all, if not said.",
)
@click.option(
    "--private-addresses",
    is_flag=True,
    help="The address may be http and inside the bridge's own net.",
)
@_json
@with_bridge
def add(
    bridge: Bridge,
    address: str,
    name: str,
    centre: str,
    region: str,
    events: tuple[str, ...],
    private_addresses: bool,
    in_json: bool,
) -> None:
    """Adds a webhook and shows its secret, this once. Without a centre or a region it is told of
    everything."""
    wish = keeping.Wish(
        name,
        address,
        [Event(each) for each in events] or list(Event),
        Reach(centre, region),
        private_addresses,
    )
    made, secret = keeping.add_webhook(
        bridge.database,
        bridge.vault,
        wish,
        list(reference().regions),
        by=user_name(),
        at=datetime.now(UTC),
        private_addresses=bridge.settings.network.private_addresses,
    )
    if in_json:
        tell_json({**_told(made), "secret": secret})
        return
    say(secret)
    say(f"This is shown only now. Try it: lms-bridge webhook ping {made.id}")


@webhook.command("list")
@_json
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All webhooks, without their secrets."""
    with bridge.database.reading() as tx:
        found = webhooks.all_webhooks(tx)
    if in_json:
        tell_json([_told(each) for each in found])
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


def _told(each: Webhook) -> dict[str, Any]:
    return {
        "number": each.id,
        "name": each.name,
        "address": each.address,
        "centre": each.reach.centre,
        "region": each.reach.region,
        "events": sorted(each.events),
        "active": each.active,
        "reason": each.reason,
        "failing_since": each.failing_since,
        "private_addresses": each.private_addresses,
        "created_at": each.created_at,
        "created_by": each.created_by,
    }


@webhook.command()
@click.argument("number", type=int)
@_json
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """One webhook, and what it was sent last."""
    with bridge.database.reading() as tx:
        found = keeping.find_webhook(tx, number)
        rows = deliveries.log(tx, 0, _SHOWN, webhook_delivery.c.webhook_id == number)
    if in_json:
        tell_json({**_told(found), "deliveries": [_line(row) for row in rows]})
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


def _line(row: Any) -> dict[str, Any]:
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
    }


@webhook.command()
@click.argument("number", type=int)
@with_bridge
def remove(bridge: Bridge, number: int) -> None:
    """Removes a webhook, and the log of what it was sent."""
    keeping.remove_webhook(bridge.database, number)
    say(f"Webhook {number} is removed.")


@webhook.command()
@click.argument("number", type=int)
@with_bridge
def enable(bridge: Bridge, number: int) -> None:
    """Lets a webhook that was switched off be told again of what changes from now on."""
    keeping.enable_webhook(bridge.database, number)
    say(f"Webhook {number} is active.")


@webhook.command()
@click.argument("number", type=int)
@with_bridge
def ping(bridge: Bridge, number: int) -> None:
    """Sends a trial to a webhook: the bridge that is being served does it within seconds."""
    message = keeping.ping_webhook(bridge.database, number, datetime.now(UTC))
    say(f"The trial {message} is sent as soon as the clock looks: see `webhook show {number}`.")


@webhook.command()
@click.argument("delivery", type=int)
@with_bridge
def resend(bridge: Bridge, delivery: int) -> None:
    """Sends a message once more, by the number that `webhook show` tells."""
    keeping.resend_delivery(bridge.database, delivery, datetime.now(UTC))
    say(f"Delivery {delivery} is sent as soon as the clock looks.")
