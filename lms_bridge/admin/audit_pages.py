"""`/audit`: who decided what, and when. The pages of runs show the same beside all other runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from sqlalchemy import ColumnElement, Connection, Row, Select, select

from lms_bridge.audit import Subject
from lms_bridge.domain.access import Scope
from lms_bridge.store import accounts
from lms_bridge.store.run_tables import IN_AUDIT, item, run
from lms_bridge.web import typed_text
from lms_bridge.web.access import needs, the_bridge
from lms_bridge.web.paging import SIZE, number_param

pages = Blueprint("audit", __name__)
FILTERS = ("subject", "who", "object", "since", "until")
_SHOWN = [each for each in item.c if each is not item.c.centre]
"""The centre is that of the run, also where no conflict is the matter."""


@pages.get("/audit")
@needs(Scope.ADMINISTER)
def show() -> str:
    """The newest decisions first, paged by their numbers."""
    params = {name: typed_text.line(request.args.get(name, ""), 100) for name in FILTERS}
    with the_bridge().database.reading() as tx:
        found = decisions(tx, params, before=number_param("before"), most=SIZE + 1)
        names = accounts.names_of(tx, {row.requested_by for row in found})
    older = found[SIZE - 1].id if len(found) > SIZE else None
    return render_template(
        "audit.html",
        rows=found[:SIZE],
        names=names,
        older=older,
        params=params,
        subjects=list(Subject),
    )


def decisions(
    tx: Connection, params: dict[str, str], *, before: int, most: int
) -> Sequence[Row[Any]]:
    """Rows: id, kind, external_id, action, state, fields, message, at, and of the run: run_id,
    requested_by, trigger, centre."""
    wanted = params["subject"]
    subjects = [wanted] if wanted in set(Subject) else list(Subject)
    where: list[ColumnElement[bool]] = [IN_AUDIT, item.c.kind.in_(subjects)]
    if before:
        where.append(item.c.id < before)
    if params["who"]:
        where.append(run.c.requested_by == params["who"])
    if params["object"]:
        where.append(item.c.external_id == params["object"])
    first, last = _day(params["since"]), _day(params["until"])
    if first is not None:
        where.append(item.c.at >= first)
    if last is not None:
        where.append(item.c.at < last + timedelta(days=1))
    query: Select[Any] = (
        select(*_SHOWN, run.c.requested_by, run.c.trigger, run.c.centre)
        .join(run, run.c.id == item.c.run_id)
        .where(*where)
    )
    return tx.execute(query.order_by(item.c.id.desc()).limit(most)).all()


def _day(text: str) -> datetime | None:
    """A day such as 2026-03-01, at its first second in UTC; None where it is none, or no day that
    has another one after it."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    if found.year == date.max.year:
        return None
    return datetime(found.year, found.month, found.day, tzinfo=UTC)
