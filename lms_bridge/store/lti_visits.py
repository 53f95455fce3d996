"""Queries on visits: what platforms told about the learners who came from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    cast,
    literal,
    or_,
    select,
    update,
)

from lms_bridge.domain.model import GRADEBOOK, Kind
from lms_bridge.store.links import chunks
from lms_bridge.store.lti_tables import course, party, visit
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import enrolment, link, offering, result
from lms_bridge.store.types import Utc


@dataclass(frozen=True, slots=True)
class Visit:
    """A learner's coming to an offering from a platform. ``subject`` is the platform's own id of
    the learner. ``line_item`` and ``line_items`` are addresses in its gradebook, both empty where
    it takes no scores from the bridge; ``scopes`` what the bridge may do there."""

    party_id: int
    offering_id: int
    learner_id: int
    subject: str
    resource_link: str = ""
    line_item: str = ""
    line_items: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visited:
    """A platform's course from which an offering was launched, with its memberships service."""

    party_id: int
    offering_id: int
    context: str
    title: str = ""
    memberships: str = ""


_KEY = ("party_id", "offering_id", "learner_id")
_FIELDS = Visit.__slots__
_TOLD = ("subject", "resource_link", "line_item", "line_items", "scopes")
_VISIT = select(*(visit.c[name] for name in _FIELDS), visit.c.id, visit.c.scored_at)
_VISIT_OF = _VISIT.where(*(visit.c[name] == bindparam(f"{name}_is") for name in _KEY))


def find(tx: Connection, party_id: int, offering_id: int, learner_id: int) -> Visit | None:
    row = tx.execute(
        _VISIT_OF,
        {"party_id_is": party_id, "offering_id_is": offering_id, "learner_id_is": learner_id},
    ).first()
    return None if row is None else _visit(row)


def _visit(row: Any) -> Visit:
    values = {name: row._mapping[name] for name in _FIELDS}
    return Visit(**{**values, "scopes": tuple(row.scopes)})


def keep(tx: Connection, new: Visit, now: datetime) -> None:
    """Adds a visit, or renews what the platform told of it."""
    row = {name: getattr(new, name) for name in _FIELDS}
    upsert(tx, visit, [{**row, "at": now}], _KEY, [*_TOLD, "at"])


_COURSE_KEY = ("party_id", "context", "offering_id")
_COURSE = select(course.c.title, course.c.memberships).where(
    *(course.c[name] == bindparam(f"{name}_is") for name in _COURSE_KEY)
)


def is_known(tx: Connection, course: Visited) -> bool:
    """Whether a platform's course is kept, and all that the platform tells of it."""
    key = {f"{name}_is": getattr(course, name) for name in _COURSE_KEY}
    known = tx.execute(_COURSE, key).first()
    return known is not None and tuple(known) == (course.title, course.memberships)


def keep_course(tx: Connection, new: Visited, now: datetime) -> None:
    """Adds a platform's course, or renews what the platform told of it."""
    row = {name: getattr(new, name) for name in Visited.__slots__}
    upsert(tx, course, [{**row, "at": now}], _COURSE_KEY, ["title", "memberships", "at"])


# ---- gradebooks ------------------------------------------------------------------------


_HAS_GRADEBOOK: ColumnElement[bool] = or_(visit.c.line_item != "", visit.c.line_items != "")
_PLATFORM = and_(party.c.id == visit.c.party_id, party.c.status == "active")
_RESULT = (
    result.join(enrolment, enrolment.c.id == result.c.enrolment_id)
    .join(
        visit,
        and_(
            visit.c.offering_id == enrolment.c.offering_id,
            visit.c.learner_id == enrolment.c.learner_id,
        ),
    )
    .join(party, _PLATFORM)
)
"""Results, each with the visits of its learner from platforms that are connected."""


def gradebooks_of(tx: Connection, result_ids: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """{result id: [(platform's number, its centre's code, or "" for the Academy's)]}: the
    gradebooks that the results go to."""
    found: dict[int, list[tuple[int, str]]] = {}
    for chunk in chunks(result_ids):
        rows = tx.execute(
            select(result.c.id, party.c.id.label("party_id"), party.c.centre)
            .select_from(_RESULT)
            .where(result.c.id.in_(chunk), _HAS_GRADEBOOK)
        )
        for row in rows:
            found.setdefault(row.id, []).append((row.party_id, row.centre))
    return found


def unwanted(tx: Connection, centre: str) -> list[int]:
    """The results of a centre's offerings that are to go to some gradebook, and of which no link
    says so yet: those that were there before the learner came from the platform."""
    there = and_(
        link.c.system == literal(GRADEBOOK) + cast(party.c.id, String),
        link.c.kind == Kind.RESULT,
        link.c.record_id == result.c.id,
    )
    rows = tx.execute(
        select(result.c.id)
        .select_from(
            _RESULT.join(offering, offering.c.id == enrolment.c.offering_id).outerjoin(link, there)
        )
        .where(offering.c.centre == centre, link.c.id.is_(None), _HAS_GRADEBOOK)
        .distinct()
        .order_by(result.c.id)
    )
    return [row.id for row in rows]


def platforms_of(tx: Connection, centre: str) -> list[int]:
    """The connected platforms from which learners came to a centre's offerings, and whose
    gradebooks take scores."""
    rows = tx.execute(
        select(visit.c.party_id)
        .join(party, _PLATFORM)
        .join(offering, offering.c.id == visit.c.offering_id)
        .where(offering.c.centre == centre, _HAS_GRADEBOOK)
        .distinct()
        .order_by(visit.c.party_id)
    )
    return [row.party_id for row in rows]


@dataclass(frozen=True, slots=True)
class Column:
    """Where the score of one enrolment goes in a platform's gradebook: the visit, its row's id,
    and the time that the last score carried."""

    id: int
    visit: Visit
    scored_at: datetime | None


def columns_of(
    tx: Connection, party_id: int, pairs: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Column]:
    """{(offering id, learner id): column} of the visits from one platform."""
    wanted = set(pairs)
    found: dict[tuple[int, int], Column] = {}
    for chunk in chunks({learner_id for _, learner_id in wanted}):
        rows = tx.execute(_VISIT.where(visit.c.party_id == party_id, visit.c.learner_id.in_(chunk)))
        for row in rows:
            pair = (row.offering_id, row.learner_id)
            if pair in wanted:
                found[pair] = Column(row.id, _visit(row), row.scored_at)
    return found


_SCORED = (
    update(visit)
    .where(visit.c.id == bindparam("row_id"))
    .values(scored_at=bindparam("new_at", type_=Utc))
)


def stamped(tx: Connection, stamps: Mapping[int, datetime]) -> None:
    """Notes the times that scores about to be sent carry, {visit's row id: time}."""
    if stamps:
        tx.execute(_SCORED, [{"row_id": id_, "new_at": at} for id_, at in stamps.items()])


def found_line_item(
    tx: Connection, party_id: int, offering_id: int, line_items: str, before: str, now: str
) -> None:
    """The line item that scores of an offering go to, where the platform told of none (``before``
    is empty), or of one that is there no more."""
    tx.execute(
        update(visit)
        .where(
            visit.c.party_id == party_id,
            visit.c.offering_id == offering_id,
            visit.c.line_items == line_items,
            visit.c.line_item == before,
        )
        .values(line_item=now)
    )


def results_about(tx: Connection, offering_id: int, learner_id: int) -> Sequence[int]:
    """The id of the learner's result in the offering, if there is one."""
    return tx.scalars(
        select(result.c.id)
        .join(enrolment, enrolment.c.id == result.c.enrolment_id)
        .where(enrolment.c.offering_id == offering_id, enrolment.c.learner_id == learner_id)
    ).all()
