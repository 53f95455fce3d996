"""Rosters: everybody in a course or in one of its editions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from lms_bridge.connectors.moodle.client import Parameter, Rows
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.deleted_courses import read_course
from lms_bridge.connectors.moodle.groups import find_group
from lms_bridge.connectors.moodle.refusals import requires
from lms_bridge.connectors.moodle.roster_batches import SUSPENDED, RosterBatches, roster_page
from lms_bridge.connectors.moodle.roster_check import (
    ENROLLED,
    check_empty,
    compare_with_count,
    compare_with_group,
    require_all_groups,
)
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.connectors.moodle.visits import VISIT, note_visits, visits_of
from lms_bridge.domain.errors import AccessDenied, BridgeError, IncompleteRead, NotUnderstood
from lms_bridge.domain.ports import Page, PageError, Pages, RawRecord, Visits
from lms_bridge.http import foreign_json

_FIELDS = f"id,idnumber,roles,{VISIT}"
MANUAL = "manual"
"""Moodle's name of the enrolment method that the bridge uses."""


class OnRoster(msgspec.Struct, gc=False):
    """Somebody on a roster, as far as a roster is checked before it is believed. What else Moodle
    shows becomes no Python objects, until records are made of it."""

    id: int
    lastcourseaccess: Any = None


PEOPLE = msgspec.json.Decoder(list[OnRoster])
_VISIT = f'"{VISIT}":'.encode()
"""No text in JSON holds this: there a quotation mark has a backslash."""
_NO_VISIT = _VISIT + b"0"


@dataclass(frozen=True, slots=True)
class MoodleRoster:
    """``people`` as Moodle sends them, sorted by id, and the ``bodies`` that show them.
    ``suspended`` holds the ids of enrolments that are suspended, not begun or over: Moodle does not
    tell these apart. ``ended`` holds those of them that cannot begin any more, where that was found
    out. ``also`` is what else shows whether the roster changed."""

    bodies: tuple[bytes, ...] = field(repr=False)
    people: tuple[OnRoster, ...] = field(repr=False)
    suspended: frozenset[int] = frozenset()
    ended: frozenset[int] = frozenset()
    also: tuple[bytes, ...] = field(default=(), repr=False)

    def ids(self) -> frozenset[int]:
        return frozenset(each.id for each in self.people)

    def active(self) -> Iterator[int]:
        return (each.id for each in self.people if each.id not in self.suspended)

    def rows(self) -> Rows:
        """All that was read of the people."""
        try:
            return [row for body in self.bodies for row in foreign_json.loads(body)]
        except ValueError:
            raise _not_a_roster() from None

    def visits(self) -> Visits | None:
        return visits_of(
            [each.id for each in self.people], [each.lastcourseaccess for each in self.people]
        )

    def without_visits(self) -> MoodleRoster:
        """The same without the times of visits, which change while nothing else does."""
        return replace(self, bodies=tuple(map(_without_visits, self.bodies)))

    def with_ended(self, people: frozenset[int]) -> MoodleRoster:
        """The same with people whose enrolments ended, who belong to its exact bytes."""
        listed = ",".join(map(str, sorted(people))).encode("ascii")
        suspended = self.suspended | people
        return replace(self, also=(*self.also, listed), suspended=suspended, ended=people)


def _without_visits(body: bytes) -> bytes:
    """Every time becomes 0: in the text, since most rosters are known and never parsed."""
    first, *others = body.split(_VISIT)
    return _NO_VISIT.join([first, *[each.lstrip(b"0123456789") for each in others]])


class RosterLook:
    """What else is looked at when a roster is read: nothing."""

    def people(self, people: Collection[int]) -> None:
        """Is told who is on the rosters of some courses before these are read one by one."""

    def roster(self, course: int, roster: MoodleRoster) -> MoodleRoster:
        """The roster of a course with what was seen."""
        return roster


def show_enrolments(site: MoodleSite, offerings: Sequence[str]) -> Pages:
    role, role_id = site.settings["role"], site.settings["role_id"]

    def records(offering: str, roster: MoodleRoster) -> Iterator[RawRecord]:
        for row in roster.rows():
            if is_learner(row, role, role_id):
                state = "suspended" if row["id"] in roster.suspended else "active"
                yield RawRecord(f"{offering}/{row['id']}", {"state": state})

    return read_rosters(site, offerings, _FIELDS, records)


def roster_problems(site: MoodleSite, offerings: Sequence[str]) -> dict[str, BridgeError]:
    """Courses without an enabled manual method: Moodle shows everybody as suspended, or nobody."""
    courses = {each: CourseRef.parse(each).course for each in offerings}
    listed = ",".join(map(str, sorted(set(courses.values()))))
    shut = {
        int(row["id"])
        for row in site.find_courses("ids", listed)
        if MANUAL not in (row.get("enrollmentmethods") or ())
    }
    return {each: _no_method(course) for each, course in courses.items() if course in shut}


def _no_method(course: int) -> AccessDenied:
    return AccessDenied(
        "no-manual-method",
        f"Course {course} has no enabled manual enrolment method, so nobody whom the bridge "
        "enrolled there can enter it.",
        "Enable the method, or add it to the course. Until then the bridge can enrol nobody there.",
    )


def read_rosters(
    site: MoodleSite,
    offerings: Sequence[str],
    fields: str,
    records: Callable[[str, MoodleRoster], Iterator[RawRecord]],
    look: RosterLook | None = None,
    people: msgspec.json.Decoder[Any] = PEOPLE,
) -> Pages:
    """One answer per offering. A roster that fails its check is unread. ``people`` tells what is
    read of them."""
    look = look or RosterLook()
    batches = RosterBatches(site, fields, look.people)

    def read(offering: str) -> Page:
        ref = CourseRef.parse(offering)
        roster = look.roster(ref.course, _read_checked(site, ref, fields, people))
        if VISIT in fields:
            note_visits(site, ref, roster.visits())
            roster = roster.without_visits()
        bodies = (*roster.bodies, *roster.also)
        return Page(offering, bodies, lambda: records(offering, roster))

    def read_batch(batch: list[str]) -> list[Page | PageError]:
        batches.ask([int(each) for each in batch if each.isascii() and each.isdecimal()])
        return [read_course(site, each, partial(read, each)) for each in batch]

    return chain.from_iterable(site.pool.each(read_batch, batches.split(offerings)))


def is_learner(row: Mapping[str, Any], role: str, role_id: int = 0) -> bool:
    """Whether the person has the role, by its short name or by its id: a centre may rename it.
    Somebody without roles counts: a suspension drops roles."""
    roles = row.get("roles") or ()
    return not roles or any(
        entry.get("shortname") == role or entry.get("roleid") == role_id for entry in roles
    )


def _read_checked(
    site: MoodleSite, ref: CourseRef, fields: str, people: msgspec.json.Decoder[Any]
) -> MoodleRoster:
    """The roster, read a second time if it does not pass: it may have changed meanwhile.

    Raises:
        AccessDenied: the service account cannot see everybody.
        IncompleteRead: the roster disagrees with another function of Moodle's.
    """
    try:
        return _read_and_check(site, ref, fields, people)
    except IncompleteRead:
        return _read_and_check(site, ref, fields, people)


def _read_and_check(
    site: MoodleSite, ref: CourseRef, fields: str, people: msgspec.json.Decoder[Any]
) -> MoodleRoster:
    if ref.edition:
        group, body = find_group(site.client, ref.course, ref.edition)
        if group is None:
            return MoodleRoster((), (), also=(body,))  # a group that does not exist has no members
        roster = _read(site, ref.course, group, fields, people)
        compare_with_group(site, group, roster.ids())
        return roster
    roster = _read(site, ref.course, 0, fields, people)
    if roster.people:
        compare_with_count(site, ref.course, len(roster.people), roster.active())
    else:
        check_empty(site, ref.course)
    return roster


def roster_before_writes(site: MoodleSite, course: int, fields: str = "id") -> MoodleRoster:
    """A course's roster before the bridge writes there. Its check needs fewer calls."""
    roster = _read(site, course, 0, fields, PEOPLE)
    if roster.people:
        compare_with_count(site, course, len(roster.people), roster.active())
    else:
        site.require_details()
        require_all_groups(site, course)
    return roster


def _read(
    site: MoodleSite, course: int, group: int, fields: str, decoder: msgspec.json.Decoder[Any]
) -> MoodleRoster:
    """The roster of a course, or of one group, as Moodle shows it. Nothing is checked yet."""
    with requires("moodle/site:accessallgroups"):  # Moodle asks for it when a group is named
        bodies, people = _pages(site, course, group, fields, decoder)
    if not people:
        return MoodleRoster(tuple(bodies), ())
    with requires("moodle/course:enrolreview"):
        others, late = _pages(site, course, group, "id", PEOPLE, SUSPENDED)
    return checked_roster(bodies, people, others, late)


def checked_roster(
    bodies: Sequence[bytes],
    people: Sequence[OnRoster],
    others: Sequence[bytes],
    late: Sequence[OnRoster],
) -> MoodleRoster:
    """The roster with those of its people who are suspended."""
    suspended = frozenset(each.id for each in late)
    roster = MoodleRoster(tuple(bodies), tuple(people), suspended, also=tuple(others))
    if suspended and not suspended <= roster.ids():
        raise IncompleteRead("changed-meanwhile", "The roster changed while it was being read.")
    return roster


def _pages(
    site: MoodleSite,
    course: int,
    group: int,
    fields: str,
    decoder: msgspec.json.Decoder[Any],
    *more: dict[str, Parameter],
) -> tuple[list[bytes], list[OnRoster]]:
    size = site.settings["page"]
    bodies: list[bytes] = []
    people: list[OnRoster] = []
    start, short = 0, False
    if group:
        more = (*more, {"name": "groupid", "value": group})
    while True:
        asked = roster_page(course, size, start, fields, *more)
        reply = site.client.call(ENROLLED, asked, check=decoder)
        page = reply.checked
        if page is None:
            raise _not_a_roster()
        if short and page:  # hidden people shorten a page, so a short page may not be the last
            raise IncompleteRead("hidden-rows", "Moodle hides some people of the roster.")
        bodies.append(reply.body)
        people += page
        short = len(page) < size
        if len(page) * 2 < size:
            return bodies, people
        start += size


def _not_a_roster() -> NotUnderstood:
    return NotUnderstood("not-a-roster", f"{ENROLLED}: the answer is not a list of people.")
