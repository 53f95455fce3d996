"""Visits: who is in a course, and when each of them was there last.

A roster shows both, at a tenth of the price of the grade report (``lms_bridge/sync/visits.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lms_bridge.connectors.moodle.client import CALL_SEVERAL, Parameter, Parameters
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.roster_check import ENROLLED
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.document import digest
from lms_bridge.domain.errors import AccessDenied, NotUnderstood, RecordRefused
from lms_bridge.domain.ports import Visits

VISIT = "lastcourseaccess"
TOGETHER = 8
"""Courses in one request."""


def note_visits(site: MoodleSite, ref: CourseRef, seen: Visits | None) -> None:
    """Keeps the visits that the roster of a whole course shows."""
    if not ref.edition and seen is not None:
        site.visits[ref.course] = seen


def visits(site: MoodleSite, offerings: Sequence[str]) -> dict[str, Visits]:
    """The visits of whole courses, as far as Moodle shows them. Rosters that the session read
    already are not read again."""
    courses = {each: int(each) for each in offerings if each.isascii() and each.isdecimal()}
    unread = [course for course in courses.values() if course not in site.visits]
    for _ in site.pool.each(lambda batch: _read(site, batch), [*chunks(unread, TOGETHER)]):
        pass
    return {each: site.visits[c] for each, c in courses.items() if c in site.visits}


def _read(site: MoodleSite, courses: Sequence[int]) -> None:
    # A course that cannot be read is asked for its results, and then says why.
    with suppress(AccessDenied, RecordRefused, NotUnderstood):
        if CALL_SEVERAL in site.functions:
            site.client.ask_ahead([(ENROLLED, _question(each)) for each in courses])
        for course in courses:
            with suppress(AccessDenied, RecordRefused, NotUnderstood):
                rows = site.client.rows(ENROLLED, _question(course))
                people = [row.get("id") for row in rows]
                seen = visits_of(people, [row.get(VISIT) for row in rows])
                note_visits(site, CourseRef(course), seen)


def _question(course: int) -> Parameters:
    fields: dict[str, Parameter] = {"name": "userfields", "value": f"id,{VISIT}"}
    return {"courseid": course, "options": [fields, {"name": "sortby", "value": "id"}]}


def visits_of(people: Sequence[object], times: Sequence[Any]) -> Visits | None:
    """None if the site hides them, or if nobody is seen: then they prove nothing."""
    try:
        last = max(times)
    except (TypeError, ValueError):  # some are hidden, or there is nobody
        return None
    return Visits(digest([people, times]), last) if isinstance(last, int) else None
