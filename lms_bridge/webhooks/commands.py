"""`lms-bridge webhook`: adds, tests and removes webhooks, and shows their deliveries."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import NUMBER, by_command, json_option, with_bridge
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.reference import reference
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.webhooks import service, storage
from lms_bridge.webhooks.schemas import delivery_document, webhook_document


def _document(each: Webhook) -> dict[str, Any]:
    return {
        **webhook_document(each),
        "private_addresses": each.private_addresses,
        "created_by": each.created_by,
    }


@click.command()
@click.argument("address")
@click.option("--name", default="", help="A name for the receiver.")
@click.option("--centre", default="", help="Only changes of this centre.")
@click.option("--region", default="", help="Only changes of centres in this region.")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice([event.value for event in Event]),
    help="An event to send. May be repeated. Default: all events.",
)
@click.option(
    "--private-addresses",
    is_flag=True,
    help="Allow http and addresses inside the bridge's own network.",
)
@json_option
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
    """Adds a webhook and shows its secret once. Without a centre or a region it receives the
    changes of all centres."""
    new = service.NewWebhook(
        name,
        address,
        [Event(each) for each in events] or list(Event),
        DataScope(centre, region),
        private_addresses,
    )
    made, secret = service.add_webhook(
        bridge.database,
        bridge.vault,
        new,
        list(reference().regions),
        by=by_command(),
        private_addresses=bridge.settings.network.private_addresses,
    )
    if in_json:
        print_json({**_document(made), "secret": secret})
        return
    print_line(secret)
    print_line(f"The secret is shown only now. Try it: lms-bridge webhook ping {made.id}")


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def remove(bridge: Bridge, number: int) -> None:
    """Removes a webhook and the log of its deliveries."""
    service.remove_webhook(bridge.database, number, by=by_command())
    print_line(f"Webhook {number} is removed.")


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def enable(bridge: Bridge, number: int) -> None:
    """Switches a webhook on again; later changes are sent."""
    service.enable_webhook(bridge.database, number, by=by_command())
    print_line(f"Webhook {number} is active.")


@click.command()
@click.argument("number", type=NUMBER)
@click.option(
    "--hours",
    default=service.OLD_HOURS,
    show_default=True,
    type=click.IntRange(0, service.MOST_OLD_HOURS),
    help="How long messages are also signed with the old secret.",
)
@json_option
@with_bridge
def renew(bridge: Bridge, number: int, hours: int, in_json: bool) -> None:
    """Gives a webhook a new secret and shows it once."""
    made, secret = service.renew_secret(
        bridge.database, bridge.vault, number, by=by_command(), hours=hours
    )
    if in_json:
        print_json({**_document(made), "secret": secret})
        return
    print_line(secret)
    until = f"The old secret is valid until {when(made.old_until)}." if made.old_until else ""
    print_line(f"The secret is shown only now. {until}".strip())


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def ping(bridge: Bridge, number: int) -> None:
    """Sends a test message to a webhook. The running service sends it within seconds."""
    message = service.ping_webhook(bridge.database, number, utc_now())
    print_line(
        f"The message {message} is sent within seconds. See `lms-bridge webhook show {number}`."
    )


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def resend(bridge: Bridge, number: int) -> None:
    """Sends a delivery once more. `webhook show` lists their numbers."""
    service.resend_delivery(bridge.database, number, by=by_command())
    print_line(f"Delivery {number} is sent within seconds.")


_SHOWN = 20


@click.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """Lists all webhooks without secrets."""
    with bridge.database.reading() as tx:
        found = storage.all_webhooks(tx)
    if in_json:
        print_json([_document(each) for each in found])
    elif not found:
        print_line("There is no webhook yet. See `lms-bridge webhook add --help`.")
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


@click.command()
@click.argument("number", type=NUMBER)
@json_option
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """Shows one webhook and its last deliveries."""
    with bridge.database.reading() as tx:
        found = service.find_webhook(tx, number)
        rows = storage.delivery_log(tx, 0, _SHOWN, webhook_delivery.c.webhook_id == number)
        attempts = storage.attempts_of(tx, [row.id for row in rows])
    if in_json:
        lines = [delivery_document(row, attempts.get(row.id, [])) for row in rows]
        print_json({**_document(found), "deliveries": lines})
        return
    print_line(f"{found.name or 'Webhook'} {found.id}: {found.address}")
    print_line(f"Reaches {found.reach}; {_status(found)}; {', '.join(sorted(found.events))}")
    if rows:
        print_line()
        names = ["number", "event", "state", "attempts", "status", "at", "error"]
        table(
            names,
            [
                (
                    row.id,
                    row.event,
                    storage.state_of(row),
                    row.attempts,
                    row.status or "-",
                    when(row.attempted_at),
                    row.error,
                )
                for row in rows
            ],
        )
        print_line(f"Every attempt of one of them: lms-bridge webhook delivery {rows[0].id}")


@click.command()
@click.argument("number", type=NUMBER)
@json_option
@with_bridge
def delivery(bridge: Bridge, number: int, in_json: bool) -> None:
    """Shows one delivery with every attempt. `webhook show` lists their numbers."""
    with bridge.database.reading() as tx:
        row, _ = service.find_delivery(tx, number)
        attempts = storage.attempts_of(tx, [number]).get(number, [])
    if in_json:
        print_json(delivery_document(row, attempts))
        return
    state = storage.state_of(row)
    until = f" until {when(row.next_attempt)}" if state == storage.WAITING else ""
    print_line(f"Delivery {row.id} to webhook {row.webhook_id}: {row.event}, {state}{until}")
    print_line(f"Message {row.message}")
    if attempts:
        print_line()
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
