"""Adding webhooks, trying them, and looking after them."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.audit import by_command
from lms_bridge.cli.numbers import NUMBER
from lms_bridge.cli.output import say, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.cli.webhook.group import json_option, told, webhook
from lms_bridge.domain.access import Reach
from lms_bridge.domain.events import Event
from lms_bridge.reference import reference
from lms_bridge.webhooks import keeping


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
        by=by_command(),
        private_addresses=bridge.settings.network.private_addresses,
    )
    if in_json:
        tell_json({**told(made), "secret": secret})
        return
    say(secret)
    say(f"This is shown only now. Try it: lms-bridge webhook ping {made.id}")


@webhook.command()
@click.argument("number", type=NUMBER)
@with_bridge
def remove(bridge: Bridge, number: int) -> None:
    """Removes a webhook, and the log of what it was sent."""
    keeping.remove_webhook(bridge.database, number, by=by_command())
    say(f"Webhook {number} is removed.")


@webhook.command()
@click.argument("number", type=NUMBER)
@with_bridge
def enable(bridge: Bridge, number: int) -> None:
    """Lets a webhook that was switched off be told again of what changes from now on."""
    keeping.enable_webhook(bridge.database, number, by=by_command())
    say(f"Webhook {number} is active.")


@webhook.command()
@click.argument("number", type=NUMBER)
@click.option(
    "--hours",
    default=keeping.OLD_HOURS,
    show_default=True,
    type=click.IntRange(0, keeping.MOST_OLD_HOURS),
    help="For so long messages are signed with the secret before, too.",
)
@json_option
@with_bridge
def renew(bridge: Bridge, number: int, hours: int, in_json: bool) -> None:
    """Gives a webhook another secret and shows it, this once."""
    made, secret = keeping.renew_secret(
        bridge.database, bridge.vault, number, by=by_command(), hours=hours
    )
    if in_json:
        tell_json({**told(made), "secret": secret})
        return
    say(secret)
    until = f"The one before counts until {when(made.old_until)}." if made.old_until else ""
    say(f"This is shown only now. {until}".strip())


@webhook.command()
@click.argument("number", type=NUMBER)
@with_bridge
def ping(bridge: Bridge, number: int) -> None:
    """Sends a trial to a webhook: the bridge that is being served does it within seconds."""
    message = keeping.ping_webhook(bridge.database, number, datetime.now(UTC))
    say(f"The trial {message} is sent as soon as the clock looks: see `webhook show {number}`.")


@webhook.command()
@click.argument("number", type=NUMBER)
@with_bridge
def resend(bridge: Bridge, number: int) -> None:
    """Sends a message once more, by the number that `webhook show` tells."""
    keeping.resend_delivery(bridge.database, number, by=by_command())
    say(f"Delivery {number} is sent as soon as the clock looks.")
