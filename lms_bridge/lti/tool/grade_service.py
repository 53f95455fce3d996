"""Assignment and Grade Services 2.0: line items (section 3.2), scores (3.4) and results (3.3).

Line items are the columns of the platform's gradebook. Addresses are used as the platform gave
them, with their queries. Every function raises what ``lms_bridge.http.client.Http.request`` raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import orjson
from pylti1p3.assignments_grades import AssignmentsGradesService, TAssignmentsGradersData
from pylti1p3.exception import LtiException
from pylti1p3.grade import Grade
from pylti1p3.lineitem import LineItem
from pylti1p3.service_connector import ServiceConnector

from lms_bridge.domain.document import decimal_of
from lms_bridge.domain.errors import IncompleteRead, NotUnderstood, RecordRefused
from lms_bridge.http.client import Response
from lms_bridge.lti import json_parts, vocabulary
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.service_client import MOST_PAGES, ServiceClient, parsed, text, with_query

SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
NOT_FOUND = "score-not-found"


@dataclass(frozen=True, slots=True)
class PlatformLineItem:
    """A column of the platform's gradebook. ``address`` is empty until the platform made it."""

    label: str
    maximum: Decimal = Decimal(100)
    resource_id: str = ""
    tag: str = ""
    resource_link_id: str = ""
    address: str = ""


def line_items(
    client: ServiceClient,
    grading: Grading,
    *,
    resource_id: str = "",
    tag: str = "",
    resource_link_id: str = "",
) -> list[PlatformLineItem]:
    """The line items of the course with these properties; all pages are read."""
    desired = {"resource_id": resource_id, "tag": tag, "resource_link_id": resource_link_id}
    given = {name: value for name, value in desired.items() if value}
    address: str | None = with_query(grading.line_items, given)
    found: list[PlatformLineItem] = []
    service = _service(client, grading)
    for _ in range(MOST_PAGES):
        if not address:
            break
        page, address = _page(service, address)
        found.extend(_line_item(each) for each in page if isinstance(each, dict))
    else:
        raise IncompleteRead("line-items-endless", "The platform's line items have no end.")
    # Platforms may ignore filters that they do not know.
    return [
        each for each in found if all(getattr(each, name) == value for name, value in given.items())
    ]


def find_or_create(
    client: ServiceClient, grading: Grading, desired: PlatformLineItem
) -> PlatformLineItem:
    """The line item of that resource id and tag, made where there is none, so that asking twice
    makes one only."""
    found = line_items(client, grading, resource_id=desired.resource_id, tag=desired.tag)
    return found[0] if found else create(client, grading, desired)


def create(client: ServiceClient, grading: Grading, desired: PlatformLineItem) -> PlatformLineItem:
    answer = client.call(
        "POST",
        grading.line_items,
        [vocabulary.LINE_ITEM],
        body=_document(desired),
        content_type=vocabulary.LINE_ITEM_TYPE,
        accept=vocabulary.LINE_ITEM_TYPE,
        repeatable=False,
    )
    return _line_item(parsed(answer))


def update(client: ServiceClient, desired: PlatformLineItem) -> PlatformLineItem:
    """Changes the line item at its address."""
    answer = client.call(
        "PUT",
        desired.address,
        [vocabulary.LINE_ITEM],
        body=_document(desired),
        content_type=vocabulary.LINE_ITEM_TYPE,
        accept=vocabulary.LINE_ITEM_TYPE,
    )
    return _line_item(parsed(answer)) if answer.body.strip() else desired


def _page(service: AssignmentsGradesService, address: str) -> tuple[list[Any], str | None]:
    try:
        return service.get_lineitems_page(address)
    except LtiException:
        raise NotUnderstood(
            "line-items-unreadable", "The platform's line items cannot be read."
        ) from None


def _service(client: ServiceClient, grading: Grading) -> AssignmentsGradesService:
    # Some platforms do not list their scopes. Then the bridge requests reading, and they decide.
    scope = vocabulary.LINE_ITEM_READ
    if grading.scopes and scope not in grading.scopes:
        scope = vocabulary.LINE_ITEM
    data = {"scope": [scope], "lineitems": grading.line_items, "lineitem": grading.line_item}
    # Of its connector the service calls ``make_service_request`` alone.
    theirs = cast(ServiceConnector, client)
    return AssignmentsGradesService(theirs, cast(TAssignmentsGradersData, data))


def _document(item: PlatformLineItem) -> bytes:
    document = (
        LineItem().set_label(item.label).set_score_maximum(json_parts.json_number(item.maximum))
    )
    document.set_resource_id(item.resource_id).set_tag(item.tag)
    document.set_resource_link_id(item.resource_link_id).set_id(item.address)
    return document.get_value().encode()


def _line_item(body: Any) -> PlatformLineItem:
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise NotUnderstood("line-item-unreadable", "The platform's line item cannot be read.")
    return PlatformLineItem(
        label=text(body, "label"),
        maximum=decimal_of(body.get("scoreMaximum")) or Decimal(100),
        resource_id=text(body, "resourceId"),
        tag=text(body, "tag"),
        resource_link_id=text(body, "resourceLinkId"),
        address=body["id"],
    )


@dataclass(frozen=True, slots=True)
class SentScore:
    """What a person achieved, as of ``at``. Zero is a score; None takes the score back."""

    person: str
    score: Decimal | None
    maximum: Decimal
    at: datetime
    completed: bool = True
    comment: str = field(default="", repr=False)


class ScoreDelivery(StrEnum):
    """What became of a score."""

    TAKEN = "taken"
    OLDER = "older"  # the platform has one that is as new or newer: nothing is to be done


@dataclass(frozen=True, slots=True)
class PlatformResult:
    """A score as the platform holds it."""

    person: str
    score: Decimal | None
    maximum: Decimal


def post_score(client: ServiceClient, line_item: str, score: SentScore) -> ScoreDelivery:
    """Sends a score to the line item at that address. Sending it twice does no harm.

    Raises:
        RecordRefused: the platform does not take this one score (an unknown person, say).
    """
    answer = client.call(
        "POST",
        with_ending(line_item, "scores"),
        [vocabulary.SCORE],
        body=_grade(score),
        content_type=SCORE_TYPE,
        returns=(400, 403, 404, 409, 410, 412, 422),
    )
    if answer.status in (409, 412) or _finds_it_old(answer):
        return ScoreDelivery.OLDER
    if answer.status >= 400:
        raise _refusal(answer.status)
    return ScoreDelivery.TAKEN


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


def results(client: ServiceClient, line_item: str) -> list[PlatformResult]:
    """The scores that the platform holds in that line item."""
    address: str = with_ending(line_item, "results")
    found: list[PlatformResult] = []
    for _ in range(MOST_PAGES):
        page = client.make_service_request(
            [vocabulary.RESULT_READ], address, accept=vocabulary.RESULTS_TYPE
        )
        if not isinstance(page["body"], list):
            raise NotUnderstood("results-unreadable", "The platform's results cannot be read.")
        found.extend(_result(each) for each in page["body"] if isinstance(each, dict))
        if not page["next_page_url"]:
            return found
        address = page["next_page_url"]
    raise IncompleteRead("results-endless", "The platform's results have no end.")


def _grade(score: SentScore) -> bytes:
    grade = Grade().set_user_id(score.person).set_timestamp(_stamp(score.at))
    grade.set_activity_progress("Completed" if score.completed else "InProgress")
    grade.set_grading_progress("NotReady" if score.score is None else "FullyGraded")
    if score.comment:
        grade.set_comment(score.comment)
    if score.score is not None:
        grade.set_score_given(json_parts.json_number(score.score)).set_score_maximum(
            json_parts.json_number(score.maximum)
        )
    return grade.get_value().encode()


def _stamp(at: datetime) -> str:
    """With milliseconds and Z, which every platform reads (AGS 2.0, section 3.4.7)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _result(body: Mapping[str, Any]) -> PlatformResult:
    return PlatformResult(
        person=text(body, "userId"),
        score=decimal_of(body.get("resultScore")),
        maximum=decimal_of(body.get("resultMaximum")) or Decimal(1),
    )


def with_ending(address: str, ending: str) -> str:
    """``/scores`` goes before the query, which stays (Moodle's has ``?type_id=1``)."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ending}"))
