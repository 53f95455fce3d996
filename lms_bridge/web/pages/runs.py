"""`/runs`: what was done, item by item."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, render_template, request

from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.store import reports
from lms_bridge.sync.auditing import Subject
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.paging import SIZE, Paging, asked_number, asked_page
from lms_bridge.web.queries import operations

pages = Blueprint("runs", __name__)
ITEMS = 200
SHOWN_VALUES = frozenset({Kind.OFFERING, Kind.ENROLMENT, *Subject})
"""Kinds whose values are shown. Of people and of their results only the fields' names are."""


@pages.get("/runs")
def show() -> str:
    asked = {name: request.args.get(name, "")[:60] for name in ("centre", "status")}
    with the_bridge().database.reading() as tx:
        runs = operations.runs_before(
            tx,
            centre_code=asked["centre"],
            status=asked["status"],
            before=asked_number("before"),
            most=SIZE + 1,
        )
    older = runs[SIZE - 1].id if len(runs) > SIZE else None
    return render_template("runs.html", runs=runs[:SIZE], older=older, asked=asked)


@pages.get("/runs/<int(max=999999999999999999):run_id>")
def show_one(run_id: int) -> str:
    with the_bridge().database.reading() as tx:
        run = reports.run_row(tx, run_id)
        if run is None:
            raise NotFound("no-such-run", f"There is no run {run_id}.")
        paging = Paging(asked_page(), reports.count_items(tx, run_id), ITEMS)
        items = operations.items_of(tx, run_id, limit=ITEMS, offset=paging.offset)
        names = operations.names_of(tx, items)
    return render_template(
        "run.html",
        run=run,
        counts=split_counts(run.counts),
        items=items,
        names=names,
        paging=paging,
        shown_values=SHOWN_VALUES,
    )


def split_counts(counts: Mapping[str, int]) -> list[tuple[str, str, str, int]]:
    """(kind, action, state, number) of each count; those of answers have no action."""
    rows = []
    for key, number in sorted(counts.items()):
        kind, _, rest = key.partition(".")
        action, _, state = rest.rpartition(".")
        rows.append((kind, action, state, number))
    return rows
