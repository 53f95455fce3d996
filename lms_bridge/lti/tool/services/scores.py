"""Scores and results (Assignment and Grade Services 2.0, sections 3.3 and 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson
from pylti1p3.grade import Grade

from lms_bridge.domain.errors import IncompleteRead, NotUnderstood, RecordRefused
from lms_bridge.http import Response
from lms_bridge.lti import vocabulary
from lms_bridge.lti.tool.connector import Connector
from lms_bridge.lti.tool.services.values import MOST_PAGES, decimal, number, text, with_ending

SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"


@dataclass(frozen=True, slots=True)
class Score:
    """What a person achieved, as of ``at``. Zero is a score; None takes the score back."""

    person: str
    score: Decimal | None
    maximum: Decimal
    at: datetime
    completed: bool = True
    comment: str = field(default="", repr=False)


class Delivery(StrEnum):
    """What became of a score."""

    TAKEN = "taken"
    OLDER = "older"  # the platform has one that is as new or newer: nothing is to be done


@dataclass(frozen=True, slots=True)
class Result:
    """A score as the platform holds it."""

    person: str
    score: Decimal | None
    maximum: Decimal


def post_score(connector: Connector, line_item: str, score: Score) -> Delivery:
    """Sends a score to the line item at that address. Sending it twice does no harm.

    Raises:
        RecordRefused: the platform does not take this one score (an unknown person, say).
    """
    answer = connector.call(
        "POST",
        with_ending(line_item, "scores"),
        [vocabulary.SCORE],
        body=_grade(score),
        content_type=SCORE_TYPE,
        returns=(400, 403, 404, 409, 410, 412, 422),
    )
    if answer.status in (409, 412) or _finds_it_old(answer):
        return Delivery.OLDER
    if answer.status >= 400:
        raise _refusal(answer.status)
    return Delivery.TAKEN


NOT_FOUND = "score-not-found"


def _refusal(status: int) -> RecordRefused:
    if status in (404, 410):
        return RecordRefused(
            NOT_FOUND,
            f"The platform does not find where a score belongs (status {status}).",
            "Is the person still in the course, and the column still in its gradebook?",
        )
    if status == 403:
        return RecordRefused(
            "score-forbidden",
            "The platform does not let the bridge write a score (status 403).",
            "Is the tool allowed to send scores there, and the person still in the course?",
        )
    return RecordRefused(
        "score-refused",
        f"The platform did not take a score (status {status}).",
        "Is the person still in the course?",
    )


def _finds_it_old(answer: Response) -> bool:
    """Open edX answers 400 in place of 409, and names the field at fault."""
    try:
        faults = orjson.loads(answer.body) if answer.status == 400 else None
    except orjson.JSONDecodeError:
        return False
    return isinstance(faults, dict) and set(faults) == {"timestamp"}


def results(connector: Connector, line_item: str) -> list[Result]:
    """The scores that the platform holds in that line item."""
    address: str = with_ending(line_item, "results")
    found: list[Result] = []
    for _ in range(MOST_PAGES):
        page = connector.make_service_request(
            [vocabulary.RESULT_READ],
            address,
            accept=vocabulary.RESULTS_TYPE,
        )
        if not isinstance(page["body"], list):
            raise NotUnderstood("results-unreadable", "The platform's results cannot be read.")
        found.extend(_result(each) for each in page["body"] if isinstance(each, dict))
        if not page["next_page_url"]:
            return found
        address = page["next_page_url"]
    raise IncompleteRead("results-endless", "The platform's results have no end.")


def _grade(score: Score) -> bytes:
    grade = Grade().set_user_id(score.person).set_timestamp(_stamp(score.at))
    grade.set_activity_progress("Completed" if score.completed else "InProgress")
    grade.set_grading_progress("NotReady" if score.score is None else "FullyGraded")
    if score.comment:
        grade.set_comment(score.comment)
    if score.score is not None:
        grade.set_score_given(number(score.score)).set_score_maximum(number(score.maximum))
    return grade.get_value().encode()


def _stamp(at: datetime) -> str:
    """With milliseconds and Z, which every platform reads (AGS 2.0, section 3.4.7)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _result(body: Mapping[str, Any]) -> Result:
    return Result(
        person=text(body, "userId"),
        score=decimal(body.get("resultScore")),
        maximum=decimal(body.get("resultMaximum")) or Decimal(1),
    )
