"""`lms-bridge import` and `lms-bridge export`: CSV files into and out of the bridge."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import clean, print_json, print_line
from lms_bridge.console.session import json_option, with_bridge
from lms_bridge.console.summary import (
    changed,
    exit_code,
    line_of,
    reports_as_json,
    show_changes,
    show_errors,
)
from lms_bridge.domain.document import digest
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Kind
from lms_bridge.domain.plurals import counted
from lms_bridge.domain.ports import RawRecord
from lms_bridge.domain.rules import RuleFinding
from lms_bridge.domain.system_errors import system_reason
from lms_bridge.intake.commands import MOST_ALIKE
from lms_bridge.intake.exports import Records, offering_rows, registration_rows, result_rows
from lms_bridge.intake.imports import CentreRows, FileRows, ImportReport, import_rows, rows_of
from lms_bridge.schemas.csv.writer import write_offerings, write_registrations, write_results
from lms_bridge.store import centres, run_items, runs
from lms_bridge.sync.context import FILES
from lms_bridge.sync.run import RunReport


@click.group("import")
def import_() -> None:
    """Imports CSV files (docs/files.md). A file does not change what another system owns."""


def _import_command(name: str, kind: Kind, meaning: str) -> click.Command:
    @click.command(name, help=meaning)
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--centre", "code", default="", help="Only rows of this centre.")
    @click.option(
        "--whole",
        is_flag=True,
        help="The file is complete: records of earlier files that it leaves out are ended.",
    )
    @click.option("--dry-run", is_flag=True, help="Show every change, field by field; make none.")
    @json_option
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
            rows.shares.setdefault(centre.code, CentreRows())
        report = import_rows(bridge, kind, rows, whole=whole, dry=dry_run)
        problems = rows.problems + _refused(bridge, kind, rows, report.reports)
        findings = _findings(rows, report, problems)
        if in_json:
            print_json(_document(rows, report, problems, findings, dry_run))
        else:
            _print_report(bridge, rows, report, problems, findings, dry_run)
        ctx.exit(session.SOME_FAILED if problems else exit_code(report.reports))

    return command


for command in (
    _import_command(
        "offerings",
        Kind.OFFERING,
        "Imports a schedule. Its rows belong to --centre, or name their centre.",
    ),
    _import_command("registrations", Kind.ENROLMENT, "Imports the Academy's registrations."),
    _import_command("results", Kind.RESULT, "Imports scores and completions."),
):
    import_.add_command(command)


def _refused(
    bridge: Bridge, kind: Kind, rows: FileRows, reports: Sequence[RunReport]
) -> list[tuple[int, str]]:
    """The rows that the schemas refused, with their numbers, without those reported already. A bad
    row that is sent again as it was is as bad as before."""
    known = {number for number, _ in rows.problems}
    reasons = _in_quarantine(bridge, kind, rows)
    for report in reports:
        items: list[Mapping[str, Any]] = list(report.changes)
        if report.run_id:
            with bridge.database.reading() as tx:
                found = run_items.items_by_number(tx, report.run_id, most=1_000_000)
            items += [dict(item._mapping) for item in found]
        reasons.update(
            (item["external_id"], item["message"])
            for item in items
            if item["state"] == "quarantined"
        )
    return [
        (number, f"Row {number}: {clean(reason)}")
        for external_id, reason in reasons.items()
        if (number := rows.numbers.get(external_id, 0)) not in known
    ]


def _in_quarantine(bridge: Bridge, kind: Kind, rows: FileRows) -> dict[str, str]:
    """{external id: reason} of rows that are in quarantine, and say still what they said."""
    found: dict[str, str] = {}
    for code, share in rows.shares.items():
        raws = {raw.external_id: raw for raw in share.raws}
        with bridge.database.reading() as tx:
            bad = runs.quarantine_reasons(tx, FILES, kind, code, raws)
        found.update(
            (name, reason)
            for name, (hashed, reason) in bad.items()
            if hashed == digest(raws[name].fields)
        )
    return found


RowFindings = Sequence[tuple[int, RuleFinding]]
"""(row, finding)"""


def _findings(
    rows: FileRows, report: ImportReport, problems: Sequence[tuple[int, str]]
) -> RowFindings:
    """What the rules say of the rows that can be used, by their numbers."""
    refused = {number for number, _ in problems}
    by_number = {rows.numbers[name]: found for name, found in report.findings.items()}
    return [
        (number, each)
        for number, found in sorted(by_number.items())
        if number not in refused
        for each in found
    ]


def _print_findings(findings: RowFindings) -> None:
    seen: Counter[str] = Counter()
    for number, each in findings:
        seen[each.message] += 1
        if seen[each.message] <= MOST_ALIKE:
            print_line(clean(f"  Row {number}: note: {each.message}"))
    for message, number in seen.items():
        if number > MOST_ALIKE:
            print_line(clean(f"  note: {number - MOST_ALIKE:,} more rows: {message}"))


def _print_report(
    bridge: Bridge,
    rows: FileRows,
    report: ImportReport,
    problems: Sequence[tuple[int, str]],
    findings: RowFindings,
    dry_run: bool,
) -> None:
    print_line(f"{counted(rows.total, 'row')} read.")
    for _, problem in sorted(problems):
        print_line(f"  {problem}", "red")
    _print_findings(findings)
    if rows.elsewhere:
        print_line(f"Skipped {counted(rows.elsewhere, 'row')} of other centres.")
    if report.same:
        print_line(f"Nothing to change in {counted(report.same, 'row')}.")
    if dry_run:
        show_changes(bridge, report.reports)
        return
    for each in report.reports:
        print_line(line_of(each))
        show_errors(each)
    if any(changed(each.counts) for each in report.reports):
        print_line("The next sync sends the changes.")


def _document(
    rows: FileRows,
    report: ImportReport,
    problems: Sequence[tuple[int, str]],
    findings: RowFindings,
    dry_run: bool,
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "rows": rows.total,
        "same": report.same,
        "elsewhere": rows.elsewhere,
        "problems": [{"row": number, "problem": text} for number, text in sorted(problems)],
        "warnings": [{"row": number, **each.as_json()} for number, each in findings],
        "centres": [reports_as_json(each) for each in report.reports],
    }


Write = Callable[[BinaryIO, Iterable[RawRecord]], int]


@click.group()
def export() -> None:
    """Writes CSV files (docs/files.md). FILE may be - for standard output."""


def _export_command(name: str, records: Records, write: Write, meaning: str) -> click.Command:
    @click.command(name, help=meaning)
    @click.argument("file")
    @click.option("--centre", "code", default="", help="Only this centre.")
    @with_bridge
    def command(bridge: Bridge, file: str, code: str) -> None:
        raws = _raws(bridge, records, code)
        if file == "-":
            write(cast(BinaryIO, sys.stdout.buffer), raws)
            return
        with _replacing(Path(file)) as stream:
            number = write(stream, raws)
        print_line(f"{counted(number, 'row')} written to {file}.")

    return command


for command in (
    _export_command("offerings", offering_rows, write_offerings, "Writes the listed offerings."),
    _export_command(
        "registrations",
        registration_rows,
        write_registrations,
        "Writes all enrolments, with their learners.",
    ),
    _export_command("results", result_rows, write_results, "Writes scores and completions."),
):
    export.add_command(command)


def _raws(bridge: Bridge, records: Records, code: str) -> Iterator[RawRecord]:
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
        raise Refused("file-unwritable", f"{path}: {system_reason(error)}.") from None
