"""`lms-bridge keys`: the keys that the bridge signs launches and tokens with."""

from __future__ import annotations

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.audit import by_command
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.lti.keys import KeyFacts


@click.group()
def keys() -> None:
    """The keys that the bridge signs launches and tokens with."""


@keys.command("list")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All keys: the one that signs, and those that are still published."""
    facts = bridge.room.keyring.facts()
    published = {each["kid"] for each in bridge.room.keyring.public_set()["keys"]}
    if in_json:
        tell_json(
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


@keys.command()
@with_bridge
def rotate(bridge: Bridge) -> None:
    """Makes a new key that signs from now on. The old one stays published for as long as anything
    that it signed can be valid."""
    say(f"Key {bridge.room.keyring.rotate(by_command())} signs from now on.")
