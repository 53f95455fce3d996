"""The commands: push a file, here or to a bridge elsewhere; and a table to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli import exits
from lms_bridge.cli.centre.token import TokenSource, token_options
from lms_bridge.cli.output import say, tell_json
from lms_bridge.cli.schedule.here import push_here
from lms_bridge.cli.schedule.remote import Remote, push_there
from lms_bridge.cli.schedule.showing import show
from lms_bridge.cli.session import Session, with_bridge
from lms_bridge.domain.errors import Refused
from lms_bridge.schemas.schedule import CALENDAR, CSV, JSON
from lms_bridge.schemas.schedule.template import template as template_of

_MEDIA = {".json": JSON, ".csv": CSV, ".tsv": CSV, ".txt": CSV, ".ics": CALENDAR}


@click.group()
def schedule() -> None:
    """Pushes a centre's schedule (docs/api.md): JSON, CSV or iCalendar."""


@schedule.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--centre", "code", required=True, help="Whose schedule it is.")
@click.option(
    "--whole",
    is_flag=True,
    help="The file names everything: what earlier ones brought and this one leaves out has ended.",
)
@click.option("--dry-run", is_flag=True, help="Show every change, field by field; make none.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--url",
    default="",
    help="The address of a bridge elsewhere, as https://bridge.example.org; needs a token.",
)
@token_options
@click.pass_context
def push(
    ctx: click.Context,
    file: Path,
    code: str,
    whole: bool,
    dry_run: bool,
    in_json: bool,
    url: str,
    token_stdin: bool,
    token_env: str | None,
) -> None:
    """Pushes the offerings of FILE, whose name ends in .json, .csv or .ics."""
    octets, media = _read(file)
    source = TokenSource(token_env, token_stdin)
    if url:
        if not source.named:
            raise Refused("no-token", "--url needs a token: give --token-env or --token-stdin.")
        remote = Remote(url, source.read())
        answer = push_there(remote, code, octets, media, whole=whole, dry=dry_run, quiet=in_json)
    else:
        session = ctx.find_object(Session)
        if session is None:
            raise RuntimeError("commands run under `main`, which makes their session")
        with session.bridge() as bridge:
            answer = push_here(bridge, code, octets, media, whole=whole, dry=dry_run, quiet=in_json)
    if in_json:
        tell_json(answer)
    else:
        show(answer)
    ctx.exit(_exit(answer))


def _read(file: Path) -> tuple[bytes, str]:
    media = _MEDIA.get(file.suffix.lower())
    if media is None:
        known = ", ".join(_MEDIA)
        raise Refused(
            "file-unreadable", f"{file}: its name does not say what it holds.", f"Known: {known}."
        )
    try:
        return file.read_bytes(), media
    except OSError as error:
        raise Refused("file-unreadable", f"{file}: {error.strerror or 'cannot be read'}.") from None


def _exit(answer: Mapping[str, Any]) -> int:
    if answer["summary"]["refused"] or answer["notes"]:
        return exits.SOME_FAILED
    return exits.ALL_DONE if answer["hold"] is None else exits.WAITS_FOR_APPROVAL


@schedule.command()
@click.argument("file", type=click.File("wb", atomic=True), default="-")
@click.option("--centre", "code", required=True, help="Whose schedule it is to be.")
@with_bridge
def template(bridge: Bridge, file: BinaryIO, code: str) -> None:
    """Writes a table to FILE (else to standard output): the columns, what each may hold, and an
    example."""
    centre = bridge.centre(code)
    file.writelines(template_of(centre))
    if getattr(file, "name", "-") not in ("-", "<stdout>"):
        say(f"A table for {centre.code} is in {file.name}.")
