"""Course completion, person by person, several people in one call where the service allows it.

Moodle answers an error where a course has no completion criteria, where completion is switched
off, and for people whom it does not track: none of these is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from connectors.moodle.client import part
from connectors.moodle.form import Parameter
from connectors.moodle.refusals import refusal
from connectors.moodle.site import Site
from lms_bridge.domain.errors import AccessDenied, BridgeError, NotUnderstood, RecordRefused

STATUS = "core_completion_get_course_completion_status"
TOGETHER = "tool_mobile_call_external_functions"
COURSES = "core_course_get_courses_by_field"
AT_ONCE = 50
"""People in one call."""

_NO_COMPLETION = frozenset({"nocriteriaset", "completionnotenabled"})
_NOT_TRACKED = frozenset(
    {"usernotenroled", "notenroled", "invaliduser", "suspended", "userdeleted"}
)

Completed = dict[int, dict[str, Any]]


def completions(
    site: Site, course: int, people: Sequence[int]
) -> tuple[tuple[bytes, ...], Completed]:
    """The bodies of Moodle's answers, and what they say of the people who are tracked.

    Raises:
        AccessDenied: completion is on in the course, but not shown to the service account.
    """
    bodies: list[bytes] = []
    found: Completed = {}
    ask = _together if TOGETHER in site.functions else _one_by_one
    try:
        for body, person, status in ask(site, course, people):
            if body:
                bodies.append(body)
            if status is not None:
                found[person] = _fields(status)
    except RecordRefused as error:
        if error.code not in _NO_COMPLETION:
            raise
    except AccessDenied as error:
        if error.code != "cannotviewreport" or _switched_on(site, course):
            raise
    return tuple(bodies), found


Step = tuple[bytes, int, Any]


def _together(site: Site, course: int, people: Sequence[int]) -> Iterator[Step]:
    """Moodle stops at the first error, so the next call goes on after it."""
    start = 0
    while start < len(people):
        batch = people[start : start + AT_ONCE]
        requests: list[Parameter] = [
            {
                "function": STATUS,
                "arguments": orjson.dumps({"courseid": course, "userid": person}).decode(),
            }
            for person in batch
        ]
        reply = site.client.ask(TOGETHER, {"requests": requests})
        answers = part(TOGETHER, reply.value, "responses")
        if not answers or len(answers) > len(batch):
            raise NotUnderstood("not-answers", f"{TOGETHER}: not an answer to each question.")
        body = reply.body
        for person, answer in zip(batch, answers, strict=False):
            yield body, person, _status(answer)
            body = b""
        start += len(answers)


def _status(answer: dict[str, Any]) -> Any:
    if not answer.get("error"):
        return _read(answer.get("data"))
    raised = _read(answer.get("exception"))
    error = refusal(STATUS, raised if isinstance(raised, dict) else {})
    if error.code in _NOT_TRACKED:
        return None
    raise error


def _read(text: object) -> Any:
    try:
        return orjson.loads(str(text))
    except orjson.JSONDecodeError:
        raise NotUnderstood("not-json", f"{TOGETHER}: an answer is not JSON.") from None


def _one_by_one(site: Site, course: int, people: Sequence[int]) -> Iterator[Step]:
    for person in people:
        try:
            reply = site.client.ask(STATUS, {"courseid": course, "userid": person})
        except BridgeError as error:
            if error.code not in _NOT_TRACKED:
                raise
            continue
        yield reply.body, person, reply.value


def _switched_on(site: Site, course: int) -> bool:
    reply = site.client.ask(COURSES, {"field": "id", "value": course})
    return any(row.get("enablecompletion") for row in part(COURSES, reply.value, "courses"))


def _fields(value: Any) -> dict[str, Any]:
    """``completed``, and ``completed_at`` in seconds since 1970 where a criterion has a time."""
    status = value.get("completionstatus") if isinstance(value, dict) else None
    if not isinstance(status, dict):
        raise NotUnderstood("not-a-status", f"{STATUS}: the answer is not a status.")
    if not status.get("completed"):
        return {"completed": False}
    times = [row.get("timecompleted") or 0 for row in status.get("completions") or ()]
    latest = max(times, default=0)
    return {"completed": True, **({"completed_at": latest} if latest else {})}
