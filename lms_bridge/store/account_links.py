"""Links to learners' accounts at a centre: who needs one, and which nobody needs any more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, or_, select, update

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import GONE_HASH
from lms_bridge.domain.model import Kind
from lms_bridge.store.tables import EMPTY, HELD, enrolment, link
from lms_bridge.store.target_links import NO_FAILURE, TARGET_LINK, TargetLink

_NEVER = (EMPTY, GONE_HASH)


def with_enrolments(tx: Connection, system: str, learner_ids: Collection[int]) -> set[int]:
    """Those of the learners of whom the system is to hold an enrolment, or holds one."""
    found: set[int] = set()
    for chunk in chunks(learner_ids):
        found.update(
            tx.scalars(
                select(enrolment.c.learner_id)
                .join(link, link.c.record_id == enrolment.c.id)
                .where(
                    enrolment.c.learner_id.in_(chunk),
                    link.c.system == system,
                    link.c.kind == Kind.ENROLMENT,
                    or_(link.c.desired.not_in(_NEVER), link.c.acknowledged.not_in(_NEVER)),
                )
            )
        )
    return found


def unneeded(tx: Connection, system: str, centre: str) -> list[TargetLink]:
    """Accounts that the bridge made at a centre, of learners of whom no enrolment is there or is to
    be there. Who stays in a course by an enrolment of the centre's own needs the account."""
    place = link.alias()
    needed = (
        select(place.c.id)
        .join(enrolment, enrolment.c.id == place.c.record_id)
        .where(
            enrolment.c.learner_id == link.c.record_id,
            place.c.system == system,
            place.c.kind == Kind.ENROLMENT,
            or_(
                place.c.desired.not_in(_NEVER),
                place.c.acknowledged.not_in(_NEVER),
                place.c.tolerated != EMPTY,
            ),
        )
    )
    rows = tx.execute(
        select(*TARGET_LINK)
        .where(
            link.c.system == system,
            link.c.kind == Kind.LEARNER,
            link.c.centre == centre,
            link.c.created_by_us,
            link.c.sending.is_(False),
            link.c.desired == link.c.acknowledged,
            HELD,
            ~needed.exists(),
        )
        .order_by(link.c.id)
    )
    return [TargetLink(*row) for row in rows]


def forget(tx: Connection, system: str, learner_id: int) -> None:
    """No account there is this learner's: the next run looks for one, or creates it."""
    tx.execute(
        update(link)
        .where(link.c.system == system, link.c.kind == Kind.LEARNER, link.c.record_id == learner_id)
        .values(
            external_id="",
            acknowledged=EMPTY,
            held_document=None,
            created_by_us=False,
            sending=False,
            **NO_FAILURE,
        )
    )
