"""`lms-bridge export`: CSV files out of the bridge, which `import` reads again."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.output import say
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv import write_offerings, write_registrations, write_results
from lms_bridge.store import centres
from lms_bridge.sync.files.records import Records, offering_rows, registration_rows, result_rows

Write = Callable[[BinaryIO, Iterable[Raw]], int]


@click.group()
def export() -> None:
    """Writes CSV files (docs/files.md). FILE may be - for standard output."""


def _exporting(name: str, records: Records, write: Write, meaning: str) -> click.Command:
    @click.command(name, help=meaning)
    @click.argument("file")
    @click.option("--centre", "code", default="", help="Of this centre alone.")
    @with_bridge
    def command(bridge: Bridge, file: str, code: str) -> None:
        raws = _raws(bridge, records, code)
        if file == "-":
            write(cast(BinaryIO, sys.stdout.buffer), raws)
            return
        with _replacing(Path(file)) as stream:
            number = write(stream, raws)
        say(f"{number} row(s) written to {file}.")

    return command


for command in (
    _exporting("offerings", offering_rows, write_offerings, "Offerings that are listed."),
    _exporting(
        "registrations",
        registration_rows,
        write_registrations,
        "All enrolments, with their people.",
    ),
    _exporting("results", result_rows, write_results, "Scores and completions."),
):
    export.add_command(command)


def _raws(bridge: Bridge, records: Records, code: str) -> Iterator[Raw]:
    """The records of one centre, or of all; one centre's are in memory at a time."""
    if code:
        codes = [bridge.centre(code).code]
    else:
        with bridge.database.reading() as tx:
            codes = [each.code for each in centres.all_centres(tx)]
    for each in codes:
        with bridge.database.reading() as tx:
            yield from records(tx, each)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of the named one when it is whole. Only its owner may read it:
    it holds personal data."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
            part = Path(folder) / path.name
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                yield stream
            part.replace(path)
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise Refused("file-unwritable", f"{path}: {reason}.") from None
