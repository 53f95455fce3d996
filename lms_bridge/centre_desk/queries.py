"""What waits for a centre's people, and the centre's schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, or_, select

from lms_bridge.domain.lifecycle import (
    BEFORE_PAYMENT,
    ENROLMENT_MOVES,
    EnrolmentAction,
    OfferingAction,
)
from lms_bridge.domain.model import EnrolmentStatus, Modality, OfferingStatus
from lms_bridge.store.holds import UNDECIDED
from lms_bridge.store.list_pages import LATEST, ListPage, ListPlace, list_page
from lms_bridge.store.review_tables import status_change
from lms_bridge.store.tables import (
    IN_CATALOGUE,
    IS_SHOWN,
    enrolment,
    offering,
    quarantine,
    unmatched,
)

_PAID = and_(offering.c.price.is_not(None), offering.c.price != Decimal(0))
_PUBLIC = case((IN_CATALOGUE, True), else_=False).label("public")
"""Whether the catalogue has a page of it."""
_OVER = (OfferingStatus.DELIVERED, OfferingStatus.RUNNING, OfferingStatus.PUBLISHED)


def _count_people(tx: Connection, centre: str, *where: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(enrolment)
    query = query.join(offering, offering.c.id == enrolment.c.offering_id)
    return tx.scalar(query.where(offering.c.centre == centre, IS_SHOWN, *where)) or 0


def count_applicants(tx: Connection, centre: str) -> int:
    return _count_people(tx, centre, enrolment.c.status == EnrolmentStatus.APPLIED)


def count_payments(tx: Connection, centre: str) -> int:
    """Registrations in paid courses whose payment nobody confirmed."""
    return _count_people(tx, centre, enrolment.c.status.in_(BEFORE_PAYMENT), _PAID)


def with_people(tx: Connection, centre: str, now: datetime, most: int) -> Sequence[Row[Any]]:
    """(code, title, applicants, payments, public) of offerings in which people wait."""
    applied = func.count().filter(enrolment.c.status == EnrolmentStatus.APPLIED)
    unpaid = func.count().filter(enrolment.c.status.in_(BEFORE_PAYMENT))
    waits = or_(
        enrolment.c.status == EnrolmentStatus.APPLIED,
        and_(enrolment.c.status.in_(BEFORE_PAYMENT), _PAID),
    )
    query: Select[Any] = (
        select(offering.c.code, offering.c.title, applied, unpaid, _PUBLIC)
        .select_from(offering)
        .join(enrolment, enrolment.c.offering_id == offering.c.id)
        .where(offering.c.centre == centre, IS_SHOWN, waits)
        .group_by(offering.c.id, offering.c.code, offering.c.title, offering.c.starts_at)
        .order_by(offering.c.starts_at, offering.c.id)
    )
    return tx.execute(query.limit(most)).all()


_LATER = status_change.alias()
_LAST_CHANGE = (
    select(func.max(_LATER.c.id)).where(_LATER.c.offering_id == offering.c.id).scalar_subquery()
)


def sent_back(tx: Connection, centre: str, most: int) -> Sequence[Row[Any]]:
    """(code, title, reason, public) of outlines and reports that came back with an objection."""
    query: Select[Any] = (
        select(offering.c.code, offering.c.title, status_change.c.reason, _PUBLIC)
        .select_from(offering)
        .join(status_change, status_change.c.id == _LAST_CHANGE)
        .where(offering.c.centre == centre, status_change.c.action == OfferingAction.OBJECT)
        .order_by(status_change.c.id.desc())
    )
    return tx.execute(query.limit(most)).all()


def _reports_due(centre: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    ended = and_(offering.c.status.in_(_OVER), offering.c.ends_at <= now)
    return (
        offering.c.centre == centre,
        offering.c.listed,
        or_(offering.c.status == OfferingStatus.DELIVERED, ended),
    )


def reports_due(tx: Connection, centre: str, now: datetime, most: int) -> Sequence[Row[Any]]:
    """(code, title, public) of courses that ended without a report, the newest first."""
    query: Select[Any] = select(offering.c.code, offering.c.title, _PUBLIC)
    query = query.where(*_reports_due(centre, now))
    return tx.execute(query.order_by(offering.c.ends_at.desc()).limit(most)).all()


def count_reports_due(tx: Connection, centre: str, now: datetime) -> int:
    query = select(func.count()).select_from(offering)
    return tx.scalar(query.where(*_reports_due(centre, now))) or 0


def count_operations(tx: Connection, centre: str) -> dict[str, int]:
    """How many records are in quarantine, and how many people are not matched."""
    bad = select(func.count()).select_from(quarantine).where(quarantine.c.centre == centre)
    people = select(func.count()).select_from(unmatched)
    people = people.where(unmatched.c.centre == centre, UNDECIDED)
    return {"quarantine": tx.scalar(bad) or 0, "unmatched": tx.scalar(people) or 0}


@dataclass(frozen=True, slots=True)
class ScheduleFilter:
    """``when`` is ``now`` (current and future), ``past`` or ``all``."""

    text: str = ""
    status: str = ""
    when: str = "now"


_SHOWN = ("id", "code", "title", "status", "starts_at", "ends_at", "time_zone", "languages")
_SHOWN_TOO = ("registration", "registration_closes", "seats", "modality", "price", "currency")


def _listed(centre: str) -> Select[Any]:
    columns = (offering.c[name] for name in (*_SHOWN, *_SHOWN_TOO))
    return select(*columns, _PUBLIC).where(offering.c.centre == centre, offering.c.listed)


def count_schedule(tx: Connection, centre: str, asked: ScheduleFilter, now: datetime) -> int:
    fitting = _fitting(centre, asked, now)
    return tx.scalar(select(func.count()).select_from(fitting.subquery())) or 0


def schedule(
    tx: Connection, centre: str, asked: ScheduleFilter, now: datetime, at: ListPlace, *, most: int
) -> ListPage:
    """The offerings that fit, in the order of their starts; of past ones, the latest first."""
    start = func.coalesce(offering.c.starts_at, offering.c.ends_at, LATEST)
    order = (start, offering.c.id)
    fitting = _fitting(centre, asked, now)
    return list_page(tx, fitting, order, at, most=most, falling=asked.when == "past")


def _fitting(centre: str, asked: ScheduleFilter, now: datetime) -> Select[Any]:
    query = _listed(centre)
    if asked.text:
        query = query.where(offering.c.title.icontains(asked.text, autoescape=True))
    if asked.status:
        query = query.where(offering.c.status == OfferingStatus(asked.status))
    # As `domain.dates.is_endless`: without an end only what has dates ends on its first day.
    dated = and_(offering.c.modality.is_not(None), offering.c.modality != Modality.SELF_PACED)
    ends = func.coalesce(offering.c.ends_at, case((dated, offering.c.starts_at), else_=None))
    if asked.when == "now":
        query = query.where(or_(ends.is_(None), ends >= now))
    elif asked.when == "past":
        query = query.where(ends < now)
    return query


MOST_IN_MONTH = 500


def between(tx: Connection, centre: str, start: datetime, end: datetime) -> Sequence[Row[Any]]:
    """The offerings that are under way between two moments."""
    ends = func.coalesce(offering.c.ends_at, offering.c.starts_at)
    query = _listed(centre).where(offering.c.starts_at < end, ends >= start)
    return tx.execute(
        query.order_by(offering.c.starts_at, offering.c.id).limit(MOST_IN_MONTH)
    ).all()


def first_start(tx: Connection, centre: str, after: datetime) -> datetime | None:
    """When the first course begins from a moment on."""
    start = offering.c.starts_at
    mine = (offering.c.centre == centre, offering.c.listed, start >= after)
    found: datetime | None = tx.scalar(select(func.min(start)).where(*mine))
    return found


def revision_of(tx: Connection, record_id: int) -> int:
    return tx.scalar(select(offering.c.revision).where(offering.c.id == record_id)) or 0


def count_in(tx: Connection, record_id: int) -> int:
    """How many people a cancellation of the offering would put out of it."""
    live = list(filter(None, ENROLMENT_MOVES[EnrolmentAction.CANCEL]))
    query = select(func.count()).select_from(enrolment)
    mine = (enrolment.c.offering_id == record_id, enrolment.c.status.in_(live), IS_SHOWN)
    return tx.scalar(query.where(*mine)) or 0
