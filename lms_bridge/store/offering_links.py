"""Where a centre's offerings stand: at the Academy and in the centre's LMS."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    update,
)

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import ACADEMY, Kind, centre_system
from lms_bridge.store.tables import EMPTY, HELD, link, offering

_OFFERINGS_OF = select(offering.c.id).where(offering.c.centre == bindparam("of_centre"))
"""The ids of a centre's offerings. By them the Academy's links of one centre are found without
going through those of all centres."""
_AT_ACADEMY = (
    select(link.c.external_id, offering.c.code)
    .join(offering, offering.c.id == link.c.record_id)
    .where(
        link.c.system == ACADEMY,
        link.c.kind == Kind.OFFERING,
        link.c.record_id.in_(_OFFERINGS_OF),
        link.c.external_id != "",
    )
)


def at_academy(tx: Connection, centre: str) -> dict[str, str]:
    """{external id at the Academy: offering code} of a centre's published offerings."""
    rows = tx.execute(_AT_ACADEMY, {"of_centre": centre}).all()
    return {row[0]: row[1] for row in rows}


def published(tx: Connection, centre: str) -> dict[str, bytes]:
    """{external id: hash} of what the Academy acknowledged and nothing newer waits for."""
    rows = tx.execute(
        select(link.c.external_id, link.c.acknowledged).where(
            link.c.system == ACADEMY,
            link.c.kind == Kind.OFFERING,
            link.c.record_id.in_(_OFFERINGS_OF),
            link.c.acknowledged != EMPTY,
            link.c.acknowledged == link.c.desired,
            link.c.sending.is_(False),
        ),
        {"of_centre": centre},
    )
    return {row.external_id: row.acknowledged for row in rows}


_THERE = link.alias("there")
_COURSES = (
    select(link.c.external_id)
    .join(offering, offering.c.id == link.c.record_id)
    .where(
        link.c.system == bindparam("in_system"),
        link.c.kind == Kind.OFFERING,
        link.c.external_id != "",
        or_(offering.c.ends_at.is_(None), offering.c.ends_at >= bindparam("since")),
    )
    .order_by(link.c.id)
)
# Only what was acknowledged has a scope: the index alone tells, if asked for no more.
_CONFIRMED = _COURSES.where(
    exists(_THERE.c.scope).where(
        _THERE.c.system == bindparam("in_system"),
        _THERE.c.kind == Kind.ENROLMENT,
        _THERE.c.scope == link.c.external_id,
    )
)
"""Built once, because each run asks, and building costs more than the query."""


def with_enrolments(tx: Connection, centre: str, since: datetime) -> list[str]:
    """External ids of the LMS's courses that hold enrolments by the bridge and did not end before
    ``since``."""
    values = {"in_system": centre_system(centre), "since": since}
    return list(tx.scalars(_CONFIRMED, values).all())


def with_end(tx: Connection, centre: str) -> dict[str, datetime | None]:
    """{external id: end} of all courses that the LMS ever showed, in their order."""
    query = (
        select(link.c.external_id, offering.c.ends_at)
        .join(offering, offering.c.id == link.c.record_id)
        .where(
            link.c.system == centre_system(centre),
            link.c.kind == Kind.OFFERING,
            link.c.external_id != "",
        )
        .order_by(link.c.id)
    )
    return {row.external_id: row.ends_at for row in tx.execute(query)}


def without_course(
    tx: Connection, centre: str, *, nameless: bool = False
) -> list[tuple[int, str, str]]:
    """(record id, code, name of the course in the LMS) of editions with an unknown course. With
    ``nameless``, also of those that name no course."""
    there = link.alias("there")
    rows = tx.execute(
        select(offering.c.id, offering.c.code, offering.c.lms_course).where(
            offering.c.centre == centre,
            true() if nameless else offering.c.lms_course != "",
            offering.c.listed,
            ~exists().where(
                and_(
                    there.c.system == centre_system(centre),
                    there.c.kind == Kind.OFFERING,
                    there.c.record_id == offering.c.id,
                    there.c.external_id != "",
                )
            ),
        )
    )
    return [(row[0], row[1], row[2]) for row in rows]


def forget_courses(tx: Connection, system: str, offering_ids: Iterable[int]) -> None:
    """The system does not hold the courses of these offerings any more."""
    for chunk in chunks(offering_ids):
        tx.execute(
            update(link)
            .where(
                link.c.system == system,
                link.c.kind == Kind.OFFERING,
                link.c.record_id.in_(chunk),
            )
            .values(external_id="", scope="", source_hash=EMPTY)
        )


def without_their_course(
    tx: Connection, system: str, offering_ids: Iterable[int]
) -> frozenset[int]:
    """Those of these offerings whose course the system held once, and holds no more."""
    found: set[int] = set()
    for chunk in chunks(offering_ids):
        rows = tx.scalars(
            select(link.c.record_id).where(
                link.c.system == system,
                link.c.kind == Kind.OFFERING,
                link.c.record_id.in_(chunk),
                link.c.external_id == "",
            )
        )
        found.update(rows)
    return frozenset(found)


def acknowledged(tx: Connection) -> dict[str, dict[Kind, int]]:
    """{centre: {kind: records}} that the targets acknowledged and hold: offerings and results at
    the Academy, people and enrolments in the centre's LMS."""
    rows = tx.execute(
        select(link.c.centre, link.c.kind, func.count())
        .where(HELD)
        .group_by(link.c.centre, link.c.kind)
    )
    found: dict[str, dict[Kind, int]] = {}
    for centre, kind, number in rows:
        found.setdefault(centre, {})[Kind(kind)] = number
    return found
