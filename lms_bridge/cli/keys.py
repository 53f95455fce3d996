"""`lms-bridge keys`: the keys that the bridge signs launches and tokens with."""

from __future__ import annotations

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import by_command, json_option, with_bridge
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.keys import KeyFacts


@click.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """Lists all keys: the one that signs, and those that are still published."""
    facts = lti_of(bridge).context.keyring.facts()
    published = {each["kid"] for each in lti_of(bridge).context.keyring.public_set()["keys"]}
    if in_json:
        print_json(
            [
                {
                    "kid": each.kid,
                    "state": _state(each, published),
                    "created_at": each.created_at,
                    "retired_at": each.retired_at,
                }
                for each in facts
            ]
        )
        return
    table(
        ["key", "state", "made", "replaced"],
        [
            (each.kid, _state(each, published), when(each.created_at), when(each.retired_at))
            for each in facts
        ],
    )


def _state(facts: KeyFacts, published: set[str]) -> str:
    if facts.retired_at is None:
        return "signs"
    return "published" if facts.kid in published else "over"


@click.command()
@with_bridge
def rotate(bridge: Bridge) -> None:
    """Makes a new key that signs from now on. The old one stays published for as long as anything
    that it signed can be valid."""
    print_line(f"Key {lti_of(bridge).context.keyring.rotate(by_command())} signs from now on.")
