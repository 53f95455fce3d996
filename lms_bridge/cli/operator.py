"""`lms-bridge operator`: who may sign in to the operators' pages."""

from __future__ import annotations

import click

from lms_bridge.bridge import Bridge
from lms_bridge.cli.serve import at
from lms_bridge.console.output import print_json, print_line, table, warn, when
from lms_bridge.console.session import NUMBER, by_command, json_option, user_name, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.http.origins import is_trustworthy
from lms_bridge.settings import SignInSettings
from lms_bridge.web import sessions
from lms_bridge.web.sessions import Session, link_address


@click.command()
@click.option("--name", help="Whom it signs in, for the audit; by default your user name.")
@click.option("--host", help="Where `serve` listens, if it has --host.")
@click.option("--port", type=click.IntRange(1, 65535), help="The same for --port.")
@with_bridge
def link(bridge: Bridge, name: str | None, host: str | None, port: int | None) -> None:
    """Prints a link that signs an operator in, once."""
    limits, address = bridge.settings.sign_in, at(bridge.settings, host, port).public_address
    made, secret = sessions.make_operator_link(
        bridge.database, user_name() if name is None else name, limits, by_command()
    )
    print_line(link_address(address, secret))
    print_line(
        f"The link signs {made.name} in once, within {limits.link_minutes:g} minutes. "
        f"Revoke it: operator revoke {made.number}"
    )
    if not is_trustworthy(address):
        warn(f"{address} is not https: others on the network can read the session.")


@click.command("sessions")
@json_option
@with_bridge
def list_sessions(bridge: Bridge, in_json: bool) -> None:
    """Lists the sign-ins, and the links that are not used yet."""
    limits = bridge.settings.sign_in
    with bridge.database.reading() as tx:
        found = sessions.all_sessions(tx, limits, utc_now())
    if in_json:
        print_json([_document(each, limits) for each in found])
    elif not found:
        print_line("Nobody is signed in. See `lms-bridge operator link --help`.")
    else:
        table(
            ["number", "operator", "status", "signed in", "last seen", "ends"],
            [
                (
                    each.number,
                    each.name,
                    _status(each),
                    when(each.signed_in_at),
                    when(each.seen_at),
                    when(each.ends_at(limits)),
                )
                for each in found
            ],
        )


def _document(each: Session, limits: SignInSettings) -> dict[str, object]:
    return {
        "number": each.number,
        "name": each.name,
        "status": _status(each),
        "created_at": plain(each.created_at),
        "signed_in_at": plain(each.signed_in_at),
        "seen_at": plain(each.seen_at),
        "ends_at": plain(each.ends_at(limits)),
    }


def _status(each: Session) -> str:
    return "link" if each.signed_in_at is None else "signed in"


@click.command()
@click.argument("numbers", nargs=-1, type=NUMBER)
@click.option("--name", default="", help="All sessions and links of this operator.")
@with_bridge
def revoke(bridge: Bridge, numbers: tuple[int, ...], name: str) -> None:
    """Ends sessions and links at once, by their numbers in `operator sessions`, or all of one
    operator."""
    if not numbers and not name.strip():
        raise click.UsageError("Name the sessions by their numbers, or an operator with --name.")
    for each in sessions.revoke(bridge.database, numbers, name, by_command()):
        print_line(f"Session {each.number} of {each.name} is revoked.")
