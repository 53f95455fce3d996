"""Adding and changing centres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.centre.checking import Typed, centre_of, problems_of, warnings_of
from lms_bridge.cli.centre.token import TokenSource, ask, token_options
from lms_bridge.cli.output import say, warn
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Centre
from lms_bridge.reference import reference
from lms_bridge.registry import connector
from lms_bridge.store import centres

Command = TypeVar("Command", bound=Callable[..., Any])
_ANYTHING = "(a secret)"


def _fields(command: Command) -> Command:
    options = (
        click.option("--name", help="The centre's name for people."),
        click.option("--region", help="africa, americas, arab_states, asia_pacific, cis, europe."),
        click.option("--country", help="Two letters, such as KE."),
        click.option("--language", "languages", multiple=True, help="Such as fr. May be repeated."),
        click.option("--time-zone", help="Such as Africa/Nairobi."),
        click.option("--connector", help="The kind of LMS: moodle, files, ..."),
        click.option("--address", help="The LMS's address, or a folder's path for files."),
        click.option(
            "--membership",
            "memberships",
            multiple=True,
            metavar="CYCLE[=AREA;AREA]",
            help="A place in a cycle, with priority areas. May be repeated.",
        ),
        click.option(
            "-o",
            "--option",
            "options",
            multiple=True,
            metavar="NAME=VALUE",
            help="An option of the connector; empty: its default. May be repeated.",
        ),
        click.option(
            "--policy",
            "policy",
            multiple=True,
            metavar="NAME=VALUE",
            help="A policy, a limit or the catalogue's time for this centre alone; empty: the "
            "general one. May be repeated.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("code")
@_fields
@token_options
@with_bridge
def add(
    bridge: Bridge, /, code: str, token_env: str | None, token_stdin: bool, **fields: Any
) -> None:
    """Adds a centre. Asks for the LMS's token, which is kept encrypted; LTI needs none."""
    typed = Typed(**fields)
    blank = Centre(code=code.strip(), name="", region="", connector="moodle")
    centre, problems = centre_of(typed, blank)
    problems += _taken(bridge, centre.code)
    source = TokenSource(token_env, token_stdin)
    secret = source.read() if source.named else _ANYTHING
    problems += problems_of(centre, secret, bridge)
    if not problems and not source.named:
        secret = "" if connector(centre.connector, "centre").needs_lti else ask()
        problems = problems_of(centre, secret, bridge)
    if problems:
        raise SettingsInvalid(problems)
    with bridge.database.writing() as tx:
        centres.add(tx, centre, bridge.vault.lock(secret))
    _warn_of(centre)
    say(f"{centre.code} is added. Now: lms-bridge centre check {centre.code}")


@click.command()
@click.argument("code")
@_fields
@token_options
@click.option("--ask-token", is_flag=True, help="Ask for a new token.")
@with_bridge
def change(
    bridge: Bridge,
    /,
    code: str,
    token_env: str | None,
    token_stdin: bool,
    ask_token: bool,
    **fields: Any,
) -> None:
    """Changes what is named, and leaves the rest of a centre as it is."""
    before = bridge.centre(code)
    centre, problems = centre_of(Typed(**fields), before)
    source = TokenSource(token_env, token_stdin)
    with bridge.database.reading() as tx:
        secret = bridge.vault.unlock(centres.secret_of(tx, code))
    if source.named:
        secret = source.read()
    elif ask_token:
        secret = ask()
    problems += problems_of(centre, secret, bridge)
    if problems:
        raise SettingsInvalid(problems)
    new = bridge.vault.lock(secret) if source.named or ask_token else None
    with bridge.database.writing() as tx:
        centres.change(tx, centre, new)
    _warn_of(centre)
    say(f"{code} is changed." if new or centre != before else f"{code} was so already.")


@click.command()
@click.argument("code")
@with_bridge
def enable(bridge: Bridge, code: str) -> None:
    """Lets a disabled centre be synced again."""
    _set_active(bridge, code, True)
    say(f"{code} is enabled.")


@click.command()
@click.argument("code")
@with_bridge
def disable(bridge: Bridge, code: str) -> None:
    """Leaves a centre out of every sync. Nothing is removed, neither here nor there."""
    _set_active(bridge, code, False)
    say(f"{code} is disabled: no sync touches it.")


def _set_active(bridge: Bridge, code: str, active: bool) -> None:
    centre = bridge.centre(code)
    with bridge.database.writing() as tx:
        centres.change(tx, replace(centre, active=active))


def _taken(bridge: Bridge, code: str) -> list[str]:
    with bridge.database.reading() as tx:
        known = {each.code.casefold() for each in centres.all_centres(tx)}
    there = f"code: there is a centre {code} already; see `lms-bridge centre change`"
    return [there] if code.casefold() in known else []


def _warn_of(centre: Centre) -> None:
    for warning in warnings_of(centre, reference()):
        warn(warning)
