"""The score and result services: stores each score as it came; ``score_results`` derives results.

Source: Assignment and Grade Services 2.0, sections 3.3 and 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, insert, select, update

from lms_bridge.domain.document import digest, document, plain
from lms_bridge.lti import json_parts, optional_parts
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, line_items, names_and_roles
from lms_bridge.lti.platform.services import (
    ServiceContext,
    ServicePage,
    context,
    next_page,
    page_bounds,
)
from lms_bridge.lti.platform.storage import AnyRow, Rows
from lms_bridge.lti.platform.subjects import learner_of, subjects
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import learners
from lms_bridge.store.lti_tables import score
from lms_bridge.store.tables import EMPTY

BAD = "score-invalid"
CLOCK_SKEW = timedelta(minutes=5)
MOST_RESULTS = 500
FULLY_GRADED, COMPLETED = "FullyGraded", "Completed"
_ACTIVITY = frozenset({"Initialized", "Started", "InProgress", "Submitted", COMPLETED})
_GRADING = frozenset({FULLY_GRADED, "Pending", "PendingManual", "Failed", "NotReady"})


@dataclass(frozen=True, slots=True)
class Score:
    """A score as a tool sends it."""

    subject: str
    points: Decimal | None
    maximum: Decimal | None
    activity: str
    grading: str
    comment: str
    at: datetime

    @property
    def digest(self) -> bytes:
        return digest({**document(self), "at": self.at.isoformat()})  # to the microsecond


def parse_score(body: bytes, now: datetime) -> Score:
    """Section 3.4: a score of zero is a score; a missing one clears an earlier one."""
    sent = json_parts.json_object(body, BAD)
    at = json_parts.moment(sent, "timestamp", BAD)
    if at is None:
        raise json_parts.wrong(BAD, "timestamp", "is missing")
    if at > now + CLOCK_SKEW:
        raise LtiRefused("score-from-the-future", "The score is dated in the future.")
    points, maximum = (
        json_parts.number(sent, name, BAD) for name in ("scoreGiven", "scoreMaximum")
    )
    if points is not None and (maximum is None or maximum <= 0):
        raise json_parts.wrong(BAD, "scoreMaximum", "is not above zero")
    if points is not None and points < 0:
        raise json_parts.wrong(BAD, "scoreGiven", "is below zero")
    return Score(
        subject=_subject(sent),
        points=points,
        maximum=maximum,
        activity=_progress(sent, "activityProgress", _ACTIVITY),
        grading=_progress(sent, "gradingProgress", _GRADING),
        comment=optional_parts.shown_text(sent, "comment", longest=10_000),
        at=at,
    )


def _subject(sent: Mapping[str, Any]) -> str:
    subject = json_parts.label(sent, "userId", BAD).strip()
    if not subject:
        raise json_parts.wrong(BAD, "userId", "is missing")
    return subject


def _progress(sent: Mapping[str, Any], name: str, known: frozenset[str]) -> str:
    value = json_parts.text(sent, name, BAD, required=True)
    if value not in known:
        raise json_parts.wrong(BAD, name, "is not a known value")
    return value


def post_score(
    lti: LtiContext, caller: LtiRegistration, offering_id: int, line_item_id: int, body: bytes
) -> str:
    """Stores a score. Gives the code of the centre whose results change, or "" for a repeat.

    Raises:
        LtiRefused: 409 if the stored score is as new or newer.
    """
    now = lti.now()
    sent = parse_score(body, now)
    with lti.database.writing() as tx:
        course = context(tx, caller, offering_id)
        line_items.find(tx, course, line_item_id, lock=True)
        learner_id = _enrolled_learner(tx, course, sent.subject)
        known = score.c.line_item_id == line_item_id, score.c.learner_id == learner_id
        before = tx.execute(select(score).where(*known)).first()
        values = {
            "points": sent.points,
            "maximum": sent.maximum,
            "activity": sent.activity,
            "grading": sent.grading,
            "comment": sent.comment,
            "at": min(sent.at, now),  # a fast clock must not hold back the scores that follow
            "digest": sent.digest,
        }
        if before is None:
            own = {"line_item_id": line_item_id, "learner_id": learner_id}
            tx.execute(insert(score).values(**own, **values, applied_digest=EMPTY))
        elif before.digest == sent.digest:
            return ""
        elif sent.at <= before.at:
            raise LtiRefused(
                "score-not-newer", "There is a score that is as new or newer.", status=409
            )
        else:
            merged = values | _kept_grade(before, sent)
            tx.execute(update(score).where(score.c.id == before.id).values(**merged))
    return course.offering.centre


def _kept_grade(before: AnyRow, sent: Score) -> dict[str, Any]:
    """What stays of the stored score after one that is not fully graded: its grade and its
    completion. Tools send such scores whenever a learner opens the course again; only a completion
    in them counts."""
    if sent.grading == FULLY_GRADED:
        return {}
    completed = COMPLETED in (before.activity, sent.activity)
    if before.grading != FULLY_GRADED:
        return {"activity": COMPLETED} if completed else {}
    kept = {name: before._mapping[name] for name in ("points", "maximum", "grading", "at")}
    activity = COMPLETED if completed else before.activity
    return {**kept, "activity": activity, "comment": sent.comment or before.comment}


def _enrolled_learner(tx: Connection, course: ServiceContext, subject: str) -> int:
    person = learner_of(tx, course.registration, subject)
    if person is None:
        raise LtiRefused("learner-unknown", "There is no such learner.", status=404)
    if not names_and_roles.roster(tx, course.id, 0, 1, person[0]):
        raise LtiRefused("not-enrolled", "This learner is not enrolled in this course.", status=403)
    return person[0]


def list_results(
    lti: LtiContext,
    caller: LtiRegistration,
    offering_id: int,
    line_item_id: int,
    query: Mapping[str, str],
) -> ServicePage:
    """Section 3.3: on the scale of the line item. Only a fully graded score is a result."""
    after, size = page_bounds(query, MOST_RESULTS)
    # Pseudonyms are created when a tool first sees a person.
    pseudonyms = caller.privacy.pseudonyms
    with lti.database.writing() if pseudonyms else lti.database.reading() as tx:
        course = context(tx, caller, offering_id)
        item = line_items.find(tx, course, line_item_id)
        learner_id = None
        if query.get("user_id"):
            person = learner_of(tx, course.registration, query["user_id"])
            if person is None:
                return ServicePage([])
            learner_id = person[0]
        rows = _scores(tx, line_item_id, learner_id, after, size + 1)
        people = learners.learners(tx, [row.learner_id for row in rows])
        names = subjects(tx, course.registration, people)
    address = endpoints.line_item(lti.address, offering_id, line_item_id)
    body = [
        _result(row, names[row.learner_id], item.score_maximum, address)
        for row in rows[:size]
        if row.grading == FULLY_GRADED and row.points is not None
    ]
    return ServicePage(body, next_page(rows, size, query, "limit", "user_id"))


def _scores(
    tx: Connection, line_item_id: int, learner_id: int | None, after: int, most: int
) -> Rows:
    query = select(score).where(score.c.line_item_id == line_item_id, score.c.id > after)
    if learner_id is not None:
        query = query.where(score.c.learner_id == learner_id)
    return tx.execute(query.order_by(score.c.id).limit(most)).all()


def _result(row: AnyRow, subject: str, maximum: Decimal, address: str) -> dict[str, Any]:
    found = {
        "id": f"{address}/results?{urlencode({'user_id': subject})}",
        "scoreOf": address,
        "userId": subject,
        "resultScore": json_parts.json_number(round(row.points * maximum / row.maximum, 10)),
        "resultMaximum": json_parts.json_number(maximum),
        "timestamp": plain(row.at),
    }
    return found | ({"comment": row.comment} if row.comment else {})
