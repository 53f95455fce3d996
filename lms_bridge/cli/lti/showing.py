"""`lms-bridge lti list` and `show`."""

from __future__ import annotations

from typing import Any

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.lti.common import find
from lms_bridge.cli.numbers import NUMBER
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.lti import parties, values
from lms_bridge.lti.deciding import fingerprint
from lms_bridge.lti.parties import Party, Privacy, Side

_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")


@click.command("list")
@_json
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All connections, with those that wait for approval."""
    with bridge.database.reading() as tx:
        found = parties.all_parties(tx)
    if in_json:
        tell_json([_told(party) for party in found])
    elif not found:
        say("No learning system is connected yet. See `lms-bridge lti connect-link`.")
    else:
        table(
            ["number", "they are a", "centre", "name", "status", "since"],
            [
                (p.id, p.side, p.centre or "Academy", p.name, p.status, when(p.created_at))
                for p in found
            ],
        )


def _told(party: Party) -> dict[str, Any]:
    return {name: getattr(party, name) for name in Party.__slots__ if name != "privacy"} | {
        "privacy": {name: getattr(party.privacy, name) for name in Privacy.__slots__},
        "seen": fingerprint(party),
    }


@click.command()
@click.argument("number", type=NUMBER)
@_json
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """One connection, with the values to enter on its side."""
    party = find(bridge, number)
    if in_json:
        tell_json(_told(party))
        return
    for name, value in _told(party).items():
        say(f"{name.replace('_', ' ')}: {value if value not in ('', (), None) else '-'}")
    say()
    say_values(bridge.room.address, party)


def say_values(address: str, party: Party) -> None:
    """What an administrator enters where dynamic registration is not possible."""
    say(f"To enter at the {party.side}:")
    asked = (
        values.for_a_tool(address, party.client_id, party.deployment_ids)
        if party.side is Side.TOOL
        else values.for_a_platform(address)
    )
    for name, value in asked:
        say(f"  {name}: {value}")
