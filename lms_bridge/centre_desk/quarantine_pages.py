"""`/my-centre/<code>/quarantine`: records of the centre that cannot be used, and what helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import render_template
from sqlalchemy import Connection, select

from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.words import field_name
from lms_bridge.domain.access import VALUES_NEED, Scope
from lms_bridge.domain.model import Kind, Offering
from lms_bridge.logs import redacted_text
from lms_bridge.store import links, offerings
from lms_bridge.store.tables import quarantine
from lms_bridge.web.access import centre_for, needs, signed_in, the_bridge
from lms_bridge.web.paging import SIZE, number_param

KINDS: Mapping[str, str] = {
    Kind.OFFERING: "Course",
    Kind.ENROLMENT: "Registration",
    Kind.LEARNER: "Person",
    Kind.RESULT: "Result",
}


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record in quarantine. ``code`` is that of the course as it was last good; ``address`` that
    of the course in the LMS, where it is known. ``fields`` are (name for people, name, value)."""

    number: int
    kind: str
    title: str
    id: str
    code: str
    address: str
    fields: Sequence[tuple[str, str, str]]
    reason: str
    remedy: str
    since: datetime


@pages.get("/<code>/quarantine")
@needs(Scope.READ_OPERATIONS)
def bad_records(code: str) -> str:
    centre, before, user = (
        centre_for(Scope.READ_OPERATIONS, code),
        number_param("before"),
        signed_in(),
    )
    may = {kind for kind, scope in VALUES_NEED.items() if user.may(scope, centre)}
    query = select(quarantine).where(quarantine.c.centre == code)
    if before:
        query = query.where(quarantine.c.id < before)
    with the_bridge().database.reading() as tx:
        found = tx.execute(query.order_by(quarantine.c.id.desc()).limit(SIZE + 1)).all()
        rows = found[:SIZE]
        known = _last_good(tx, rows)
    return render_template(
        "centre_desk/quarantine.html",
        centre=centre,
        rows=[_record(row, known.get(row.id), shows=row.kind in may) for row in rows],
        kinds=KINDS,
        before=before,
        next_before=rows[-1].id if len(found) > SIZE else 0,
    )


def _last_good(tx: Connection, rows: Sequence[Any]) -> dict[int, Offering]:
    """{row's number: the course as it was last good}, of those that ever were."""
    found: dict[int, Offering] = {}
    courses = [row for row in rows if row.kind == Kind.OFFERING]
    for system in {row.system for row in courses}:
        ids = {row.external_id: row.id for row in courses if row.system == system}
        linked = links.by_external_id(tx, system, Kind.OFFERING, ids)
        records = offerings.offerings(tx, [each.record_id for each in linked.values()])
        found.update(
            (ids[name], records[each.record_id])
            for name, each in linked.items()
            if each.record_id in records
        )
    return found


def _record(row: Any, known: Offering | None, *, shows: bool) -> BadRecord:
    shown: Mapping[str, Any] = (row.shown or {}) if shows else {}
    address = str(shown.get("address") or (known.address if known else ""))
    fields = dict(shown.get("fields") or {})
    return BadRecord(
        number=row.id,
        kind=row.kind,
        title=str(shown.get("title") or (known.title if known else "")),
        id=redacted_text(row.external_id),
        code=known.code if known else "",
        address=address if address.startswith(("https://", "http://")) else "",
        fields=[(field_name(name), name, str(value)) for name, value in fields.items()],
        reason=redacted_text(row.reason.removesuffix(row.remedy).strip()),
        remedy=redacted_text(row.remedy),
        since=row.since,
    )
