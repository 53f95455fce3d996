"""Runs and their items: the audit."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.logs import redacted_text
from lms_bridge.schemas.asked import AskedOfCentre, AskedPage
from lms_bridge.schemas.shown import ShownItem, ShownRun, page_of
from lms_bridge.store import reports
from lms_bridge.sync.auditing import Subject
from lms_bridge.web.api import replies
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.listing import paged
from lms_bridge.web.api.routing import NUMBER, route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries import interface

SHOWN_VALUES = frozenset({Kind.OFFERING, Kind.ENROLMENT, *Subject})
"""Kinds whose values are shown. Of people and of their results only the fields' names are."""


def _no_such_run() -> NotFound:
    return NotFound("no-such-run", "There is no such run.")


@route(
    "/runs",
    scope=Scope.READ_OPERATIONS,
    answer=page_of(ShownRun),
    query=AskedOfCentre,
    tag="operations",
)
def list_runs(asked: dict[str, Any]) -> Response:
    """Runs, the newest first: of the clock, of commands, and every change made here."""
    return paged(
        asked,
        lambda tx, before, most, reach: interface.runs(tx, asked, before, most, reach),
        lambda _, rows: [shown_run(row) for row in rows],
    )


def shown_run(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.id,
        **{
            name: getattr(row, name)
            for name in ("centre", "flows", "trigger", "asked_by", "status", "counts", "error_code")
        },
        "started_at": plain(row.started_at),
        "finished_at": plain(row.finished_at),
        "error": redacted_text(row.error),
    }


@route(f"/runs/{NUMBER}", scope=Scope.READ_OPERATIONS, answer=ShownRun, tag="operations")
def show_run(number: int) -> Response:
    """One run."""
    with the_bridge().database.reading() as tx:
        row = _reached_run(tx, number)
    return replies.shown(shown_run(row))


def _reached_run(tx: Connection, number: int) -> Row[Any]:
    row = reports.run_row(tx, number)
    if row is None:
        raise _no_such_run()
    of_the_academy = not row.centre and caller().centres(tx) is None
    if not of_the_academy:
        caller().check_reach(tx, row.centre, _no_such_run())
    return row


@route(
    f"/runs/{NUMBER}/items",
    scope=Scope.READ_OPERATIONS,
    answer=page_of(ShownItem),
    query=AskedPage,
    tag="operations",
)
def list_items(asked: dict[str, Any], number: int) -> Response:
    """What a run did, record by record: before and after."""
    with the_bridge().database.reading() as tx:
        _reached_run(tx, number)
    return paged(
        asked,
        lambda tx, after, most, _: interface.items(tx, number, after, most),
        lambda _, rows: [shown_item(row) for row in rows],
    )


def shown_item(row: Row[Any]) -> dict[str, Any]:
    shown = row.kind in SHOWN_VALUES
    values = row.fields
    if values is not None and not shown:
        values = dict.fromkeys(values)
    return {
        "number": row.id,
        **{name: getattr(row, name) for name in ("system", "kind", "action", "state", "code")},
        "external_id": redacted_text(row.external_id),
        "fields": values,
        "message": redacted_text(row.message),
        "at": plain(row.at),
    }
