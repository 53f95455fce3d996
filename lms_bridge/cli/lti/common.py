"""What the commands share: the connection with a number, the choices of privacy."""

from __future__ import annotations

from typing import Any

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import NotFound
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party

_PRIVACY = {
    "name": "Whether the tool gets learners' names.",
    "email": "Whether it gets their e-mail addresses.",
    "sourced-id": "Whether it gets the Academy's ids of them besides its own.",
    "pseudonyms": "Whether it knows them by ids that mean nothing anywhere else.",
}


def privacy_options(command: Any) -> Any:
    for name, text in reversed(_PRIVACY.items()):
        command = click.option(f"--{name}/--no-{name}", default=None, help=text)(command)
    return command


def find(bridge: Bridge, number: int) -> Party:
    """Raises NotFound."""
    with bridge.database.reading() as tx:
        party = parties.find(tx, number)
    if party is None:
        raise NotFound(
            "no-such-party", f"There is no connection {number}.", "See `lms-bridge lti list`."
        )
    return party


def private_addresses(bridge: Bridge, centre: str) -> bool:
    """Whether the centre's systems may have private addresses, as for its other connections."""
    sample = bool(centre) and bridge.centre(centre).sample
    return bridge.settings.network.private_addresses or sample
