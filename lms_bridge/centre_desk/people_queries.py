"""The people of a course: where each of them stands, and why a place waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.lifecycle import BEFORE_PAYMENT
from lms_bridge.domain.model import Centre, EnrolmentStatus, Kind
from lms_bridge.store.holds import PENDING, UNDECIDED
from lms_bridge.store.tables import IS_SHOWN, enrolment, hold, learner, link, unmatched

APPLICANTS, PAYMENTS, EVERYONE = "applicants", "payments", "everyone"
GROUPS: Mapping[str, tuple[EnrolmentStatus, ...]] = {
    APPLICANTS: (EnrolmentStatus.APPLIED,),
    PAYMENTS: BEFORE_PAYMENT,
    EVERYONE: (),
}
"""{group of people: their statuses}; none: any."""
_ENROLMENT = ("id", "revision", "status", "starts_at", "ends_at", "changed_at", "learner_id")
_LEARNER = ("academy_id", "given_name", "family_name", "email", "country")
Rows = Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """``text`` are words of a name, an address or an Academy id. ``after`` is the last number of
    the page before."""

    group: str = EVERYONE
    text: str = ""
    after: int = 0


def people(
    tx: Connection,
    offering_id: int,
    asked: PeopleFilter,
    most: int,
    statuses: Sequence[EnrolmentStatus] = (),
) -> Rows:
    """People of an offering in the order in which they registered, ``most`` of them."""
    columns = (
        *(enrolment.c[name] for name in _ENROLMENT),
        *(learner.c[name] for name in _LEARNER),
    )
    query = _matching(select(*columns), offering_id, asked, statuses)
    query = query.where(enrolment.c.id > asked.after).order_by(enrolment.c.id).limit(most)
    return tx.execute(query).all()


def count_matching(tx: Connection, offering_id: int, asked: PeopleFilter) -> int:
    """How many people of an offering fit, on whatever page they are."""
    return tx.scalar(_matching(select(func.count()), offering_id, asked)) or 0


def _matching(
    query: Select[Any],
    offering_id: int,
    asked: PeopleFilter,
    statuses: Sequence[EnrolmentStatus] = (),
) -> Select[Any]:
    wanted = statuses or GROUPS[asked.group]
    query = (
        query.select_from(enrolment)
        .join(learner, learner.c.id == enrolment.c.learner_id)
        .where(enrolment.c.offering_id == offering_id, IS_SHOWN)
    )
    if wanted:
        query = query.where(enrolment.c.status.in_(wanted))
    for word in asked.text.split():
        names = (learner.c.given_name, learner.c.family_name, learner.c.email, learner.c.academy_id)
        query = query.where(or_(*(name.icontains(word, autoescape=True) for name in names)))
    return query


def count_groups(tx: Connection, offering_id: int) -> dict[str, int]:
    """{group: how many people of an offering are in it}"""
    query = select(enrolment.c.status, func.count()).group_by(enrolment.c.status)
    rows = tx.execute(query.where(enrolment.c.offering_id == offering_id, IS_SHOWN)).all()
    return {
        group: sum(number for status, number in rows if not of or status in of)
        for group, of in GROUPS.items()
    }


@dataclass(frozen=True, slots=True)
class PlaceWait:
    """Why a place waits, in a sentence of the code, and since when. ``detail`` is what the centre's
    LMS said."""

    why: str
    since: datetime | None = None
    detail: str = ""


_BY_STATUS = {
    EnrolmentStatus.APPLIED: "Waits for your decision.",
    EnrolmentStatus.REGISTERED: "Waits for the payment.",
    EnrolmentStatus.SELECTED: "Waits for the payment.",
    EnrolmentStatus.INVOICED: "Waits for the payment.",
}


def waits_of(tx: Connection, centre: Centre, rows: Rows) -> dict[int, PlaceWait]:
    """{enrolment id: why it waits} of those that do. Four queries, whatever the number of rows."""
    places = [row.id for row in rows if row.status in IN_COURSE]
    learner_ids = [row.learner_id for row in rows if row.status in IN_COURSE]
    accounts = _links(tx, centre, Kind.LEARNER, learner_ids)
    enrolled = _links(tx, centre, Kind.ENROLMENT, places)
    uncertain = _unmatched(tx, centre, learner_ids)
    held = _held(tx, centre) if places else {}
    found = {}
    for row in rows:
        if row.status in _BY_STATUS:
            found[row.id] = PlaceWait(_BY_STATUS[row.status], row.changed_at)
        elif row.status in IN_COURSE:
            wait = (
                uncertain.get(row.learner_id)
                or _wait(accounts.get(row.learner_id), held)
                or _wait(enrolled.get(row.id), held)
            )
            if wait is not None:
                found[row.id] = wait
    return found


def _links(
    tx: Connection, centre: Centre, kind: Kind, record_ids: Sequence[int]
) -> dict[int, Row[Any]]:
    query = select(link).where(
        link.c.system == centre.system, link.c.kind == kind, link.c.record_id.in_(record_ids)
    )
    return {row.record_id: row for row in tx.execute(query)}


def _unmatched(tx: Connection, centre: Centre, learner_ids: Sequence[int]) -> dict[int, PlaceWait]:
    query = select(unmatched.c.learner_id, unmatched.c.since).where(
        unmatched.c.centre == centre.code, unmatched.c.learner_id.in_(learner_ids), UNDECIDED
    )
    why = "It is not certain which account at your LMS is theirs. An operator decides."
    return {row.learner_id: PlaceWait(why, row.since) for row in tx.execute(query)}


def _held(tx: Connection, centre: Centre) -> dict[tuple[str, int], datetime]:
    """{(kind, record id): since when} of what waits for an operator's decision."""
    query = select(hold.c.kind, hold.c.record_ids, hold.c.created_at).where(
        hold.c.centre == centre.code,
        hold.c.status == PENDING,
        hold.c.kind.in_((Kind.LEARNER, Kind.ENROLMENT)),
    )
    return {
        (row.kind, record_id): row.created_at
        for row in tx.execute(query)
        for record_id in row.record_ids
    }


def _wait(row: Row[Any] | None, held: Mapping[tuple[str, int], datetime]) -> PlaceWait | None:
    """Why the centre's LMS does not hold yet what it is to hold."""
    if row is None:
        return None
    since = held.get((row.kind, row.record_id))
    if since is not None:
        return PlaceWait("A large change is held until an operator decides.", since)
    if row.desired == row.acknowledged and not row.sending:
        return None
    if row.error:
        return PlaceWait(
            "Your LMS refused it. The bridge tries again.", row.failed_since, row.error
        )
    return PlaceWait("The next run sends it to your LMS.")


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """Whose place it is, and its status now."""

    name: str
    status: EnrolmentStatus


def named(tx: Connection, numbers: Sequence[int]) -> dict[int, NamedPlace]:
    """{enrolment id: whose place it is}"""
    query = select(
        enrolment.c.id,
        enrolment.c.status,
        learner.c.given_name,
        learner.c.family_name,
        learner.c.academy_id,
    ).join(learner, learner.c.id == enrolment.c.learner_id)
    found: dict[int, NamedPlace] = {}
    for chunk in chunks(numbers):
        for row in tx.execute(query.where(enrolment.c.id.in_(chunk))):
            name = f"{row.given_name} {row.family_name}".strip() or row.academy_id
            found[row.id] = NamedPlace(name, row.status)
    return found
