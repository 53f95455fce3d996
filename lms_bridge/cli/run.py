"""`lms-bridge run`: what runs did."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import Row

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.diff import show_items
from lms_bridge.cli.naming import names_of_items
from lms_bridge.cli.numbers import NUMBER
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.cli.summary import in_words
from lms_bridge.domain.errors import NotFound
from lms_bridge.store import reports

_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")


@click.group()
def run() -> None:
    """What runs did."""


@run.command("list")
@click.option("--centre", default="", help="Runs of this centre alone.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1))
@_json
@with_bridge
def list_(bridge: Bridge, centre: str, most: int, in_json: bool) -> None:
    """The last runs, the newest first."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = reports.last_runs(tx, centre=centre, most=most)
    if in_json:
        tell_json([dict(row._mapping) for row in rows])
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
                row.error or in_words(row.counts) or "nothing to do",
            )
            for row in rows
        ],
    )


@run.command()
@click.argument("number", type=NUMBER)
@click.option("--most", default=1000, show_default=True, type=click.IntRange(min=1))
@_json
@with_bridge
def show(bridge: Bridge, number: int, most: int, in_json: bool) -> None:
    """One run, item by item, field by field."""
    with bridge.database.reading() as tx:
        row = reports.run_row(tx, number)
        if row is None:
            raise NotFound(
                "no-such-run", f"There is no run {number}.", "See `lms-bridge run list`."
            )
        items = [dict(item._mapping) for item in reports.items_of(tx, number, most=most)]
        total = reports.count_items(tx, number)
        names = names_of_items(tx, items)
    if in_json:
        tell_json({"run": dict(row._mapping), "items": items, "items_in_all": total})
        return
    _show_head(row)
    show_items(items, names)
    if total > len(items):
        say(f"{total - len(items)} more: --most {total}")


def _show_head(row: Row[Any]) -> None:
    whose = row.centre or "the Academy"
    say(f"Run {row.id} of {whose}: {row.status}, {row.flows}, by {row.trigger}")
    say(f"{when(row.started_at)} to {when(row.finished_at)}")
    say(in_words(row.counts) or "Nothing to do.")
    if row.error:
        say(row.error, "red")
