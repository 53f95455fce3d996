"""The history of offerings, their outlines, comments on them, and their reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.document import plain
from lms_bridge.domain.lifecycle import COMPLETED
from lms_bridge.domain.model import EnrolmentStatus
from lms_bridge.domain.reviews import (
    Comment,
    EndReport,
    Outline,
    ReportFields,
    ReportState,
    StatusChange,
)
from lms_bridge.store.bulk import insert_many, upsert
from lms_bridge.store.review_tables import end_report, outline, review_comment, status_change
from lms_bridge.store.tables import IS_SHOWN, enrolment, learner, result


def add_changes(tx: Connection, changes: Mapping[int, StatusChange]) -> None:
    """{offering id: line of its history}"""
    rows = []
    for offering_id, each in changes.items():
        fields = {name: getattr(each, name) for name in each.__slots__}
        rows.append({"offering_id": offering_id, **fields})
    insert_many(tx, status_change, rows)


def changes_of(tx: Connection, offering_id: int) -> list[StatusChange]:
    """The history of an offering, the oldest line first."""
    columns = (status_change.c[name] for name in StatusChange.__slots__)
    query = select(*columns).where(status_change.c.offering_id == offering_id)
    return [StatusChange(*row) for row in tx.execute(query.order_by(status_change.c.id))]


def outline_of(tx: Connection, offering_id: int) -> Outline:
    """What the centre stated of the training; empty where it stated nothing."""
    fields = tx.scalar(select(outline.c.fields).where(outline.c.offering_id == offering_id))
    if fields is None:
        return Outline()
    return Outline(**{**fields, "instructors": tuple(fields["instructors"])})


def keep_outline(tx: Connection, offering_id: int, stated: Outline, by: str, at: datetime) -> None:
    row = {"offering_id": offering_id, "fields": plain(asdict(stated)), "at": at, "by": by[:100]}
    upsert(tx, outline, [row], ["offering_id"], ["fields", "at", "by"])


def add_comment(tx: Connection, offering_id: int, comment: Comment) -> None:
    fields = {name: getattr(comment, name) for name in comment.__slots__}
    tx.execute(insert(review_comment).values(offering_id=offering_id, **fields))


def comments_of(tx: Connection, offering_id: int) -> list[Comment]:
    columns = (review_comment.c[name] for name in Comment.__slots__)
    query = select(*columns).where(review_comment.c.offering_id == offering_id)
    return [Comment(*row) for row in tx.execute(query.order_by(review_comment.c.id))]


# ---- reports -----------------------------------------------------------------------------------


def add_report(
    tx: Connection,
    offering_id: int,
    fields: ReportFields,
    figures: Mapping[str, int],
    by: str,
    at: datetime,
) -> None:
    row = {"state": ReportState.WAITING, "at": at, "by": by[:100], "reason": ""}
    written = {"fields": asdict(fields), "figures": dict(figures)}
    tx.execute(insert(end_report).values(offering_id=offering_id, **row, **written))


def decide_report(
    tx: Connection, offering_id: int, state: ReportState, reason: str, by: str, at: datetime
) -> None:
    """Validates or returns the report that waits; does nothing where none does."""
    waits = (end_report.c.offering_id == offering_id, end_report.c.state == ReportState.WAITING)
    decided = {"state": state, "reason": reason, "decided_by": by[:100], "decided_at": at}
    tx.execute(update(end_report).where(*waits).values(**decided))


def reports_of(tx: Connection, offering_id: int) -> list[EndReport]:
    """All reports on an offering, the oldest first."""
    names = [name for name in EndReport.__slots__ if name != "number"]
    query = select(end_report.c.id, *(end_report.c[name] for name in names))
    rows = tx.execute(
        query.where(end_report.c.offering_id == offering_id).order_by(end_report.c.id)
    )
    made = []
    for row in rows:
        fields = dict(zip(names, row[1:], strict=True))
        fields["fields"] = ReportFields(**fields["fields"])
        made.append(EndReport(row[0], **fields))
    return made


def report_states(tx: Connection, offering_ids: Iterable[int]) -> dict[int, set[ReportState]]:
    """{offering id: the states of its reports}"""
    found: dict[int, set[ReportState]] = {}
    for chunk in chunks(offering_ids):
        query = select(end_report.c.offering_id, end_report.c.state).distinct()
        for row in tx.execute(query.where(end_report.c.offering_id.in_(chunk))):
            found.setdefault(row.offering_id, set()).add(row.state)
    return found


def figures_of(tx: Connection, offering_id: int) -> dict[str, int]:
    """What the bridge counts of the people in an offering. Who completed may be known from the
    LMS alone."""
    seen, status = enrolment.c.status, EnrolmentStatus
    query = (
        select(seen, result.c.completed.is_(True), func.count())
        .outerjoin(result, result.c.enrolment_id == enrolment.c.id)
        .where(enrolment.c.offering_id == offering_id, IS_SHOWN)
        .group_by(seen, result.c.completed.is_(True))
    )
    rows = [(each, bool(by_lms), number) for each, by_lms, number in tx.execute(query)]
    inside = [row for row in rows if row[0] in IN_COURSE]
    done = [row for row in inside if row[1] or row[0] in COMPLETED]
    failed = [row for row in inside if row[0] == status.NOT_COMPLETED and row not in done]
    certified = [row for row in inside if row[0] == status.CERTIFIED]
    countries = (
        select(func.count(learner.c.country.distinct()))
        .join(enrolment, enrolment.c.learner_id == learner.c.id)
        .where(
            enrolment.c.offering_id == offering_id,
            enrolment.c.status.in_(IN_COURSE),
            learner.c.country != "",
            IS_SHOWN,
        )
    )
    return {
        "registered": _number(rows),
        "enrolled": _number(inside),
        "completed": _number(done),
        "not_completed": _number(failed),
        "certified": _number(certified),
        "countries": tx.scalar(countries) or 0,
    }


def _number(rows: Iterable[tuple[str, bool, int]]) -> int:
    return sum(number for _, _, number in rows)
