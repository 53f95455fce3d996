"""What the database counts for the report of a year: a few grouped sums.

A course belongs to the year of its first day, in its own time zone, and a self-paced one to that of
its publication. So a day begins at another
moment in each zone: where that matters, the moment is looked up by the zone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
)

from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.lifecycle import COMPLETED, OfferingAction
from lms_bridge.domain.model import EnrolmentStatus, Modality, OfferingStatus
from lms_bridge.domain.rules import Rules
from lms_bridge.store.review_tables import end_report, status_change
from lms_bridge.store.tables import FIRST_MOMENT, IS_SHOWN, enrolment, learner, offering, result
from lms_bridge.store.types import Utc

MARGIN = timedelta(hours=15)
"""No zone is further from UTC."""
GIVEN, CANCELLED, POSTPONED, PLANNED = "given", "cancelled", "postponed", "planned"
_O = OfferingStatus
_BEGUN = (_O.RUNNING, _O.DELIVERED, _O.REPORTED, _O.CLOSED)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@dataclass(frozen=True, slots=True)
class YearSpan:
    """A year, the zones of its offerings, and the days in it on which centres changed regions."""

    year: int
    zones: tuple[str, ...]
    cuts: tuple[date, ...]
    now: datetime

    @property
    def first(self) -> date:
        return date(self.year, 1, 1)

    @property
    def after(self) -> date:
        return date(self.year + 1, 1, 1)

    def days(self) -> list[date]:
        """A day of each part between the changes of regions."""
        return [self.first, *(cut + timedelta(days=1) for cut in self.cuts)]


def span_of(tx: Connection, year: int, cuts: Sequence[date], now: datetime) -> YearSpan:
    """``cuts`` are the last days of centres in their regions before."""
    bare = YearSpan(year, (), (), now)
    zones = select(offering.c.time_zone).distinct().where(*_roughly(bare))
    inside = sorted({cut for cut in cuts if bare.first <= cut < bare.after - timedelta(days=1)})
    return YearSpan(year, tuple(sorted(tx.scalars(zones))), tuple(inside), now)


def _roughly(span: YearSpan) -> list[ColumnElement[bool]]:
    """The offerings of the year and of the hours around it, by an index."""
    return [
        _first_moment() >= _midnight(span.first) - MARGIN,
        _first_moment() < _midnight(span.after) + MARGIN,
    ]


def _first_moment() -> ColumnElement[datetime]:
    """A self-paced course has no first day: it counts from its publication."""
    return literal_column(f"({FIRST_MOMENT})", Utc())


def _begins(day: date, zones: Sequence[str]) -> Any:
    """The moment at which a day begins, in the zone of each offering."""
    by_moment: dict[datetime, list[str]] = defaultdict(list)
    for zone in zones:
        local = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
        by_moment[local].append(zone)
    whens = [
        (offering.c.time_zone.in_(names), literal(moment, Utc()))
        for moment, names in by_moment.items()
    ]
    return case(*whens) if whens else literal(_midnight(day), Utc())


def _since(day: date, zones: Sequence[str]) -> ColumnElement[bool]:
    """Whether an offering's first day is that day or a later one. Most are far enough from it that
    their zone does not matter."""
    at, middle = _first_moment(), _midnight(day)
    near = and_(at >= middle - MARGIN, at >= _begins(day, zones))
    found: ColumnElement[bool] = or_(at >= middle + MARGIN, near)
    return found


def _state(now: datetime) -> ColumnElement[str]:
    """What became of an offering. What its source published has begun by its dates."""
    status, at = offering.c.status, offering.c
    begun = or_(
        status.in_(_BEGUN),
        and_(status == _O.PUBLISHED, func.coalesce(at.starts_at, now) <= literal(now, Utc())),
    )
    return case(
        (begun, _word(GIVEN)),
        (status == _O.CANCELLED, _word(CANCELLED)),
        (status == _O.POSTPONED, _word(POSTPONED)),
        else_=_word(PLANNED),
    )


def _word(word: str) -> ColumnElement[str]:
    return literal_column(f"'{word}'", Text)


def _part(span: YearSpan) -> ColumnElement[Any]:
    """In which part of the year, between changes of regions, an offering begins: 0, 1, …"""
    if not span.cuts:
        return literal_column("0")
    later: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (_since(cut + timedelta(days=1), span.zones), literal_column(str(place + 1)))
        for place, cut in reversed(list(enumerate(span.cuts)))
    ]
    return case(*later, else_=literal_column("0"))


def _of_year(span: YearSpan) -> Select[Any]:
    """One row for each course of the year. What its source shows no longer counts where it was
    given."""
    state = _state(span.now)
    return select(
        offering.c.id,
        offering.c.centre,
        type_coerce(cast(offering.c.organisers, Text), Text).label("organisers"),
        _part(span).label("part"),
        offering.c.modality,
        offering.c.starts_at,
        offering.c.ends_at,
        state.label("state"),
    ).where(
        *_roughly(span),
        _since(span.first, span.zones),
        ~_since(span.after, span.zones),
        or_(offering.c.listed, state == _word(GIVEN)),
    )


def courses(tx: Connection, span: YearSpan) -> Sequence[Row[Any]]:
    """Rows: centre, organisers as JSON, part, modality, state, number."""
    given = _of_year(span).subquery()
    keys = (given.c.centre, given.c.organisers, given.c.part, given.c.modality, given.c.state)
    return tx.execute(select(*keys, func.count().label("number")).group_by(*keys)).all()


def people(tx: Connection, span: YearSpan) -> Sequence[Row[Any]]:
    """Rows: centre, organisers as JSON, part, country, registered, participants, completed,
    certificates."""
    # Worked out once for a course, not for each enrolment in it.
    given = _of_year(span).cte("given").prefix_with("MATERIALIZED")
    status = enrolment.c.status
    took_part = and_(given.c.state == _word(GIVEN), _among(IN_COURSE))
    completed = and_(took_part, or_(_among(COMPLETED), result.c.completed.is_(True)))
    keys = (given.c.centre, given.c.organisers, given.c.part, learner.c.country)
    query = (
        select(
            *keys,
            func.count().label("registered"),
            _sum(took_part).label("participants"),
            _sum(completed).label("completed"),
            _sum(and_(took_part, status == EnrolmentStatus.CERTIFIED)).label("certificates"),
        )
        .select_from(given)
        .join(enrolment, enrolment.c.offering_id == given.c.id)
        .join(learner, learner.c.id == enrolment.c.learner_id)
        .outerjoin(result, result.c.enrolment_id == enrolment.c.id)
        .where(IS_SHOWN)
        .group_by(*keys)
    )
    return tx.execute(query).all()


def papers(tx: Connection, span: YearSpan, rules: Rules) -> Sequence[Row[Any]]:
    """Rows: centre, organisers as JSON, part, and the figures of outlines and reports. The first
    one of a course counts: one that was sent back had come in time all the same."""
    given = _of_year(span).subquery()
    submitted = _first(status_change, status_change.c.action == OfferingAction.SUBMIT)
    reported = _first(end_report)
    before = _days(tx, given.c.starts_at, submitted.c.at)
    early = or_(given.c.starts_at.is_(None), before >= rules.lead_days)
    after = _days(tx, reported.c.at, given.c.ends_at)
    since = _days(tx, literal(span.now, Utc()), given.c.ends_at)
    ended = and_(
        given.c.state == _word(GIVEN),
        func.coalesce(given.c.modality, "") != Modality.SELF_PACED,
        given.c.ends_at <= literal(span.now, Utc()),
    )
    came = reported.c.at.is_not(None)
    due = and_(ended, or_(came, since >= rules.report_days))
    late = after > (rules.report_days or 100_000)
    keys = (given.c.centre, given.c.organisers, given.c.part)
    wanted = {
        "outlines": submitted.c.at.is_not(None),
        "outlines_in_time": and_(submitted.c.at.is_not(None), early),
        "outlines_late": and_(submitted.c.at.is_not(None), ~early),
        "reports_due": due,
        "reports_in_time": and_(due, came, ~late),
        "reports_late": and_(due, came, late),
        "reports_missing": and_(due, ~came),
    }
    query = (
        select(*keys, *(_sum(condition).label(name) for name, condition in wanted.items()))
        .select_from(given)
        .outerjoin(submitted, submitted.c.offering_id == given.c.id)
        .outerjoin(reported, reported.c.offering_id == given.c.id)
        .group_by(*keys)
    )
    return tx.execute(query).all()


def _first(table: Table, *where: ColumnElement[bool]) -> Any:
    """When the first one of each offering came."""
    first = func.min(table.c.at, type_=Utc()).label("at")
    return select(table.c.offering_id, first).where(*where).group_by(table.c.offering_id).subquery()


def _days(tx: Connection, later: Any, earlier: Any) -> ColumnElement[Any]:
    """Days from one moment to another, with their fractions."""
    if tx.dialect.name == "sqlite":
        found: ColumnElement[Any] = func.julianday(later) - func.julianday(earlier)
        return found
    return func.extract("epoch", later - earlier) / 86_400


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _among(statuses: Any) -> ColumnElement[bool]:
    return enrolment.c.status.in_([_word(each) for each in sorted(statuses)])
