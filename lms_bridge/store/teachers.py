"""Who teaches an offering, and what became of their role in the centre's LMS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, and_, delete, select, update

from lms_bridge.domain.model import Kind
from lms_bridge.store.bulk import upsert
from lms_bridge.store.tables import link, offering, offering_teacher


class TeacherState(StrEnum):
    NEW = ""  # the role is still to be given
    SENDING = "sending"  # it may have been given: the outcome is not known
    GIVEN = "given"  # by the bridge, which may take it back
    THERE = "there"  # the person was in the course before, and is left alone


@dataclass(frozen=True, slots=True)
class Teacher:
    """``course`` and ``account`` are where the role was given; ``wanted`` is the course of the
    offering now, "" where there is none."""

    id: int
    offering_id: int
    code: str
    academy_id: str
    state: TeacherState
    course: str
    account: str
    leaves: bool
    wanted: str

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be done."""
        done = self.state in (TeacherState.GIVEN, TeacherState.THERE)
        return done and not self.leaves and self.course == self.wanted


def teachers(tx: Connection, centre: str, system: str) -> list[Teacher]:
    """The teachers of a centre's offerings, with those who leave."""
    table = offering_teacher
    at_lms = and_(
        link.c.system == system,
        link.c.kind == Kind.OFFERING,
        link.c.record_id == table.c.offering_id,
        offering.c.listed,
    )
    query = (
        select(table, offering.c.code, link.c.external_id)
        .join(offering, offering.c.id == table.c.offering_id)
        .join(link, at_lms, isouter=True)
        .where(offering.c.centre == centre)
        .order_by(table.c.id)
    )
    return [
        Teacher(
            row.id,
            row.offering_id,
            row.code,
            row.academy_id,
            TeacherState(row.state),
            row.course,
            row.account,
            row.leaves,
            row.external_id or "",
        )
        for row in tx.execute(query)
    ]


def name(tx: Connection, offering_id: int, academy_id: str) -> None:
    """This person teaches the offering. To say it twice has no effect."""
    row = {
        "offering_id": offering_id,
        "academy_id": academy_id,
        "state": TeacherState.NEW,
        "course": "",
        "account": "",
        "leaves": False,
    }
    upsert(tx, offering_teacher, [row], ["offering_id", "academy_id"], ["leaves"])


def dismiss(tx: Connection, offering_id: int, academy_id: str) -> bool:
    """This person teaches the offering no more. False if they did not."""
    mine = and_(
        offering_teacher.c.offering_id == offering_id,
        offering_teacher.c.academy_id == academy_id,
        offering_teacher.c.leaves.is_(False),
    )
    return tx.execute(update(offering_teacher).where(mine).values(leaves=True)).rowcount > 0


def keep(
    tx: Connection, teacher: Teacher, state: TeacherState, course: str = "", account: str = ""
) -> None:
    mine = offering_teacher.c.id == teacher.id
    values = {"state": state, "course": course, "account": account}
    tx.execute(update(offering_teacher).where(mine).values(values))


def forget(tx: Connection, teacher: Teacher) -> None:
    tx.execute(delete(offering_teacher).where(offering_teacher.c.id == teacher.id))
