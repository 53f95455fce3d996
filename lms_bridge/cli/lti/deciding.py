"""`lms-bridge lti approve` and `reject`."""

from __future__ import annotations

from dataclasses import replace

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.lti.common import find, privacy_options
from lms_bridge.cli.output import say
from lms_bridge.cli.session import with_bridge
from lms_bridge.lti import deciding


@click.command()
@click.argument("number", type=int)
@privacy_options
@with_bridge
def approve(bridge: Bridge, /, number: int, **privacy: bool | None) -> None:
    """Lets a connection be used, and says which personal data go along."""
    party = find(bridge, number)
    chosen = {name: value for name, value in privacy.items() if value is not None}
    party = replace(party, privacy=replace(party.privacy, **chosen))
    with bridge.database.writing() as tx:
        deciding.approve(tx, party)
    say(f"Connection {number} is active.")


@click.command()
@click.argument("number", type=int)
@with_bridge
def reject(bridge: Bridge, number: int) -> None:
    """Ends a connection; one that was never approved is forgotten."""
    party = find(bridge, number)
    with bridge.database.writing() as tx:
        status = deciding.reject(tx, party)
    say(f"Connection {number} is {'gone' if status is None else status}.")
