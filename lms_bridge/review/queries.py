"""What waits for reviewers: outlines, publications and reports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, String, case, func, literal_column, select, union

from lms_bridge.catalogue.queries import tagged
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.domain.reviews import ReportState
from lms_bridge.store import offerings
from lms_bridge.store.list_pages import LATEST, ListPage, ListPlace, list_page
from lms_bridge.store.offerings import Tag
from lms_bridge.store.review_tables import end_report, status_change
from lms_bridge.store.tables import centre, kept_status, offering, offering_tag
from lms_bridge.store.types import Utc


@dataclass(frozen=True, slots=True)
class WaitingFilter:
    """An empty text means everything. ``kind`` is ``outline``, ``publish`` or ``report``."""

    region: str = ""
    centre: str = ""
    area: str = ""
    kind: str = ""


_S = OfferingStatus
_SENT = (
    select(
        status_change.c.offering_id,
        func.max(status_change.c.at, type_=Utc()).label("sent_at"),
        func.max(status_change.c.deadline, type_=Utc()).label("deadline"),
    )
    .where(status_change.c.action == OfferingAction.SUBMIT)
    .group_by(status_change.c.offering_id)
    .subquery()
)
_REPORTED = (
    select(end_report.c.offering_id, func.max(end_report.c.at, type_=Utc()).label("reported_at"))
    .where(end_report.c.state == ReportState.WAITING)
    .group_by(end_report.c.offering_id)
    .subquery()
)
_ACTED_ON = union(select(kept_status.c.offering_id), select(_REPORTED.c.offering_id)).subquery()
KINDS = ("outline", "publish", "report")
_KIND = case(
    (offering.c.status == _S.SUBMITTED, literal_column("'outline'", String)),
    (offering.c.status == _S.REVIEWED, literal_column("'publish'", String)),
    (_REPORTED.c.reported_at.is_not(None), literal_column("'report'", String)),
)
_DUE = func.coalesce(case((offering.c.status == _S.SUBMITTED, _SENT.c.deadline)), LATEST)
_ORDER = (_DUE, _KIND, func.coalesce(offering.c.starts_at, LATEST), offering.c.id)


def count_waiting(tx: Connection, asked: WaitingFilter, reach: Collection[str] | None) -> int:
    return tx.scalar(_found(select(func.count()), asked, reach)) or 0


def waiting(
    tx: Connection,
    asked: WaitingFilter,
    reach: Collection[str] | None,
    at: ListPlace,
    *,
    most: int,
) -> ListPage:
    """What waits, the nearest deadline first. ``reach``: codes of the centres; None: all of them.

    Rows: id, code, title, status, starts_at, time_zone, the centre's code, name and region, kind,
    deadline, silence (when silence counts; None where a person decides), sent_at, reported_at.
    """
    columns = select(
        *(offering.c[name] for name in ("id", "code", "title", "status", "starts_at")),
        offering.c.time_zone,
        centre.c.code.label("centre"),
        *(centre.c.name, centre.c.region, centre.c.sample),
        _KIND.label("kind"),
        _SENT.c.deadline,
        kept_status.c.deadline.label("silence"),
        *(_SENT.c.sent_at, _REPORTED.c.reported_at),
    )
    return list_page(tx, _found(columns, asked, reach), _ORDER, at, most=most)


def _found(query: Select[Any], asked: WaitingFilter, reach: Collection[str] | None) -> Select[Any]:
    query = (
        query.select_from(_ACTED_ON)
        .join(offering, offering.c.id == _ACTED_ON.c.offering_id)
        .join(centre, centre.c.code == offering.c.centre)
        .outerjoin(kept_status, kept_status.c.offering_id == offering.c.id)
        .outerjoin(_SENT, _SENT.c.offering_id == offering.c.id)
        .outerjoin(_REPORTED, _REPORTED.c.offering_id == offering.c.id)
        .where(_KIND.is_not(None))
    )
    if reach is not None:
        query = query.where(offering.c.centre.in_(list(reach)))
    for column, wanted in (
        (centre.c.region, asked.region),
        (centre.c.code, asked.centre),
        (_KIND, asked.kind),
    ):
        if wanted:
            query = query.where(column == wanted)
    return query.where(tagged(Tag.TOPIC, asked.area)) if asked.area else query


def areas(tx: Connection, reach: Collection[str] | None) -> list[str]:
    """The topics of what people acted on, for the filter."""
    query = (
        select(offering_tag.c.value)
        .distinct()
        .join(kept_status, kept_status.c.offering_id == offering_tag.c.offering_id)
        .join(offering, offering.c.id == offering_tag.c.offering_id)
        .where(offering_tag.c.kind == Tag.TOPIC, offering.c.status.in_((_S.SUBMITTED, _S.REVIEWED)))
    )
    if reach is not None:
        query = query.where(offering.c.centre.in_(list(reach)))
    return list(tx.scalars(query.order_by(offering_tag.c.value).limit(200)))


def last_edition(tx: Connection, record_id: int, record: Offering) -> tuple[int, Offering] | None:
    """The edition of the same course before this one; None where there is none."""
    if not record.course_code:
        return None
    same = [
        offering.c.centre == record.centre,
        offering.c.course_code == record.course_code,
        offering.c.id != record_id,
    ]
    if record.starts_at is not None:
        same.append(offering.c.starts_at < record.starts_at)
    newest = (offering.c.starts_at.is_(None), offering.c.starts_at.desc(), offering.c.id.desc())
    found = tx.scalar(select(offering.c.id).where(*same).order_by(*newest).limit(1))
    return None if found is None else (found, offerings.offerings(tx, [found])[found])
