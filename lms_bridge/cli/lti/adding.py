"""`lms-bridge lti add-tool`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.audit import by_command
from lms_bridge.cli.lti.common import privacy_options, private_addresses
from lms_bridge.cli.lti.showing import say_values
from lms_bridge.cli.output import say
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.errors import Refused
from lms_bridge.lti import deciding
from lms_bridge.lti.parties import Party, Privacy, Side, Status
from lms_bridge.lti.platform.registration import check_addresses, new_client_id
from lms_bridge.lti.vocabulary import SCOPES


@click.command("add-tool")
@click.argument("title")
@click.option(
    "--centre", default="", help="The centre whose tool it is. Without it: the Academy's."
)
@click.option("--login-url", required=True, help="Where the tool starts a login.")
@click.option("--redirect-url", multiple=True, required=True, help="Where launches go; repeatable.")
@click.option("--keys-url", required=True, help="The tool's public key set.")
@click.option("--target-url", default="", help="What a launch opens. Without it: the redirect URL.")
@click.option("--deep-link-url", default="", help="Where resources are chosen.")
@click.option("--custom", multiple=True, help="NAME=VALUE of a custom parameter; repeatable.")
@privacy_options
@with_bridge
def add_tool(bridge: Bridge, /, title: str, centre: str, **given: Any) -> None:
    """Connects a tool by hand, and prints the values to enter on its side."""
    chosen = {key: given[key] for key in Privacy.__slots__ if given[key] is not None}
    party = Party(
        Side.TOOL,
        name=title,
        centre=centre,
        client_id=new_client_id(),
        deployment_ids=(new_client_id(),),
        initiate_login_uri=given["login_url"],
        redirect_uris=given["redirect_url"],
        jwks_uri=given["keys_url"],
        target_link_uri=given["target_url"] or given["redirect_url"][0],
        deep_link_uri=given["deep_link_url"],
        custom=_pairs(given["custom"]),
        scopes=SCOPES,
        privacy=replace(Privacy(), **chosen),
        status=Status.ACTIVE,
        private_addresses=private_addresses(bridge, centre),
    )
    check_addresses(party)
    with bridge.database.writing() as tx:
        party = deciding.add(tx, party, by_command())
    say(f"Connection {party.id} is active.")
    say_values(bridge.room.address, party)


def _pairs(custom: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in custom]
    if any(not name or not mark for name, mark, _ in pairs):
        raise Refused("bad-custom", "A custom parameter is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}
