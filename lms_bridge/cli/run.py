"""`lms-bridge run`: what runs did."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import Row

from lms_bridge.api.documents import item_document, run_document
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import NUMBER, json_option, with_bridge
from lms_bridge.console.summary import item_labels, outcome_words, show_items, show_waits
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.store import runs
from lms_bridge.store.run_items import ItemFilter, count_items, items_by_number
from lms_bridge.store.waits import wait_of


@click.command("list")
@click.option("--centre", default="", help="Only the runs of this centre.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1))
@json_option
@with_bridge
def list_(bridge: Bridge, centre: str, most: int, in_json: bool) -> None:
    """Lists the last runs, the newest first."""
    if centre:
        bridge.centre(centre)
    runs.end_lost_runs(bridge.database, utc_now())
    with bridge.database.reading() as tx:
        rows = runs.last_runs(tx, centre=centre, most=most)
    if in_json:
        print_json([run_document(row) for row in rows])
        return
    table(
        ["run", "centre", "flows", "by", "started", "status", "what came of it"],
        [
            (
                row.id,
                row.centre,
                row.flows,
                row.trigger,
                when(row.started_at),
                row.status,
                "; ".join(part for part in (row.error, _words(row)) if part),
            )
            for row in rows
        ],
    )


def _words(row: Row[Any]) -> str:
    return outcome_words(row.status, row.counts, [wait_of(each) for each in row.waits])


@click.command()
@click.argument("number", type=NUMBER)
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only this kind.")
@click.option("--state", default="", help="Only what came to this, such as failed.")
@click.option("--course", default="", help="Only the offering of this code, and what is in it.")
@click.option("--learner", default="", help="Only the learner of this Academy id.")
@click.option("--after", default=0, type=click.IntRange(min=0), help="Only items after this one.")
@click.option("--most", default=1000, show_default=True, type=click.IntRange(min=1))
@json_option
@with_bridge
def show(
    bridge: Bridge,
    /,
    number: int,
    kind: str | None,
    after: int,
    most: int,
    in_json: bool,
    **texts: str,
) -> None:
    """Shows one run, item by item, field by field."""
    wanted = ItemFilter(kind or "", **texts)
    runs.end_lost_runs(bridge.database, utc_now())
    with bridge.database.reading() as tx:
        row = runs.run_row(tx, number)
        if row is None:
            raise NotFound(
                "no-such-run", f"There is no run {number}.", "See `lms-bridge run list`."
            )
        found = items_by_number(tx, number, wanted, after=after, most=most)
        items = [dict(item._mapping) for item in found]
        last = found[-1].id if found else after
        left = count_items(tx, number, wanted, after=last) if len(found) == most else 0
        total = count_items(tx, number, wanted) if after or left else len(found)
        names = item_labels(tx, items)
    if in_json:
        documents = [item_document(item, all_values=True) for item in found]
        print_json({"run": run_document(row), "items": documents, "items_in_all": total})
        return
    _show_head(row)
    show_items(items, names)
    if left:
        print_line(f"{left} more: --after {last}")


def _show_head(row: Row[Any]) -> None:
    whose = row.centre or "the Academy"
    print_line(f"Run {row.id} of {whose}: {row.status}, {row.flows}, by {row.trigger}")
    print_line(f"{when(row.started_at)} to {when(row.finished_at)}")
    print_line(_words(row).capitalize() or "-")
    show_waits(map(wait_of, row.waits))
    if row.error:
        print_line(row.error, "red")
