"""Where a centre's offerings stand: at the Academy, and in the centre's LMS."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Select, and_, exists, or_, select, true

from lms_bridge.domain.model import ACADEMY, Kind, centre_system
from lms_bridge.store.tables import EMPTY, link, offering


def at_academy(tx: Connection, centre: str) -> dict[str, str]:
    """{external id at the Academy: offering code} of a centre's published offerings."""
    rows = tx.execute(
        select(link.c.external_id, offering.c.code)
        .join(offering, offering.c.id == link.c.record_id)
        .where(
            link.c.system == ACADEMY,
            link.c.kind == Kind.OFFERING,
            link.c.record_id.in_(_offerings_of(centre)),
            link.c.external_id != "",
        )
    )
    return {row.external_id: row.code for row in rows}


def _offerings_of(centre: str) -> Select[int]:
    """The ids of a centre's offerings. By them the Academy's links of one centre are found without
    going through those of all centres."""
    return select(offering.c.id).where(offering.c.centre == centre)


def published(tx: Connection, centre: str) -> list[str]:
    """External ids of what the Academy acknowledged and nothing newer waits for."""
    rows = tx.execute(
        select(link.c.external_id).where(
            link.c.system == ACADEMY,
            link.c.kind == Kind.OFFERING,
            link.c.record_id.in_(_offerings_of(centre)),
            link.c.acknowledged != EMPTY,
            link.c.acknowledged == link.c.wanted,
            link.c.sending.is_(False),
        )
    )
    return [row.external_id for row in rows]


def with_enrolments(tx: Connection, centre: str, since: datetime) -> list[str]:
    """External ids of the LMS's courses that hold enrolments by the bridge and did not end before
    ``since``."""
    system = centre_system(centre)
    held = link.alias("held")
    rows = tx.execute(
        select(link.c.external_id)
        .join(offering, offering.c.id == link.c.record_id)
        .where(
            link.c.system == system,
            link.c.kind == Kind.OFFERING,
            link.c.external_id != "",
            or_(offering.c.ends_at.is_(None), offering.c.ends_at >= since),
            # Only what was acknowledged has a scope: the index alone tells, if asked for no more.
            exists(held.c.scope).where(
                held.c.system == system,
                held.c.kind == Kind.ENROLMENT,
                held.c.scope == link.c.external_id,
            ),
        )
        .order_by(link.c.id)
    )
    return [row.external_id for row in rows]


def without_course(
    tx: Connection, centre: str, *, nameless: bool = False
) -> list[tuple[int, str, str]]:
    """(record id, code, name of the course in the LMS) of editions whose course is not known;
    with ``nameless``, also of those that name no course."""
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
