"""`lms-bridge centre profile`: what the public is told of a centre."""

from __future__ import annotations

from typing import Any

import click

from lms_bridge.api.documents import centre_document
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line
from lms_bridge.console.session import by_command, json_option, with_bridge
from lms_bridge.domain.errors import Refused
from lms_bridge.network.decision import decide
from lms_bridge.network.profiles import change_profile
from lms_bridge.store import memberships


@click.command()
@click.argument("code")
@click.option(
    "--name-in",
    "names",
    multiple=True,
    metavar="LANGUAGE=NAME",
    help="The centre's name in a language; empty: none. May be repeated.",
)
@click.option("--country", help="Two letters of ISO 3166-1, such as KE.")
@click.option("--city", help="Where it is.")
@click.option("--site", help="The address of its site; https.")
@click.option("--contact", help="How the public reaches it: an office's address or telephone.")
@click.option("--logo", help="The address of its logo; https.")
@json_option
@with_bridge
def profile(
    bridge: Bridge, /, code: str, names: tuple[str, ...], in_json: bool, **fields: str | None
) -> None:
    """Changes the named fields of a centre's public profile and keeps the others."""
    changes: dict[str, Any] = {
        name: value.strip() for name, value in fields.items() if value is not None
    }
    if names:
        changes["names"] = dict(map(_name, names))
    centre, told = decide(bridge.database, change_profile(code, changes, by=by_command()))
    with bridge.database.reading() as tx:
        document = centre_document(centre, memberships.memberships_of(tx, code), told)
    if in_json:
        print_json(document)
        return
    where = ", ".join(each for each in (told.city, centre.country) if each) or "-"
    print_line(f"{code}: {centre.name}, {where}; {told.site or 'no site'}")
    for language, name in told.names.items():
        print_line(f"  {language}: {name}")


def _name(text: str) -> tuple[str, str]:
    language, equals, name = text.partition("=")
    if not equals:
        raise Refused("name-unclear", f"--name-in {text} is not LANGUAGE=NAME.")
    return language.strip(), name.strip()
