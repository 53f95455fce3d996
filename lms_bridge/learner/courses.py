"""A learner's courses at all centres: one query, whatever the number of centres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, case, select

from lms_bridge.domain.availability import is_over
from lms_bridge.domain.lifecycle import EnrolmentAction, enrolment_actions
from lms_bridge.domain.model import ACADEMY, Enrolment, EnrolmentStatus, Kind, Offering, Result
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.enrolment_access import check_enrolment_open
from lms_bridge.lti.platform.launch import all_served
from lms_bridge.settings import LtiSettings
from lms_bridge.store import source_links
from lms_bridge.store.tables import IN_CATALOGUE, IS_SHOWN, centre, enrolment, offering, result

MOST = 500
"""Courses that the page shows, the newest first."""
_LONG = frozenset({"description", "audience", "requirements", "objectives", "meetings"})
_OFFERING = [each.name for each in fields(Offering) if each.name not in _LONG]
_RESULT = [each.name for each in fields(Result) if each.name not in ("learner", "offering")]
_OWN = 10
"""Columns of a row before those of the offering; those of the result come last."""
_E = EnrolmentStatus
_ENDED = frozenset(
    {_E.REJECTED, _E.COMPLETED, _E.NOT_COMPLETED, _E.CERTIFIED, _E.WITHDRAWN, _E.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class LearnerCourse:
    """One course of a learner.

    ``open`` says whether the course may be entered now, and ``message`` and ``remedy`` why not, in
    the words of a refused launch. ``served``: a launch leads into the centre's LMS. ``kept_here``:
    the Academy does not keep this registration, so it may be changed here.
    """

    number: int
    revision: int
    enrolment: Enrolment
    offering_id: int
    offering: Offering
    centre_name: str
    sample: bool
    public: bool
    result: Result | None
    kept_here: bool
    served: bool
    is_past: bool
    message: str = ""
    remedy: str = ""

    @property
    def open(self) -> bool:
        return not self.message

    @property
    def may_withdraw(self) -> bool:
        actions = enrolment_actions(self.enrolment.status)
        return self.kept_here and EnrolmentAction.WITHDRAW in actions

    @property
    def texts(self) -> dict[str, Any]:
        """What ``domain.translations`` needs to show the title in the reader's language."""
        return {"title": self.offering.title, "translations": self.offering.translations}

    @property
    def address(self) -> str:
        """The course at its centre; "" where the address is not one to follow."""
        given = self.offering.address
        return given if given.startswith(("https://", "http://")) else ""


def _query(learner_id: int) -> Select[Any]:
    return (
        select(
            enrolment.c.id,
            enrolment.c.revision,
            enrolment.c.offering_id,
            enrolment.c.status,
            enrolment.c.starts_at,
            enrolment.c.ends_at,
            centre.c.name,
            centre.c.sample,
            case((IN_CATALOGUE, 1), else_=0),
            result.c.id,
            *(offering.c[name] for name in _OFFERING),
            *(result.c[name] for name in _RESULT),
        )
        .select_from(enrolment)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .outerjoin(centre, centre.c.code == offering.c.centre)
        .outerjoin(result, result.c.enrolment_id == enrolment.c.id)
        .where(enrolment.c.learner_id == learner_id, IS_SHOWN)
        .order_by(enrolment.c.id.desc())
        .limit(MOST)
    )


def courses_of(
    tx: Connection, learner_id: int, settings: LtiSettings, now: datetime
) -> list[LearnerCourse]:
    """All courses of a learner. Those that go on come first, the earliest start first."""
    found = _courses(tx, tx.execute(_query(learner_id)).all(), settings, now)
    return sorted(found, key=_order)


def course_of(
    tx: Connection, learner_id: int, number: int, settings: LtiSettings, now: datetime
) -> LearnerCourse | None:
    """The learner's course by the number of its enrolment; None where it is not theirs."""
    rows = tx.execute(_query(learner_id).where(enrolment.c.id == number)).all()
    return next(iter(_courses(tx, rows, settings, now)), None)


def status_in(tx: Connection, learner_id: int, offering_id: int) -> EnrolmentStatus | None:
    """The status of the learner in an offering; None where they never registered."""
    mine = and_(enrolment.c.learner_id == learner_id, enrolment.c.offering_id == offering_id)
    return tx.scalar(select(enrolment.c.status).where(mine))


def public_offering(tx: Connection, code: str) -> tuple[int, Offering] | None:
    """The offering of the public catalogue with this code, and its row's number."""
    columns = [offering.c[name] for name in _OFFERING]
    row = tx.execute(
        select(offering.c.id, *columns).where(offering.c.code == code, IN_CATALOGUE)
    ).first()
    return None if row is None else (row[0], _offering(row[1:]))


def _offering(values: Sequence[Any]) -> Offering:
    return Offering(**dict(zip(_OFFERING, values, strict=True)))


def _courses(
    tx: Connection, rows: Sequence[Any], settings: LtiSettings, now: datetime
) -> list[LearnerCourse]:
    end = _OWN + len(_OFFERING)
    records = {row[2]: _offering(row[_OWN:end]) for row in rows}
    served = all_served(tx, {id_: each.centre for id_, each in records.items()})
    owners = source_links.sources(tx, Kind.ENROLMENT, [row[0] for row in rows])
    found = []
    for row in rows:
        number, revision, offering_id, status, starts, ends = row[:6]
        name, sample, public, result_id = row[6:_OWN]
        record = records[offering_id]
        enrolled = Enrolment("", record.code, status, starts, ends)
        scored = dict(zip(_RESULT, row[end:], strict=True))
        message, remedy = _why_closed(enrolled, record, now, settings)
        found.append(
            LearnerCourse(
                number=number,
                revision=revision,
                enrolment=enrolled,
                offering_id=offering_id,
                offering=record,
                centre_name=name or record.centre,
                sample=bool(sample),
                public=bool(public),
                result=None if result_id is None else Result("", record.code, **scored),
                kept_here=owners.get(number) != ACADEMY,
                served=offering_id in served,
                is_past=status in _ENDED or is_over(record, now),
                message=message,
                remedy=remedy,
            )
        )
    return found


def _why_closed(
    enrolled: Enrolment, record: Offering, now: datetime, settings: LtiSettings
) -> tuple[str, str]:
    """What a launch would be refused with; empty where it would not."""
    try:
        check_enrolment_open(enrolled, record, now, settings)
    except LtiRefused as error:
        return error.message, error.remedy
    return "", ""


def _order(each: LearnerCourse) -> tuple[bool, bool, float]:
    """What goes on by its start, what is over by its end, the last one first."""
    if each.is_past:
        ends = each.offering.ends_at
        return True, ends is None, -ends.timestamp() if ends else 0.0
    starts = each.offering.starts_at
    return False, starts is None, starts.timestamp() if starts else 0.0


def grouped(courses: Sequence[LearnerCourse]) -> Mapping[bool, list[LearnerCourse]]:
    """{whether they are over: courses}"""
    return {past: [each for each in courses if each.is_past is past] for past in (False, True)}
