"""What the process of an offering is made of: its outline, comments, objections and reports.

The five points are those that ITU's experts look at. The fields of the outline and of the report
are the bridge's own, because public sources list none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lms_bridge.domain.document import Json
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import OfferingStatus


class ReviewPoint(StrEnum):
    """What a comment or an objection is about."""

    MANDATE = "mandate"
    MEMBERSHIP = "membership"
    DESCRIPTION = "description"
    ACCURACY = "accuracy"
    TOPICS = "additional_topics"


POINTS: dict[ReviewPoint, str] = {
    ReviewPoint.MANDATE: "relevance to the ITU mandate",
    ReviewPoint.MEMBERSHIP: "relevance to the membership",
    ReviewPoint.DESCRIPTION: "course description",
    ReviewPoint.ACCURACY: "factual accuracy",
    ReviewPoint.TOPICS: "additional topics to be considered",
}


@dataclass(frozen=True, slots=True)
class Outline:
    """What a centre says of a training besides the offering's own fields."""

    mandate: str = ""
    membership: str = ""
    instructors: tuple[str, ...] = ()
    grading: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A reviewer's comment on one point of an outline."""

    at: datetime
    by: str
    point: str
    text: str


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One line of an offering's history. ``by`` is empty where time did it. ``outline`` and
    ``deadline`` are those of a submission."""

    at: datetime
    by: str
    action: str
    before: OfferingStatus
    after: OfferingStatus
    reason: str = ""
    point: str = ""
    deadline: datetime | None = None
    outline: Mapping[str, Json] | None = None


class ReportState(StrEnum):
    WAITING = "waiting"
    RETURNED = "returned"
    VALIDATED = "validated"


@dataclass(frozen=True, slots=True)
class ReportFields:
    """What the coordinator writes after a training."""

    summary: str = ""
    evaluation: str = ""
    difficulties: str = ""
    recommendations: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.summary or self.evaluation or self.difficulties or self.recommendations)


@dataclass(frozen=True, slots=True)
class EndReport:
    """An end-of-training report, and what became of it. ``figures`` are the bridge's own counts at
    the moment of the report: registered, enrolled, completed, certified, countries."""

    number: int
    state: ReportState
    at: datetime
    by: str
    fields: ReportFields
    figures: Mapping[str, int] = field(default_factory=dict)
    decided_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReviewRound:
    """One submission of an outline with what came of it. ``end`` is the line that ended it; None
    while it waits."""

    submission: StatusChange
    comments: tuple[Comment, ...]
    end: StatusChange | None = None


def rounds_of(history: Sequence[StatusChange], comments: Sequence[Comment]) -> list[ReviewRound]:
    """The submissions of an outline, the oldest first. A comment belongs to the last submission
    before it, even where it comes too late."""
    found: list[ReviewRound] = []
    for number, line in enumerate(history):
        if line.action != OfferingAction.SUBMIT:
            continue
        later = history[number + 1 :]
        end = next((each for each in later if each.before is OfferingStatus.SUBMITTED), None)
        after = next((each.at for each in later if each.action == OfferingAction.SUBMIT), None)
        mine = (
            each for each in comments if each.at >= line.at and (after is None or each.at < after)
        )
        found.append(ReviewRound(line, tuple(mine), end))
    return found
