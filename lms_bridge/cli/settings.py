"""`lms-bridge settings`: shows the effective settings and checks them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

import click
from sqlalchemy.engine import make_url

from lms_bridge.bridge import Bridge
from lms_bridge.cli.centre import show_findings
from lms_bridge.console.output import print_json, print_line, table
from lms_bridge.console.session import SOME_FAILED, CommandSession, current_session
from lms_bridge.domain.ports import Closes, ProbeFinding, Probes
from lms_bridge.reference import reference
from lms_bridge.settings import SECTIONS, Settings
from lms_bridge.store import migrate

HIDDEN = "(set, not shown)"
SECRET = frozenset({"secrets.key", "academy.token", "academy.events_secret"})
_SECRET_LIKE = re.compile(r"token|secret|password|key", re.IGNORECASE)


def show(*, in_json: bool) -> None:
    shown = dict(effective(current_session().settings))
    if in_json:
        print_json(shown)
    else:
        table(["setting", "value"], shown.items())


@click.command()
@click.pass_obj
def check(session: CommandSession) -> None:
    """Checks all settings at once, the database, and the Academy's side."""
    reference()
    with session.bridge() as bridge:
        print_line(f"The settings are in order; the tables are up to date ({migrate.newest()}).")
        broken = show_findings(list(_academy_findings(bridge)))
    if broken:
        click.get_current_context().exit(SOME_FAILED)


def _academy_findings(bridge: Bridge) -> Iterator[ProbeFinding]:
    academy = bridge.open_academy()
    try:
        if isinstance(academy, Probes):
            yield from academy.probe()
    finally:
        if isinstance(academy, Closes):
            academy.close()


def effective(settings: Settings) -> Iterator[tuple[str, object]]:
    """(name, value) of every setting, with secrets hidden."""
    for section, part in SECTIONS.items():
        values = getattr(settings, section)
        for field in fields(part):
            name = f"{section}.{field.name}"
            yield name, _shown(name, getattr(values, field.name))
    yield from _options(settings.academy_options)


def _options(options: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in options.items():
        hidden = value and _SECRET_LIKE.search(name)
        yield f"academy.options.{name}", HIDDEN if hidden else value


def _shown(name: str, value: object) -> object:
    if name in SECRET:
        return HIDDEN if value else ""
    if name == "store.address":
        return make_url(str(value)).render_as_string(hide_password=True)
    return value
