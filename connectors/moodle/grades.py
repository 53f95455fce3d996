"""Results: the course total from the grade report, and course completion for each person.

A setting of the site decides whether the grade report shows suspended people. So an answer is never
``whole``: somebody whom it leaves out keeps their result. A total that the account may not see is
left out, too: an empty score always comes as None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from lms_bridge.connectors.moodle.client import CALL_SEVERAL, Parameter, Rows
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.deleted_courses import read_course
from lms_bridge.connectors.moodle.groups import find_group
from lms_bridge.connectors.moodle.refusals import refusal
from lms_bridge.connectors.moodle.roster_check import GRADES, require_all_groups
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    IncompleteRead,
    NotUnderstood,
    RecordRefused,
)
from lms_bridge.domain.ports import Page, PageError, Pages, RawRecord

SHOW_TOTALS = (
    "Allow moodle/grade:viewhidden to the service account's role. If it has that, the total has "
    "the grade type None: choose another in the gradebook's setup."
)
STATUS = "core_completion_get_course_completion_status"
AT_ONCE = 50
"""People whose completion is read in one call."""

_NO_COMPLETION = frozenset({"nocriteriaset", "completionnotenabled"})
_NOT_TRACKED = frozenset(
    {
        "usernotenroled",
        "notenroled",
        "invaliduser",
        "suspended",
        "userdeleted",
        "usernotconfirmed",
        "guestsarenotallowed",
    }
)

ANY_CRITERION = 2
"""Moodle's ``COMPLETION_AGGREGATION_ANY``."""
Completions = dict[int, dict[str, Any]]


def read_results(site: MoodleSite, offerings: Sequence[str]) -> Pages:
    """One answer per offering, and an error beside it where totals were not seen."""
    unseen: set[str] = set()
    for answer in site.pool.each(
        lambda offering: read_course(site, offering, lambda: _read(site, offering, unseen)),
        offerings,
    ):
        yield answer
        if answer.scope in unseen:
            yield PageError(answer.scope, _total_not_seen(answer.scope))


def _total_not_seen(offering: str) -> IncompleteRead:
    return IncompleteRead(
        "total-not-seen",
        f"Moodle does not show the totals of course {offering}. Their results stay as they are.",
        SHOW_TOTALS,
    )


def _read(site: MoodleSite, offering: str, unseen: set[str]) -> Page:
    ref = CourseRef.parse(offering)
    require_all_groups(site, ref.course)  # without this right the report shows some groups only
    parameters: dict[str, Parameter] = {"courseid": ref.course}
    if ref.edition:
        group, body = find_group(site.client, ref.course, ref.edition)
        if group is None:
            return Page(offering, (body,), lambda: (), whole=False)
        parameters["groupid"] = group
    with site.grades_of(ref.course):
        reply = site.client.call(GRADES, parameters)
    rows = reply.rows("usergrades")
    if any(course_total(row.get("gradeitems") or ()) is None for row in rows):
        unseen.add(offering)
    people = sorted(_person(row) for row in rows)
    bodies: tuple[bytes, ...] = ()
    completed: Completions = {}
    if site.settings["completion"] != "off" and people:
        bodies, completed = completions(site, ref.course, people)
    return Page(
        offering,
        (reply.body, *bodies),
        lambda: _records(offering, rows, completed),
        whole=False,
    )


def _person(row: Mapping[str, Any]) -> int:
    if not isinstance(row.get("userid"), int):
        raise NotUnderstood("not-a-grade", f"{GRADES}: an entry names no person.")
    return int(row["userid"])


def _records(offering: str, rows: Rows, completed: Completions) -> Iterator[RawRecord]:
    for row in rows:
        person = _person(row)
        fields = {**scores_of(row.get("gradeitems") or ()), **completed.get(person, {})}
        if fields:
            yield RawRecord(f"{offering}/{person}", fields)


def course_total(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The item of the course total. Without ``moodle/grade:viewhidden`` a hidden one is missing."""
    return next((item for item in items if item.get("itemtype") == "course"), None)


_MAY_HIDE = ("gradeishidden", "gradehiddenbydate", "gradeneedsupdate")


def scores_of(items: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """The course total with its scale, or nothing if it was not seen. 0 is a score.

    ``graderaw`` is null without a score, but also if the score is hidden or being computed. A scale
    from 0 to 0 means that nothing is graded in the course, which says nothing about anybody.
    """
    total = course_total(items)
    if total is None:
        return {}
    if total.get("graderaw") is None:
        nothing_graded = total.get("grademin") == total.get("grademax")
        hides = nothing_graded or any(total.get(name) for name in _MAY_HIDE)
        return {} if hides else {"score": None}
    fields: dict[str, object] = {
        "score": total["graderaw"],
        "scale_min": total.get("grademin", 0),
        "scale_max": total.get("grademax", 100),
    }
    if total.get("gradedategraded"):
        fields["graded_at"] = total["gradedategraded"]
    return fields


# ---- completion -------------------------------------------------------------------------------


def completions(
    site: MoodleSite, course: int, people: Sequence[int]
) -> tuple[tuple[bytes, ...], Completions]:
    """The bodies of Moodle's answers, and the completion of the people whom Moodle tracks.

    Moodle answers with an error if the course has no criteria, if completion is off, and for
    people whom it does not track. None of these is a failure.

    Raises:
        AccessDenied: the course has completion, but the service account may not see it.
    """
    bodies: list[bytes] = []
    found: Completions = {}
    read = _read_together if CALL_SEVERAL in site.functions else _read_one_by_one
    try:
        for body, person, status in read(site, course, people):
            if body:
                bodies.append(body)
            if status is not None:
                found[person] = completion_of(status)
    except RecordRefused as error:
        if error.code not in _NO_COMPLETION:
            raise
    except AccessDenied as error:
        if error.code != "cannotviewreport" or _is_enabled(site, course):
            raise
    return tuple(bodies), found


def _read_together(
    site: MoodleSite, course: int, people: Sequence[int]
) -> Iterator[tuple[bytes, int, Any]]:
    """Moodle stops after the first error, so the next call continues with the next person."""
    start = 0
    while start < len(people):
        batch = people[start : start + AT_ONCE]
        arguments = [{"courseid": course, "userid": person} for person in batch]
        reply = site.client.call_several(STATUS, arguments)
        answers = reply.rows("responses")
        if not answers or len(answers) > len(batch):
            raise NotUnderstood("not-answers", f"{CALL_SEVERAL}: not an answer to each question.")
        body = reply.body
        for person, answer in zip(batch, answers, strict=False):
            yield body, person, _status(site, answer)
            body = b""
        start += len(answers)


def _status(site: MoodleSite, answer: Mapping[str, Any]) -> Any:
    if not answer.get("error"):
        return _json(answer.get("data"))
    exception = _json(answer.get("exception"))
    error = refusal(STATUS, exception if isinstance(exception, dict) else {})
    if error.code in _NOT_TRACKED:
        return None
    raise site.client.explained(STATUS, error)


def _json(text: object) -> Any:
    try:
        return orjson.loads(str(text))
    except orjson.JSONDecodeError:
        raise NotUnderstood("not-json", f"{CALL_SEVERAL}: an answer is not JSON.") from None


def _read_one_by_one(
    site: MoodleSite, course: int, people: Sequence[int]
) -> Iterator[tuple[bytes, int, Any]]:
    for person in people:
        try:
            reply = site.client.call(STATUS, {"courseid": course, "userid": person})
        except BridgeError as error:
            if error.code not in _NOT_TRACKED:
                raise
            continue
        yield reply.body, person, reply.value


def _is_enabled(site: MoodleSite, course: int) -> bool:
    return any(row.get("enablecompletion") for row in site.find_courses("id", str(course)))


def completion_of(value: Any) -> dict[str, Any]:
    """``completed``, and ``completed_at`` in seconds since 1970 if the criteria show it.

    Moodle shows no time of the course's completion. With all criteria needed it is that of the last
    one, and with any of them that of the first.
    """
    status = value.get("completionstatus") if isinstance(value, dict) else None
    if not isinstance(status, dict):
        raise NotUnderstood("not-a-status", f"{STATUS}: the answer is not a status.")
    if not status.get("completed"):
        return {"completed": False}
    times = [row.get("timecompleted") or 0 for row in status.get("completions") or ()]
    met = [time for time in times if time]
    if status.get("aggregation") == ANY_CRITERION:
        at = min(met, default=0)
    else:
        at = max(met, default=0) if len(met) == len(times) else 0
    return {"completed": True, **({"completed_at": at} if at else {})}
