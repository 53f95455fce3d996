"""The calls that read rosters, for many courses in one request.

An empty course costs two calls, and a few hundred of them cost more than all the others. So the
questions about many courses go together (``MoodleClient.ask_ahead``), as many as Moodle answers in
about a second. What is asked, and what is checked, stays the same for each course.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import islice

import msgspec

from lms_bridge.connectors.moodle.client import CALL_SEVERAL, Parameter, Parameters
from lms_bridge.connectors.moodle.roster_check import (
    ENROLLED,
    GRADES,
    USERS_COURSES,
    all_groups_question,
    count_courses_of,
)
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.errors import AccessDenied, RecordRefused, RetryLater

FIRST_SIZE, MOST = 16, 64
"""Courses in one request."""
_SHORT, _LONG = 1.0, 3.0
"""Seconds: after a shorter answer more courses are asked about at once, after a longer one
fewer."""


def roster_page(
    course: int, size: int, start: int, fields: str, *more: dict[str, Parameter]
) -> Parameters:
    """The parameters that ask for one page of a roster."""
    options: list[Parameter] = [
        {"name": "userfields", "value": fields},
        {"name": "limitfrom", "value": start},
        {"name": "limitnumber", "value": size},
        {"name": "sortby", "value": "id"},
        *more,
    ]
    return {"courseid": course, "options": options}


class _HasId(msgspec.Struct):
    id: int


_IDS = msgspec.json.Decoder(list[_HasId])
SUSPENDED: dict[str, Parameter] = {"name": "onlysuspended", "value": 1}


class RosterBatches:
    """Splits courses into batches, and asks about all courses of a batch at once. ``look_up`` is
    told who is on their rosters."""

    def __init__(
        self, site: MoodleSite, fields: str, look_up: Callable[[Collection[int]], object]
    ) -> None:
        self._site, self._fields, self._look_up = site, fields, look_up
        self._size = FIRST_SIZE if CALL_SEVERAL in site.functions else 1

    def split(self, offerings: Sequence[str]) -> Iterator[list[str]]:
        """Batches of offerings, each as large as Moodle's answers so far allow. All threads get
        one, however few there are."""
        waiting = iter(offerings)
        fair = max(1, len(offerings) // self._site.calls_at_once)
        while batch := list(islice(waiting, min(self._size, fair))):
            yield batch

    def ask(self, courses: Sequence[int]) -> None:
        """Asks what the reading of these courses' rosters will ask. Whole courses only: the
        groups of editions are asked for one by one."""
        if len(courses) < 2:  # a single call is as quick
            return
        began = time.monotonic()
        # After an error each course is asked by itself, as if nothing had been.
        with suppress(RetryLater, AccessDenied, RecordRefused):
            self._ask(courses)
        seconds = time.monotonic() - began
        if seconds < _SHORT:
            self._size = min(MOST, max(self._size, 2 * len(courses)))
        elif seconds > _LONG:
            self._size = max(1, min(self._size, len(courses) // 2))

    def _ask(self, courses: Sequence[int]) -> None:
        site, size = self._site, self._site.settings["page"]
        pages = {each: roster_page(each, size, 0, self._fields) for each in courses}
        site.client.ask_ahead([(ENROLLED, page) for page in pages.values()])
        rosters = {each: self._asked(page) for each, page in pages.items()}
        people = {each: ids for each, ids in rosters.items() if ids}
        empty = [each for each, ids in rosters.items() if ids == []]
        late = {each: roster_page(each, size, 0, "id", SUSPENDED) for each in people}
        questions = [(ENROLLED, page) for page in late.values()]
        questions += [(ENROLLED, all_groups_question(each)) for each in empty]
        with ExitStack() as locks:
            if GRADES in site.functions:
                for each in sorted(empty):
                    locks.enter_context(site.grades_of(each))
                questions += [(GRADES, {"courseid": each}) for each in empty]
            site.client.ask_ahead(questions)
        self._look_up({person for ids in people.values() for person in ids})
        if USERS_COURSES in site.functions:
            self._count(
                {
                    each: (len(ids), _witness(ids, self._asked(late[each])))
                    for each, ids in people.items()
                }
            )

    def _asked(self, page: Parameters) -> list[int] | None:
        """The people of a page that was asked for. What is no list of people counts as not asked:
        the reading of that course then says what is wrong."""
        reply = self._site.client.asked(ENROLLED, page)
        if reply is None or not reply.check(_IDS):
            return None
        return [each.id for each in reply.checked]

    def _count(self, shown: Mapping[int, tuple[int, int | None]]) -> None:
        """Reads Moodle's own counts of {course: (people shown, one of the active ones)}. Moodle
        tells all courses of a person at once, and at a price: so one person is asked about, then
        two, then four, until the count of every course is known."""
        site, waiting, number = self._site, dict(shown), 1
        while waiting := {
            course: each
            for course, each in waiting.items()
            if each[1] is not None and site.counted.get(course) != each[0]
        }:
            asked = list(waiting)[:number]
            people = sorted({person for course in asked if (person := waiting[course][1])})
            site.client.ask_ahead([(USERS_COURSES, {"userid": each}) for each in people])
            for person in people:
                count_courses_of(site, person)
            for course in asked:
                del waiting[course]
            number *= 2


def _witness(people: Sequence[int], late: Sequence[int] | None) -> int | None:
    hidden = frozenset(late or ())
    return next((each for each in people if each not in hidden), None)
