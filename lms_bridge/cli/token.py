"""`lms-bridge token`: what programs show to be let in."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.audit import by_command
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.access import Reach, Scope, Token
from lms_bridge.reference import reference
from lms_bridge.store import tokens
from lms_bridge.sync.tokens import MOST_DAYS, MOST_PER_MINUTE, Wish, end_token, make_token


@click.group()
def token() -> None:
    """Tokens of the interface for programs (docs/api.md)."""


@token.command()
@click.argument("purpose")
@click.option("--centre", default="", help="The centre whose data it reaches.")
@click.option("--region", default="", help="The region whose centres' data it reaches.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may be used for; repeatable.",
)
@click.option(
    "--days", default=0, type=click.IntRange(0, MOST_DAYS), help="How long it lasts; 0: always."
)
@click.option(
    "--per-minute",
    default=0,
    type=click.IntRange(0, MOST_PER_MINUTE),
    help="Requests in a minute; 0: as the settings say.",
)
@with_bridge
def create(
    bridge: Bridge,
    purpose: str,
    centre: str,
    region: str,
    scopes: tuple[str, ...],
    days: int,
    per_minute: int,
) -> None:
    """Makes a token and shows it, this once. Without a centre or a region it reaches everything:
    that is for the Academy's own operators."""
    made, text = make_token(
        bridge.database,
        Wish(purpose, [Scope(each) for each in scopes], Reach(centre, region), days, per_minute),
        list(reference().regions),
        by=by_command(),
    )
    say(text)
    say(f"This is shown only now. It reaches {made.reach}; end it: token revoke {made.prefix}")


@token.command("list")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All tokens, without their secrets."""
    with bridge.database.reading() as tx:
        found = tokens.all_tokens(tx)
    now = datetime.now(UTC)
    if in_json:
        tell_json([_told(each, now) for each in found])
    elif not found:
        say("There is no token yet. See `lms-bridge token create --help`.")
    else:
        table(
            ["token", "for", "reaches", "scopes", "status", "last used"],
            [
                (
                    each.prefix,
                    each.purpose,
                    each.reach,
                    " ".join(sorted(each.scopes)),
                    status_of(each, now),
                    when(each.used_at),
                )
                for each in found
            ],
        )


def status_of(each: Token, now: datetime) -> str:
    if each.revoked_at is not None:
        return "revoked"
    return "active" if each.usable(now) else "expired"


def _told(each: Token, now: datetime) -> dict[str, object]:
    return {
        "token": each.prefix,
        "purpose": each.purpose,
        "centre": each.reach.centre,
        "region": each.reach.region,
        "scopes": sorted(each.scopes),
        "status": status_of(each, now),
        "per_minute": each.per_minute,
        "created_at": each.created_at,
        "created_by": each.created_by,
        "expires_at": each.expires_at,
        "revoked_at": each.revoked_at,
        "used_at": each.used_at,
    }


@token.command()
@click.argument("prefix")
@with_bridge
def revoke(bridge: Bridge, prefix: str) -> None:
    """Ends a token at once, by the prefix that the list shows."""
    end_token(bridge.database, prefix, by=by_command())
    say(f"Token {prefix} is revoked.")
