"""`lms-bridge account`: who may sign in, and as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from lms_bridge.accounts import service
from lms_bridge.accounts.mail import try_server
from lms_bridge.accounts.service import NewAccount
from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import print_json, print_line, table, warn, when
from lms_bridge.console.session import by_command, json_option, with_bridge
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.roles import Grant, Role
from lms_bridge.http.origins import is_trustworthy
from lms_bridge.reference import reference
from lms_bridge.store import accounts as stored
from lms_bridge.store import learners, mail_failures
from lms_bridge.store.accounts import UserAccount
from lms_bridge.web.languages import LANGUAGES
from lms_bridge.web.sessions import link_address

_WHO = click.argument("who")
_ROLE = click.argument("role", type=click.Choice([role.value for role in Role]))
_CENTRE = click.option("--centre", default="", help="The role is for this centre.")
_REGION = click.option("--region", default="", help="The role is for this region.")
Command = Callable[..., Any]


def _reach(command: Command) -> Command:
    return _CENTRE(_REGION(command))


@click.command()
@click.argument("email")
@click.option("--name", default="", help="The person's name.")
@click.option(
    "--role",
    default="",
    type=click.Choice(["", *(role.value for role in Role)]),
    help="A first role.",
)
@_reach
@click.option(
    "--language",
    default="",
    type=click.Choice(["", *LANGUAGES]),
    help="The language of mail to the person.",
)
@with_bridge
def add(
    bridge: Bridge, email: str, name: str, role: str, centre: str, region: str, language: str
) -> None:
    """Adds an account, with a role if one is named."""
    grants = [Grant(Role(role), DataScope(centre, region))] if role else []
    if not role and (centre or region):
        raise click.UsageError("A centre or a region goes with a --role.")
    made = service.add_account(
        bridge.database,
        NewAccount(email, name, grants, language),
        list(reference().regions),
        by=by_command(),
    )
    print_line(f"Account {made.number} is added. A sign-in link: account link {made.number}")


@click.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """Lists all accounts, with their roles."""
    found, after = list[UserAccount](), 0
    with bridge.database.reading() as tx:
        while page := stored.all_accounts(tx, after=after):
            found += page
            after = page[-1].number
    if in_json:
        print_json([document(each) for each in found])
    elif not found:
        print_line("There is no account yet. See `lms-bridge account add --help`.")
    else:
        table(
            ["number", "e-mail", "name", "roles", "second factor", "status"],
            [
                (
                    each.number,
                    each.email,
                    each.name,
                    ", ".join(map(str, each.grants)) or "none",
                    "yes" if each.has_totp else "no",
                    _status(each),
                )
                for each in found
            ],
        )


@click.command()
@_WHO
@json_option
@with_bridge
def show(bridge: Bridge, who: str, in_json: bool) -> None:
    """Shows the account with this number or e-mail address."""
    with bridge.database.reading() as tx:
        found = service.find_account(tx, who)
    shown = document(found)
    if in_json:
        print_json(shown)
        return
    for name, value in {
        **shown,
        "roles": ", ".join(map(str, found.grants)) or "none",
        "created_at": when(found.created_at),
        "disabled_at": when(found.disabled_at),
    }.items():
        print_line(f"{name}: {value}")


def document(account: UserAccount) -> dict[str, object]:
    return {
        "number": account.number,
        "email": account.email,
        "name": account.name,
        "language": account.language,
        "status": _status(account),
        "password": account.has_password,
        "second_factor": account.has_totp,
        "roles": [
            {"role": str(each.role), "centre": each.reach.centre, "region": each.reach.region}
            for each in account.grants
        ],
        "created_at": plain(account.created_at),
        "disabled_at": plain(account.disabled_at),
    }


def _status(account: UserAccount) -> str:
    return "active" if account.disabled_at is None else "disabled"


@click.command()
@_WHO
@_ROLE
@_reach
@with_bridge
def grant(bridge: Bridge, who: str, role: str, centre: str, region: str) -> None:
    """Gives the account a ROLE, for a centre, for a region, or for everything."""
    given = Grant(Role(role), DataScope(centre, region))
    found = service.grant_role(
        bridge.database, who, given, list(reference().regions), by=by_command()
    )
    print_line(f"Account {found.number} is {given}.")


@click.command()
@_WHO
@_ROLE
@_reach
@with_bridge
def revoke(bridge: Bridge, who: str, role: str, centre: str, region: str) -> None:
    """Takes a ROLE away, at once. It is named as it was given."""
    taken = Grant(Role(role), DataScope(centre, region))
    found = service.revoke_role(bridge.database, who, taken, by=by_command())
    print_line(f"Account {found.number} is no longer {taken}.")


@click.command()
@_WHO
@with_bridge
def disable(bridge: Bridge, who: str) -> None:
    """Ends every session of an account, and lets nobody sign in with it."""
    found = service.disable_account(bridge.database, who, by=by_command())
    print_line(f"Account {found.number} is disabled.")


@click.command()
@_WHO
@with_bridge
def enable(bridge: Bridge, who: str) -> None:
    """Lets a disabled account sign in again."""
    found = service.enable_account(bridge.database, who, by=by_command())
    print_line(f"Account {found.number} is enabled.")


@click.command()
@_WHO
@with_bridge
def reset(bridge: Bridge, who: str) -> None:
    """Takes the password and the second factor away, for a person who has lost them."""
    found = service.reset_factors(bridge.database, who, by=by_command())
    print_line(f"Account {found.number} has no password and no second factor now.")


@click.command()
@_WHO
@with_bridge
def link(bridge: Bridge, who: str) -> None:
    """Prints a link that signs the account in, once."""
    limits, address = bridge.settings.sign_in, bridge.settings.public_address
    found, made, secret = service.make_account_link(bridge.database, who, limits, by=by_command())
    print_line(link_address(address, secret))
    print_line(
        f"The link signs account {found.number} in once, within {limits.link_minutes:g} minutes. "
        f"Revoke it: operator revoke {made.number}"
    )
    if not is_trustworthy(address):
        warn(f"{address} is not https: others on the network can read the session.")


@click.command()
@click.pass_context
@with_bridge
def mail(bridge: Bridge, ctx: click.Context) -> None:
    """Asks the mail server of the settings whether it works. It sends nothing."""
    settings = bridge.settings.mail
    if not settings.host:
        raise click.UsageError("The settings name no mail server: see [mail] in docs/settings.md.")
    where, reason = f"{settings.host}:{settings.port}", try_server(settings)
    if reason:
        print_line(f"{where} cannot be used ({settings.security}): {reason}", "red")
        print_line("Correct [mail] in the settings, or the server. `account link WHO` needs none.")
        ctx.exit(session.SOME_FAILED)
    with bridge.database.writing() as tx:
        mail_failures.forget(tx)
    print_line(f"{where} takes messages ({settings.security}). None was sent.", "green")


@click.command("learner")
@_WHO
@click.argument("academy_id", required=False)
@click.option("--none", "nobody", is_flag=True, help="The account is no learner any more.")
@with_bridge
def learner_(bridge: Bridge, who: str, academy_id: str | None, nobody: bool) -> None:
    """Says which learner, by the Academy's id, the person is."""
    if nobody is bool(academy_id):
        raise click.UsageError("Name the Academy's id of the learner, or --none.")
    by = by_command()
    with bridge.database.writing() as tx:
        found = service.find_account(tx, who)
        if not academy_id:
            service.part_learner(tx, found, by)
            print_line(f"Account {found.number} is no learner.")
            return
        known = learners.learners_by_academy_id(tx, [academy_id]).get(academy_id)
        if known is None:
            raise NotFound("no-such-learner", "There is no learner with this id of the Academy.")
        service.link_learner(tx, found, known[0], by)
    print_line(f"Account {found.number} is learner {known[0]}.")
