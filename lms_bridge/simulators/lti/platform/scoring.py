"""Scores as they are sent, kept and shown again.

Source: Assignment and Grade Services 2.0, sections 3.3 and 3.4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from lms_bridge.simulators.lti.platform.state import LineItem, PlatformState, Score
from lms_bridge.simulators.lti.refusing import NotAccepted

_ACTIVITY = ("Initialized", "Started", "InProgress", "Submitted", "Completed")
_GRADING = ("FullyGraded", "Pending", "PendingManual", "Failed", "NotReady")


@dataclass(frozen=True, slots=True)
class Sent:
    """A score as the tool sent it."""

    person: str
    score: Score

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Raises NotAccepted for what section 3.4 does not allow."""
        score, maximum = given.get("scoreGiven"), given.get("scoreMaximum")
        if score is not None and (_number(score) < 0 or _number(maximum) <= 0):
            raise NotAccepted("scoreGiven is below zero, or scoreMaximum not above it.")
        if given.get("activityProgress") not in _ACTIVITY:
            raise NotAccepted("activityProgress is none of the known words.")
        if given.get("gradingProgress") not in _GRADING:
            raise NotAccepted("gradingProgress is none of the known words.")
        _moment(given.get("timestamp"))
        return cls(
            str(given.get("userId") or ""),
            Score(
                None if score is None else _number(score),
                0.0 if maximum is None else _number(maximum),
                given["activityProgress"],
                given["gradingProgress"],
                given["timestamp"],
                str(given.get("comment") or ""),
            ),
        )


def keep(platform: PlatformState, item: LineItem, learners: Collection[str], sent: Sent) -> None:
    """Raises NotAccepted: 404 for somebody else, 409 for a score that is not newer."""
    if sent.person not in learners:
        raise NotAccepted("There is no such learner in this course.", 404)
    with platform.lock:
        before = platform.scores.get((item.id, sent.person))
        if before is not None and _moment(sent.score.at) <= _moment(before.at):
            raise NotAccepted("There is a score that is as new or newer.", 409)
        platform.scores[item.id, sent.person] = sent.score


def shown_results(platform: PlatformState, item: LineItem, address: str) -> list[dict[str, Any]]:
    with platform.lock:
        return [
            {
                "id": f"{address}&result={person}",
                "scoreOf": address,
                "userId": person,
                "resultScore": score.given * item.maximum / score.maximum,
                "resultMaximum": item.maximum,
            }
            for (item_id, person), score in platform.scores.items()
            if item_id == item.id and score.given is not None and score.grading == "FullyGraded"
        ]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAccepted("scoreGiven or scoreMaximum is not a number.")
    return float(value)


def _moment(text: object) -> datetime:
    """Section 3.4.7: ISO 8601 with a time zone."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise NotAccepted("timestamp is not a moment in time.") from None
    if at.tzinfo is None:
        raise NotAccepted("timestamp has no time zone.")
    return at
