"""What an offering's life has besides its status, and exactly what can be done with it now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.lifecycle import OfferingAction, by_clock, possible_actions
from lms_bridge.domain.model import Offering
from lms_bridge.domain.network import NO_STANDING, Standing
from lms_bridge.domain.reviews import ReportState
from lms_bridge.domain.rules import breaks_rules
from lms_bridge.store import enrolments, memberships, reviews, status_history


@dataclass(frozen=True, slots=True)
class Life:
    """When silence counts, why the offering was changed last, whether a report waits, its centre's
    memberships, and how many people have a seat."""

    deadline: datetime | None = None
    reason: str = ""
    report_waits: bool = False
    standing: Standing = NO_STANDING
    taken: int = 0


def life_of(tx: Connection, record_id: int, centre: str) -> Life:
    kept = status_history.kept_statuses(tx, [record_id]).get(record_id)
    states = reviews.report_states(tx, [record_id]).get(record_id, ())
    waits, standing = ReportState.WAITING in states, memberships.standing_of(tx, centre)
    taken = enrolments.seats_taken(tx, [record_id]).get(record_id, 0)
    deadline, reason = (kept.deadline, kept.reason) if kept else (None, "")
    return Life(deadline, reason, waits, standing, taken)


def possible(record: Offering, life: Life, now: datetime) -> tuple[OfferingAction, ...]:
    """Exactly what can be done with an offering: by its life, and by the programme's rules."""
    return possible_actions(
        replace(record, status=by_clock(record, life.deadline, now)),
        now,
        report_waits=life.report_waits,
        breaks_rules=breaks_rules(record, now, life.standing),
    )
