"""`lms-bridge hold`: plans and conflicts that wait for a person's decision."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import Connection, Row

from lms_bridge.admin.held import Staged, staged
from lms_bridge.api.documents import hold_document, hold_documents
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import clean, print_json, print_line, table, when
from lms_bridge.console.session import NUMBER, json_option, user_name, with_bridge
from lms_bridge.console.summary import field_lines, record_labels
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.domain.plurals import counted
from lms_bridge.store import holds
from lms_bridge.sync.holds import consequence, decide_hold

_MEANING = {
    holds.REMOVALS: "These records are no longer there, and it is not certain that they are meant "
    "to be gone.",
    holds.CONFLICT: "The target holds something else than it was sent.",
}


@click.command("list")
@click.option("--centre", default="", help="Only the holds of this centre.")
@click.option("--all", "everything", is_flag=True, help="Include decided and outdated holds.")
@click.option("--most", default=1000, show_default=True, type=click.IntRange(min=1))
@json_option
@with_bridge
def list_(bridge: Bridge, centre: str, everything: bool, most: int, in_json: bool) -> None:
    """Lists what waits for a decision."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        status = "" if everything else holds.PENDING
        rows = holds.holds(tx, centre=centre, status=status, most=most)
        documents = hold_documents(tx, rows) if in_json else []
        courses = {row.id: _course(tx, row) for row in rows if row.kind == Kind.RESULT}
    if in_json:
        print_json(documents)
    elif not rows:
        print_line("Nothing waits for a decision.")
    else:
        table(
            ["hold", "centre", "about", "records", "reason", "status", "since"],
            [
                (
                    row.id,
                    row.centre,
                    f"{row.kind} at {row.system}{courses.get(row.id, '')}",
                    f"{len(row.record_ids)} of {row.out_of}",
                    row.reason,
                    row.status,
                    when(row.created_at),
                )
                for row in rows
            ],
        )


def _course(tx: Connection, row: Row[Any]) -> str:
    """The course that a hold of results is about."""
    first = staged(tx, row).totals[:1]
    return "".join(f', {each.code} "{clean(each.title)}"' for each in first)


@click.command()
@click.argument("number", type=NUMBER)
@json_option
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """Shows one hold, with its records."""
    with bridge.database.reading() as tx:
        row = holds.hold_row(tx, number)
        if row is None:
            raise NotFound(
                "no-such-hold", f"There is no hold {number}.", "See `lms-bridge hold list`."
            )
        names = record_labels(tx, Kind(row.kind), row.record_ids)
        totals = staged(tx, row)
        conflicts = holds.fields_in_conflict(tx, row)
        causes = holds.causes(tx, [row.id])[row.id]
        document = hold_document(tx, row)
    if in_json:
        print_json(document)
        return
    _show_head(row)
    for cause in causes:
        print_line(clean(cause), "yellow")
    if row.kind != Kind.OFFERING:
        _show_totals(totals)
    for record_id in row.record_ids:
        print_line(f"  - {names.get(record_id, f'record {record_id}')}")
        for line in field_lines(conflicts.get(record_id) or {}):
            print_line(f"      {line}")
    if row.status == holds.PENDING:
        for verb, approve in (("approve", True), ("reject", False)):
            print_line(f"lms-bridge hold {verb} {number}: {consequence(row, approve=approve)}")


def _show_head(row: Row[Any]) -> None:
    print_line(f"Hold {row.id} of {row.centre}: {row.status}, since {when(row.created_at)}")
    print_line(
        f"{counted(len(row.record_ids), f'{row.kind} record')} of {row.out_of} at {row.system}, "
        f"{row.reason}"
    )
    print_line(_MEANING.get(row.reason, ""))
    if row.decided_at:
        print_line(f"Decided by {row.decided_by} at {when(row.decided_at)}")


def _show_totals(found: Staged) -> None:
    """How many of how many records of each offering are held."""
    for each in found.totals:
        print_line(clean(f"{each.held} of {each.known}: {each.code} {each.title}"))
    if found.others:
        print_line(f"and {found.others} more offerings")


def _decision(verb: str, approve: bool, meaning: str) -> click.Command:
    @click.command(verb, help=meaning)
    @click.argument("numbers", type=NUMBER, nargs=-1, required=True)
    @click.option("--by", default="", help="Who decides. Default: your user name.")
    @with_bridge
    def decide(bridge: Bridge, numbers: tuple[int, ...], by: str) -> None:
        for number in numbers:
            with bridge.database.writing() as tx:
                row = decide_hold(tx, number, approve=approve, by=by or user_name(), at=utc_now())
            print_line(f"Hold {number} is {holds.APPROVED if approve else holds.REJECTED}.")
            print_line(consequence(row, approve=approve))
            print_line(
                "A running clock begins that run within seconds. To run it now: "
                f"lms-bridge sync --centre {row.centre}"
            )

    return decide


approve = _decision(
    "approve", True, "Lets the next run make the removals, or send the record again."
)
reject = _decision("reject", False, "Keeps the records, or what the target holds, as they are.")
