"""An Academy that is itself a Moodle. Its courses are the catalogue, its enrolments the
registrations. Moodle has no standard function to write results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from lms_bridge.connectors.moodle import academy_courses
from lms_bridge.connectors.moodle.academy_categories import category_of
from lms_bridge.connectors.moodle.academy_courses import (
    LONGEST_CODE,
    course_row,
    held_otherwise,
    shown_as,
)
from lms_bridge.connectors.moodle.academy_registrations import read_registrations
from lms_bridge.connectors.moodle.batches import Outcome, write_batch
from lms_bridge.connectors.moodle.client import Parameter
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.deleted_courses import course_gone
from lms_bridge.connectors.moodle.options import ACADEMY
from lms_bridge.connectors.moodle.probe import probe_academy
from lms_bridge.connectors.moodle.refusals import IN_PLACE, LATER_CODES, RECORDS, refusal
from lms_bridge.connectors.moodle.site import MoodleSite, open_site
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import (
    Action,
    Pages,
    ProbeFinding,
    SystemAccess,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)

CREATE, UPDATE = "core_course_create_courses", "core_course_update_courses"
BATCH = 10
"""Courses in one call. Moodle needs about a tenth of a second for each."""
_NO_SUCH_COURSE = frozenset({"invalidrecord", "invalidcourseid"})
_TAKEN = frozenset({"shortnametaken", "courseidnumbertaken"})


class MoodleAcademy:
    def __init__(self, site: MoodleSite) -> None:
        self._site = site

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        """Writes offerings as courses. The ID number of a course is the offering's code."""
        new = [request for request in requests if request.action is Action.CREATE]
        rest = [request for request in requests if request.action is not Action.CREATE]
        for send, chosen in ((_create, new), (_update, rest)):
            yield from self._site.pool.write(partial(_write, self._site, send), chosen, BATCH)

    def show_offerings(self, external_ids: Sequence[str]) -> Pages:
        return academy_courses.show_offerings(self._site, external_ids)

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        del centre
        return read_registrations(self._site, list(offerings))

    def probe(self) -> Iterator[ProbeFinding]:
        return probe_academy(self._site)

    def close(self) -> None:
        self._site.close()


def open_academy(access: SystemAccess) -> MoodleAcademy:
    """Raises ``SettingsInvalid`` with every problem at once."""
    return MoodleAcademy(open_site(access, ACADEMY))


# ---- offerings --------------------------------------------------------------------------------

Send = Callable[[MoodleSite, Sequence[WriteRequest]], list[Outcome]]


def _write(site: MoodleSite, send: Send, requests: Sequence[WriteRequest]) -> list[Outcome]:
    def refused(request: WriteRequest, error: RecordRefused) -> Outcome:
        if request.action is Action.CREATE and error.code in _TAKEN:
            course = _find_by_code(site, request)
            if course:
                return _update(site, [_as_update(request, course)])[0]
        return WriteFailed(request.key, error)

    return _with_held(site, requests, write_batch(requests, partial(send, site), refused))


def _with_held(
    site: MoodleSite, requests: Sequence[WriteRequest], outcomes: list[Outcome]
) -> list[Outcome]:
    """The outcomes with the fields that Moodle could not hold as they were sent. What it holds is
    read at once: later on a difference is somebody's change."""
    sent = {each.key: each for each in requests if each.action is not Action.REMOVE}
    outcomes = [
        replace(each, shown_as=shown_as(sent[each.key]))
        if isinstance(each, Written) and each.key in sent
        else each
        for each in outcomes
    ]
    ids = [each.external_id for each in outcomes if isinstance(each, Written) and each.key in sent]
    if not ids:
        return outcomes
    try:
        rows = site.find_courses("ids", ",".join(ids))
    except BridgeError:
        return outcomes  # the courses were written all the same
    shown = {str(row["id"]): row for row in rows}
    return [
        replace(each, held=held_otherwise(site, shown[each.external_id], sent[each.key]))
        if isinstance(each, Written) and each.key in sent and each.external_id in shown
        else each
        for each in outcomes
    ]


def _create(site: MoodleSite, requests: Sequence[WriteRequest]) -> list[Outcome]:
    existing = {
        request.key: _find_earlier(site, request) for request in requests if request.is_retry
    }
    known = [_as_update(o, existing[o.key]) for o in requests if existing.get(o.key)]
    outcomes = _update(site, known) if known else []
    new = [request for request in requests if not existing.get(request.key)]
    if not new:
        return outcomes
    rows = [_new_course(site, request) for request in new]
    reply = site.client.call(CREATE, {"courses": [*rows]}, repeatable=False)
    created = {str(row["shortname"]): str(row["id"]) for row in reply.rows()}
    return outcomes + [
        Written(request.key, created[str(row["shortname"])])
        for request, row in zip(new, rows, strict=True)
        if row["shortname"] in created
    ]


def _update(site: MoodleSite, requests: Sequence[WriteRequest]) -> list[Outcome]:
    """Moodle accepts the good rows and warns about the bad ones."""
    rows = [
        _changed_course(site, request) for request in requests if request.external_id.isdecimal()
    ]
    refused: dict[str, str] = {}
    if rows:
        for warning in site.client.rows(UPDATE, {"courses": [*rows]}, "warnings"):
            code = str(warning.get("warningcode"))
            refused[str(warning.get("itemid"))] = LATER_CODES.get(code, code)
    return [_updated(request, refused.get(request.external_id)) for request in requests]


def _updated(request: WriteRequest, refused: str | None) -> Outcome:
    if not request.external_id.isdecimal():
        refused = "not-a-course"
    if refused is None:
        return Written(request.key, request.external_id)
    if refused in _NO_SUCH_COURSE:
        return WriteFailed(request.key, course_gone(CourseRef(int(request.external_id))))
    if refused in IN_PLACE or refused in RECORDS:
        return WriteFailed(request.key, refusal(UPDATE, {"errorcode": refused}))
    message = f"{UPDATE}: Moodle refuses this change ({refused})."
    return WriteFailed(request.key, RecordRefused(refused, message))


def _new_course(site: MoodleSite, request: WriteRequest) -> dict[str, Parameter]:
    code = _code(request)
    return {
        "fullname": code,
        "shortname": code,
        "idnumber": code,
        "categoryid": category_of(site, request.desired),
        "format": site.settings["format"],
        "summaryformat": 1,
        "visible": site.settings["show"],
        **course_row(site, request.desired, list(request.desired)),
    }


def _changed_course(site: MoodleSite, request: WriteRequest) -> dict[str, Parameter]:
    row: dict[str, Parameter] = {"id": int(request.external_id)}
    if request.action is Action.REMOVE or request.desired.get("state") == "removed":
        return {**row, "visible": False}
    if "state" in request.changed and site.settings["show"]:
        row["visible"] = True
    return {**row, **course_row(site, request.desired, request.changed or list(request.desired))}


def _find_by_code(site: MoodleSite, request: WriteRequest) -> str:
    """The id of the course that has the offering's code, or an empty text."""
    rows = site.find_courses("idnumber", _code(request))
    return str(rows[0]["id"]) if rows else ""


def _find_earlier(site: MoodleSite, request: WriteRequest) -> str:
    """The id of the course of an earlier attempt. If its ID number is another one by now, its known
    id finds it."""
    found = _find_by_code(site, request)
    if found or not request.external_id.isdecimal():
        return found
    return request.external_id if site.find_courses("id", request.external_id) else ""


def _code(request: WriteRequest) -> str:
    return str(request.desired["code"])[:LONGEST_CODE]


def _as_update(request: WriteRequest, course: str) -> WriteRequest:
    """The request to bring an existing course up to date."""
    return replace(
        request, action=Action.UPDATE, external_id=course, changed=tuple(request.desired)
    )
