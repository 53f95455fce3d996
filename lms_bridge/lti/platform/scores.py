"""The score and result services.

Source: Assignment and Grade Services 2.0, sections 3.3 and 3.4. A score is kept as it came; what it
means for the learner's result is derived from it (``canonical``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Row

from lms_bridge.domain.document import digest, document
from lms_bridge.lti import reading
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, line_items, subjects
from lms_bridge.lti.platform.granting import Access
from lms_bridge.lti.platform.services import (
    Context,
    Page,
    asked_number,
    context,
    json_moment,
    json_number,
)
from lms_bridge.lti.room import Room
from lms_bridge.store import learners, lti_scores, lti_services

BAD = "score-invalid"
AHEAD = timedelta(minutes=5)
MOST_RESULTS = 500
FULLY_GRADED, COMPLETED = "FullyGraded", "Completed"
_ACTIVITY = frozenset({"Initialized", "Started", "InProgress", "Submitted", COMPLETED})
_GRADING = frozenset({FULLY_GRADED, "Pending", "PendingManual", "Failed", "NotReady"})


@dataclass(frozen=True, slots=True)
class Score:
    """A score as a tool sends it."""

    subject: str
    given: Decimal | None
    maximum: Decimal | None
    activity: str
    grading: str
    comment: str
    at: datetime

    @property
    def digest(self) -> bytes:
        return digest({**document(self), "at": self.at.isoformat()})  # to the microsecond


def parsed(body: bytes, now: datetime) -> Score:
    """Section 3.4: a score of zero is a score; without one, an earlier one is cleared."""
    sent = reading.json_object(body, BAD)
    at = reading.moment(sent, "timestamp", BAD)
    if at is None:
        raise LtiRefused(BAD, "timestamp is missing.", detail="timestamp")
    if at > now + AHEAD:
        raise LtiRefused("score-from-the-future", "The score is dated in the future.")
    given, maximum = (reading.number(sent, name, BAD) for name in ("scoreGiven", "scoreMaximum"))
    if given is not None and (maximum is None or maximum <= 0):
        raise LtiRefused(BAD, "scoreMaximum is not above zero.", detail="scoreMaximum")
    if given is not None and given < 0:
        raise LtiRefused(BAD, "scoreGiven is below zero.", detail="scoreGiven")
    return Score(
        subject=reading.text(sent, "userId", BAD, longest=255, required=True),
        given=given,
        maximum=maximum,
        activity=_word(sent, "activityProgress", _ACTIVITY),
        grading=_word(sent, "gradingProgress", _GRADING),
        comment=reading.text(sent, "comment", BAD, longest=10_000),
        at=at,
    )


def _word(sent: Mapping[str, Any], name: str, known: frozenset[str]) -> str:
    value = reading.text(sent, name, BAD, required=True)
    if value not in known:
        raise LtiRefused(BAD, f"{name} is none of the known words.", detail=name)
    return value


def post(room: Room, access: Access, offering_id: int, line_item_id: int, body: bytes) -> str:
    """Keeps a score and gives the code of the centre whose results it changes; "" for a repeat.

    Raises:
        LtiRefused: 409 unless its timestamp is after that of the score that it replaces.
    """
    score = parsed(body, room.now())
    with room.database.writing() as tx:
        here = context(tx, access, offering_id)
        line_items.find(tx, here, line_item_id, lock=True)
        learner_id = _learner(tx, here, score.subject)
        before = lti_scores.score_of(tx, line_item_id, learner_id)
        values = {
            "given": score.given,
            "maximum": score.maximum,
            "activity": score.activity,
            "grading": score.grading,
            "comment": score.comment,
            "at": score.at,
            "digest": score.digest,
        }
        if before is None:
            own = {"line_item_id": line_item_id, "learner_id": learner_id}
            lti_scores.add_score(tx, {**own, **values})
        elif before.digest == score.digest:
            return ""
        elif score.at <= before.at:
            raise LtiRefused(
                "score-not-newer", "There is a score that is as new or newer.", status=409
            )
        else:
            lti_scores.change_score(tx, before.id, values | _standing(before, score))
    return here.offering.centre


def _standing(before: Row[Any], score: Score) -> dict[str, Any]:
    """What stays of the word before when one comes that is no full grade: the grade and the
    completion, taken in already or not. Such word is sent whenever a course is opened again; of it
    a completion counts alone."""
    if score.grading == FULLY_GRADED:
        return {}
    completed = COMPLETED in (before.activity, score.activity)
    if before.grading != FULLY_GRADED:
        return {"activity": COMPLETED} if completed else {}
    kept = {name: before._mapping[name] for name in ("given", "maximum", "grading", "at")}
    activity = COMPLETED if completed else before.activity
    return {**kept, "activity": activity, "comment": score.comment or before.comment}


def _learner(tx: Connection, here: Context, subject: str) -> int:
    person = subjects.learner_of(tx, here.party, subject)
    if person is None:
        raise LtiRefused("learner-unknown", "There is no such learner.", status=404)
    if not lti_services.roster(tx, here.id, 0, 1, person[0]):
        raise LtiRefused("not-enrolled", "This learner is not enrolled in this course.", status=403)
    return person[0]


def results(
    room: Room, access: Access, offering_id: int, line_item_id: int, query: Mapping[str, str]
) -> Page:
    """Section 3.3: on the scale of the line item; only what is fully graded is a result."""
    after = asked_number(query.get("from", ""), "from")
    size = min(asked_number(query.get("limit", ""), "limit") or MOST_RESULTS, MOST_RESULTS)
    with (
        room.database.writing()
        if access.party.privacy.pseudonyms
        else room.database.reading() as tx
    ):
        here = context(tx, access, offering_id)
        item = line_items.find(tx, here, line_item_id)
        learner_id = None
        if query.get("user_id"):
            person = subjects.learner_of(tx, here.party, query["user_id"])
            if person is None:
                return Page([])
            learner_id = person[0]
        rows = lti_scores.scores(tx, line_item_id, learner_id, after, size + 1)
        people = learners.learners(tx, [row.learner_id for row in rows])
        names = subjects.subjects(tx, here.party, people)
    address = endpoints.line_item(room.address, offering_id, line_item_id)
    found = [
        _result(row, names[row.learner_id], item.score_maximum, address)
        for row in rows[:size]
        if row.grading == FULLY_GRADED and row.given is not None
    ]
    kept = {name: query[name] for name in ("limit", "user_id") if query.get(name)}
    following = urlencode({**kept, "from": rows[size - 1].id}) if len(rows) > size else ""
    return Page(found, next=following)


def _result(row: Any, subject: str, maximum: Decimal, address: str) -> dict[str, Any]:
    found = {
        "id": f"{address}/results?{urlencode({'user_id': subject})}",
        "scoreOf": address,
        "userId": subject,
        "resultScore": json_number(round(row.given * maximum / row.maximum, 10)),
        "resultMaximum": json_number(maximum),
        "timestamp": json_moment(row.at),
    }
    return found | ({"comment": row.comment} if row.comment else {})
