"""`lms-bridge token`: what programs show to be let in."""

from __future__ import annotations

from datetime import datetime

import click

from lms_bridge.api import tokens
from lms_bridge.api.documents import token_document
from lms_bridge.api.tokens import MOST_DAYS, MOST_PER_MINUTE, NewToken, create_token, revoke_token
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import by_command, json_option, with_bridge
from lms_bridge.domain.access import TOKEN_SCOPES, DataScope, Scope, Token
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.reference import reference
from lms_bridge.webhooks.service import switch_off_without_token


@click.command()
@click.argument("purpose")
@click.option("--centre", default="", help="Only data of this centre.")
@click.option("--region", default="", help="Only data of centres in this region.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in TOKEN_SCOPES]),
    help="What the token may be used for. May be repeated.",
)
@click.option(
    "--days",
    default=0,
    type=click.IntRange(0, MOST_DAYS),
    help="How many days it lasts. 0: forever.",
)
@click.option(
    "--per-minute",
    default=0,
    type=click.IntRange(0, MOST_PER_MINUTE),
    help="Requests per minute. 0: the default of the settings.",
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
    """Creates a token and shows it, this once. Without a centre or a region it reaches all data:
    that is for the Academy's own operators."""
    made, text = create_token(
        bridge.database,
        NewToken(
            purpose, [Scope(each) for each in scopes], DataScope(centre, region), days, per_minute
        ),
        list(reference().regions),
        by=by_command(),
    )
    print_line(text)
    print_line(
        f"The token is shown only now. It reaches {made.reach}; end it: token revoke {made.prefix}"
    )


@click.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """Lists all tokens, without their secrets."""
    with bridge.database.reading() as tx:
        found = tokens.all_tokens(tx)
    now = utc_now()
    if in_json:
        per_minute = bridge.settings.api.requests_per_minute
        print_json([_document(each, now, per_minute) for each in found])
    elif not found:
        print_line("There is no token yet. See `lms-bridge token create --help`.")
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


def _document(each: Token, now: datetime, default_per_minute: int) -> dict[str, object]:
    return {
        **token_document(each, default_per_minute),
        "status": status_of(each, now),
        "created_at": plain(each.created_at),
        "created_by": each.created_by,
        "revoked_at": plain(each.revoked_at),
        "used_at": plain(each.used_at),
    }


@click.command()
@click.argument("prefix")
@with_bridge
def revoke(bridge: Bridge, prefix: str) -> None:
    """Revokes a token at once, by its prefix in the list."""
    by = by_command()
    revoke_token(bridge.database, prefix, by=by)
    for number in switch_off_without_token(bridge.database, by=by):
        print_line(f"Webhook {number} is switched off.")
    print_line(f"Token {prefix} is revoked.")
