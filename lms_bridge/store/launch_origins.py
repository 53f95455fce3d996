"""Where learners were launched from, and the gradebooks that their results go to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    String,
    and_,
    bindparam,
    cast,
    literal,
    or_,
    select,
    update,
)

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import GRADEBOOK, Kind
from lms_bridge.store.bulk import upsert
from lms_bridge.store.database import Database, first_row
from lms_bridge.store.lti_tables import course, launch_origin, registration
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import enrolment, link, offering, result
from lms_bridge.store.types import Utc


@dataclass(frozen=True, slots=True)
class LaunchOrigin:
    """Where a learner was launched into an offering from. ``subject`` is the platform's own id of
    the learner. ``line_item`` and ``line_items`` are addresses in its gradebook. Both are empty
    if it accepts no scores. ``scopes`` are the bridge's rights there."""

    registration_id: int
    offering_id: int
    learner_id: int
    subject: str
    resource_link: str = ""
    line_item: str = ""
    line_items: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredOrigin:
    """A platform's course from which an offering was launched, with its memberships service."""

    registration_id: int
    offering_id: int
    context: str
    title: str = ""
    memberships: str = ""


_KEY = ("registration_id", "offering_id", "learner_id")
_FIELDS = LaunchOrigin.__slots__
_FROM_PLATFORM = ("subject", "resource_link", "line_item", "line_items", "scopes")
_ORIGIN = select(
    *(launch_origin.c[name] for name in _FIELDS), launch_origin.c.id, launch_origin.c.scored_at
)
_ORIGIN_OF = _ORIGIN.where(*(launch_origin.c[name] == bindparam(f"{name}_is") for name in _KEY))


def find_origin(
    tx: Connection, registration_id: int, offering_id: int, learner_id: int
) -> LaunchOrigin | None:
    row = tx.execute(
        _ORIGIN_OF,
        {
            "registration_id_is": registration_id,
            "offering_id_is": offering_id,
            "learner_id_is": learner_id,
        },
    ).first()
    return None if row is None else _origin_of_row(row)


def _origin_of_row(row: Any) -> LaunchOrigin:
    values = {name: row._mapping[name] for name in _FIELDS}
    return LaunchOrigin(**{**values, "scopes": tuple(row.scopes)})


def keep_origin(tx: Connection, new: LaunchOrigin, now: datetime) -> None:
    """Adds a launch origin, or updates it with what the platform sent."""
    row = {name: getattr(new, name) for name in _FIELDS}
    upsert(tx, launch_origin, [{**row, "at": now}], _KEY, [*_FROM_PLATFORM, "at"])


_COURSE_KEY = ("registration_id", "context", "offering_id")
_COURSE = Prepared(
    select(course.c.title, course.c.memberships).where(
        *(course.c[name] == bindparam(f"{name}_is") for name in _COURSE_KEY)
    )
)


def is_known_origin(database: Database, course: StoredOrigin) -> bool:
    """Whether a platform's course is stored as the platform shows it now."""
    key = {f"{name}_is": getattr(course, name) for name in _COURSE_KEY}
    return first_row(database, _COURSE, key) == (course.title, course.memberships)


def keep_platform_course(tx: Connection, new: StoredOrigin, now: datetime) -> None:
    """Adds a platform's course, or updates it with what the platform sent."""
    row = {name: getattr(new, name) for name in StoredOrigin.__slots__}
    upsert(tx, course, [{**row, "at": now}], _COURSE_KEY, ["title", "memberships", "at"])


def platform_courses(tx: Connection, centre: str) -> Sequence[Row[Any]]:
    """The courses of a centre's platforms from which its own offerings were launched; of the
    Academy's ("") from which any was. Each with ``code`` of the offering, and ``issuer`` and
    ``person_id`` of the platform."""
    query = (
        select(
            course,
            offering.c.code,
            registration.c.issuer,
            registration.c.person_id,
            registration.c.status,
        )
        .join(registration, registration.c.id == course.c.registration_id)
        .join(offering, offering.c.id == course.c.offering_id)
        .where(registration.c.centre == centre)
        .order_by(offering.c.code, course.c.id)
    )
    return tx.execute(query.where(offering.c.centre == centre) if centre else query).all()


def platform_course(tx: Connection, course_id: int) -> Row[*tuple[Any, ...]] | None:
    """The platform's ``registration_id``, and the address of its ``memberships`` service."""
    return tx.execute(
        select(course.c.registration_id, course.c.memberships).where(course.c.id == course_id)
    ).first()


_HAS_GRADEBOOK: ColumnElement[bool] = or_(
    launch_origin.c.line_item != "", launch_origin.c.line_items != ""
)


def has_column(tx: Connection, registration_id: int, offering_id: int) -> bool:
    """Whether any launch of the offering from a platform named a column."""
    query = select(launch_origin.c.id).where(
        launch_origin.c.registration_id == registration_id,
        launch_origin.c.offering_id == offering_id,
        _HAS_GRADEBOOK,
    )
    return tx.execute(query.limit(1)).first() is not None


_PLATFORM = and_(
    registration.c.id == launch_origin.c.registration_id,
    registration.c.status == "active",
    or_(
        registration.c.any_offering,
        registration.c.centre == "",
        registration.c.centre == offering.c.centre,
    ),
)
"""An active platform that may open the offering."""
_RESULT = (
    result.join(enrolment, enrolment.c.id == result.c.enrolment_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .join(
        launch_origin,
        and_(
            launch_origin.c.offering_id == enrolment.c.offering_id,
            launch_origin.c.learner_id == enrolment.c.learner_id,
        ),
    )
    .join(registration, _PLATFORM)
)
"""Results, each with its learner's launch origins at connected platforms."""


def gradebooks_of(tx: Connection, result_ids: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """{result id: [(platform's number, its centre's code, or "" for the Academy's)]}: the
    gradebooks that the results go to."""
    found: dict[int, list[tuple[int, str]]] = {}
    for chunk in chunks(result_ids):
        rows = tx.execute(
            select(result.c.id, registration.c.id.label("registration_id"), registration.c.centre)
            .select_from(_RESULT)
            .where(result.c.id.in_(chunk), _HAS_GRADEBOOK)
        )
        for row in rows:
            found.setdefault(row.id, []).append((row.registration_id, row.centre))
    return found


def results_without_link(tx: Connection, centre: str) -> list[int]:
    """The results of a centre that belong in a gradebook but have no link yet. They existed before
    the learner came from the platform."""
    there = and_(
        link.c.system == literal(GRADEBOOK) + cast(registration.c.id, String),
        link.c.kind == Kind.RESULT,
        link.c.record_id == result.c.id,
    )
    rows = tx.execute(
        select(result.c.id)
        .select_from(_RESULT.outerjoin(link, there))
        .where(offering.c.centre == centre, link.c.id.is_(None), _HAS_GRADEBOOK)
        .distinct()
        .order_by(result.c.id)
    )
    return [row.id for row in rows]


def platforms_of(tx: Connection, centre: str) -> list[int]:
    """The connected platforms with a gradebook from which learners came to a centre's offerings."""
    rows = tx.execute(
        select(launch_origin.c.registration_id)
        .join(offering, offering.c.id == launch_origin.c.offering_id)
        .join(registration, _PLATFORM)
        .where(offering.c.centre == centre, _HAS_GRADEBOOK)
        .distinct()
        .order_by(launch_origin.c.registration_id)
    )
    return [row.registration_id for row in rows]


@dataclass(frozen=True, slots=True)
class KnownLineItem:
    """Where the score of one enrolment goes in a platform's gradebook. ``id`` is the row of
    the launch origin; ``scored_at`` is the time in the last score."""

    id: int
    origin: LaunchOrigin
    scored_at: datetime | None


def line_items_of(
    tx: Connection, registration_id: int, pairs: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], KnownLineItem]:
    """{(offering id, learner id): line item} of the learners from one platform."""
    desired = set(pairs)
    found: dict[tuple[int, int], KnownLineItem] = {}
    for chunk in chunks({learner_id for _, learner_id in desired}):
        rows = tx.execute(
            _ORIGIN.where(
                launch_origin.c.registration_id == registration_id,
                launch_origin.c.learner_id.in_(chunk),
            )
        )
        for row in rows:
            pair = (row.offering_id, row.learner_id)
            if pair in desired:
                found[pair] = KnownLineItem(row.id, _origin_of_row(row), row.scored_at)
    return found


_SCORED = (
    update(launch_origin)
    .where(launch_origin.c.id == bindparam("row_id"))
    .values(scored_at=bindparam("new_at", type_=Utc))
)


def stamped(tx: Connection, stamps: Mapping[int, datetime]) -> None:
    """Stores the times of the scores that are about to be sent, {row id: time}."""
    if stamps:
        tx.execute(_SCORED, [{"row_id": id_, "new_at": at} for id_, at in stamps.items()])


def found_line_item(
    tx: Connection, registration_id: int, offering_id: int, line_items: str, before: str, now: str
) -> None:
    """The line item that scores of an offering go to, where the platform named none (``before``
    is empty), or one that no longer exists."""
    tx.execute(
        update(launch_origin)
        .where(
            launch_origin.c.registration_id == registration_id,
            launch_origin.c.offering_id == offering_id,
            launch_origin.c.line_items == line_items,
            launch_origin.c.line_item == before,
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
