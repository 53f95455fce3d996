"""One offering of a centre, as its people see it on the desk: the record, its life, its papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy import Connection, select

from lms_bridge.api.offerings import SCOPES
from lms_bridge.centre_desk.offering_words import ACTIONS, POINT_WORDS
from lms_bridge.domain.access import Scope
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.lifecycle import AFTER_REVIEW, OfferingAction
from lms_bridge.domain.model import Centre, Kind, Offering, OfferingStatus
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.reviews import (
    EndReport,
    Outline,
    ReportState,
    ReviewRound,
    StatusChange,
    rounds_of,
)
from lms_bridge.domain.rules import RuleFinding, check_offering, unreviewed
from lms_bridge.store import accounts, reviews, source_links, status_history
from lms_bridge.store.tables import IN_CATALOGUE
from lms_bridge.store.tables import offering as table
from lms_bridge.sync.context import FILES
from lms_bridge.sync.offering_actions import find_offering
from lms_bridge.sync.offering_life import Life, life_of, possible
from lms_bridge.web.access import centre_for, signed_in, the_bridge

ONE = "/<code>/offerings/<path:offering>"
"""Where the pages of one offering are, below the desk."""


@dataclass(frozen=True, slots=True)
class DeskOffering:
    """``owner`` is the system that gives its fields besides files and pages; "" where there is
    none. ``in_catalogue``: whether readers find it there."""

    centre: Centre
    record_id: int
    record: Offering
    revision: int
    owner: str
    in_catalogue: bool
    life: Life
    kept_here: bool

    @property
    def is_the_lms(self) -> bool:
        """Whether the centre's LMS publishes the offering."""
        return self.owner == self.centre.system

    @property
    def actions(self) -> list[OfferingAction]:
        """What the reader can do with it now: the same that the API says."""
        user = signed_in()
        found = possible(self.record, self.life, utc_now())
        return [each for each in found if user.may(SCOPES[each], self.centre)]

    @property
    def findings(self) -> list[RuleFinding]:
        """What the programme's rules say of it as it is now."""
        bridge = the_bridge()
        rules, life = bridge.settings.rules, self.life
        found = check_offering(self.record, rules, utc_now(), life.standing, life.taken)
        policy = bridge.policy_of(self.centre).unreviewed
        after_review = self.record.status in AFTER_REVIEW
        if policy is not OnUnreviewed.OFF and not self.kept_here and after_review:
            found.append(unreviewed(lowered=False))
        return found


def desk_offering(scope: Scope, code: str, offering: str) -> DeskOffering:
    """The offering of this code at the centre of that one.

    Raises:
        NotFound: the reader may see no such centre, or it has no such offering.
    """
    centre = centre_for(scope, code)
    with the_bridge().database.reading() as tx:
        record_id, record = find_offering(tx, centre.code, offering)
        owners = source_links.sources(tx, Kind.OFFERING, [record_id], besides=FILES)
        mine = table.c.id == record_id
        return DeskOffering(
            centre,
            record_id,
            record,
            tx.scalar(select(table.c.revision).where(mine)) or 0,
            owners.get(record_id, ""),
            tx.scalar(select(table.c.id).where(mine, IN_CATALOGUE)) is not None,
            life_of(tx, record_id, centre.code),
            status_history.is_kept(tx, offering),
        )


def what_all_show(found: DeskOffering) -> dict[str, Any]:
    """What every page about an offering needs."""
    rules, user = the_bridge().settings.rules, signed_in()
    return {
        "centre": found.centre,
        "desk": found,
        "record": found.record,
        "availability": availability(found.record, utc_now(), rules.soon),
        "actions": found.actions,
        "may_write": user.may(Scope.WRITE_OFFERINGS, found.centre),
        "zone": user.time_zone or found.record.time_zone or "UTC",
        "now": utc_now(),
        "action_words": ACTIONS,
        "point_words": POINT_WORDS,
    }


def address_of(found: DeskOffering, done: str) -> str:
    """The offering's page, which says what was done."""
    code, offering = found.centre.code, found.record.code
    return url_for("centre_desk.show_offering", code=code, offering=offering, done=done)


@dataclass(frozen=True, slots=True)
class Papers:
    """What was written about an offering, and when. ``deadline`` is that of the review that goes
    on; ``silence_counts`` while nobody commented. ``names`` is {what the audit calls a person:
    their name}."""

    outline: Outline
    rounds: Sequence[ReviewRound]
    history: Sequence[StatusChange]
    reports: Sequence[EndReport]
    deadline: datetime | None
    silence_counts: bool
    names: dict[str, str]

    @property
    def objection(self) -> StatusChange | None:
        """The objection to the outline that still waits for another one."""
        end = self.rounds[-1].end if self.rounds else None
        return end if end is not None and end.action == OfferingAction.OBJECT else None

    @property
    def returned(self) -> EndReport | None:
        """The report that was sent back and not sent again."""
        last = self.reports[-1] if self.reports else None
        return last if last is not None and last.state is ReportState.RETURNED else None


def papers_of(tx: Connection, record_id: int, record: Offering) -> Papers:
    history, comments = reviews.changes_of(tx, record_id), reviews.comments_of(tx, record_id)
    rounds = rounds_of(history, comments)
    kept = status_history.kept_statuses(tx, [record_id]).get(record_id)
    under_review = record.status is OfferingStatus.SUBMITTED
    return Papers(
        reviews.outline_of(tx, record_id),
        rounds,
        history,
        reviews.reports_of(tx, record_id),
        rounds[-1].submission.deadline if rounds and under_review else None,
        under_review and kept is not None and kept.deadline is not None,
        accounts.names_of(tx, {each.by for each in history} | {each.by for each in comments}),
    )
