"""`lms-bridge import`: CSV files into the bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli import exits
from lms_bridge.cli.files.rows import FileRows, rows_of
from lms_bridge.cli.files.taking import Taken, take_in
from lms_bridge.cli.output import clean, say, tell_json
from lms_bridge.cli.session import with_bridge
from lms_bridge.cli.summary import as_json, line_of, show_errors
from lms_bridge.cli.sync import show_changes
from lms_bridge.domain.model import Kind
from lms_bridge.store import reports
from lms_bridge.sync.importing import Share
from lms_bridge.sync.run import Report


@click.group("import")
def import_() -> None:
    """Takes CSV files in (docs/files.md). What another system owns is not changed by a file."""


def _importing(name: str, kind: Kind, meaning: str) -> click.Command:
    @click.command(name, help=meaning)
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--centre", "code", default="", help="Rows of this centre alone.")
    @click.option(
        "--whole",
        is_flag=True,
        help="The file names everything: what earlier files brought and this one leaves out has "
        "ended.",
    )
    @click.option("--dry-run", is_flag=True, help="Show every change, field by field; make none.")
    @click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
    @click.pass_context
    @with_bridge
    def command(
        bridge: Bridge,
        ctx: click.Context,
        file: Path,
        code: str,
        whole: bool,
        dry_run: bool,
        in_json: bool,
    ) -> None:
        centre = bridge.centre(code) if code else None
        rows = rows_of(file, kind, bridge.database, centre)
        if centre is not None and whole:
            rows.shares.setdefault(centre.code, Share())
        taken = take_in(bridge, kind, rows, whole=whole, dry=dry_run)
        problems = rows.problems + _refused(bridge, rows, taken.reports)
        if in_json:
            tell_json(_document(rows, taken, problems, dry_run))
        else:
            _tell(bridge, rows, taken, problems, dry_run)
        ctx.exit(exits.SOME_FAILED if problems else exits.of_reports(taken.reports))

    return command


for command in (
    _importing(
        "offerings", Kind.OFFERING, "Takes in a schedule. Its rows are of --centre, or name theirs."
    ),
    _importing("registrations", Kind.ENROLMENT, "Takes in the Academy's registrations."),
    _importing("results", Kind.RESULT, "Takes in scores and completions."),
):
    import_.add_command(command)


def _refused(bridge: Bridge, rows: FileRows, taken: Sequence[Report]) -> list[tuple[int, str]]:
    """The rows that the schemas refused, by their numbers; those told of already are left out."""
    told = {number for number, _ in rows.problems}
    items: list[Mapping[str, Any]] = []
    for report in taken:
        if report.run_id:
            with bridge.database.reading() as tx:
                found = reports.items_of(tx, report.run_id, most=1_000_000)
            items.extend(dict(item._mapping) for item in found)
        items.extend(report.changes)
    return [
        (number, f"Row {number}: {clean(item['message'])}")
        for item in items
        if item["state"] == "quarantined"
        and (number := rows.numbers.get(item["external_id"], 0)) not in told
    ]


def _tell(
    bridge: Bridge,
    rows: FileRows,
    taken: Taken,
    problems: Sequence[tuple[int, str]],
    dry_run: bool,
) -> None:
    say(f"{rows.total} row(s) read.")
    for _, problem in sorted(problems):
        say(f"  {problem}", "red")
    if rows.elsewhere:
        say(f"{rows.elsewhere} row(s) are of other centres: left alone.")
    if taken.same:
        say(f"{taken.same} row(s) say what the bridge holds already.")
    if dry_run:
        show_changes(bridge, taken.reports)
        return
    for report in taken.reports:
        say(line_of(report))
        show_errors(report)
    if taken.reports:
        say("What changed is sent at the next sync.")


def _document(
    rows: FileRows, taken: Taken, problems: Sequence[tuple[int, str]], dry_run: bool
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "rows": rows.total,
        "same": taken.same,
        "elsewhere": rows.elsewhere,
        "problems": [{"row": number, "problem": text} for number, text in sorted(problems)],
        "centres": [as_json(report) for report in taken.reports],
    }
