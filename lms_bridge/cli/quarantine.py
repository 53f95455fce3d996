"""`lms-bridge quarantine`: records that cannot be used, with the values at fault."""

from __future__ import annotations

import click

from lms_bridge.api.documents import quarantine_document
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import clean, print_json, print_line, when
from lms_bridge.console.session import json_option, with_bridge
from lms_bridge.store import runs


@click.command("list")
@click.option("--centre", default="", help="Only the records of this centre.")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 100_000))
@json_option
@with_bridge
def list_(bridge: Bridge, centre: str, most: int, in_json: bool) -> None:
    """Lists what is in quarantine, with the reason, the values at fault, and what helps."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = runs.quarantine_of(tx, centre, most=most)
    documents = [quarantine_document(row, shows_values=True) for row in rows]
    if in_json:
        print_json(documents)
        return
    if not rows:
        print_line("Nothing is in quarantine.")
    for row, each in zip(rows, documents, strict=True):
        head = f"{row.centre}: {row.kind} {each['external_id']} {each['title']}".rstrip()
        print_line(clean(f"{head}, since {when(row.since)}"))
        print_line(clean(f"  {each['reason']}"))
        for bad in each["fields"]:
            print_line(clean(f"  {bad['field']}: {bad['value']}"))
        if row.remedy and row.remedy not in row.reason:
            print_line(clean(f"  {row.remedy}"))
