"""Reading a roster as it seems; ``proof`` then tells whether it can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connectors.moodle.form import Parameter
from connectors.moodle.refusals import needing
from connectors.moodle.site import Site
from lms_bridge.domain.errors import IncompleteRead, NotUnderstood, RecordRefused

ENROLLED = "core_enrol_get_enrolled_users"


@dataclass(frozen=True, slots=True)
class Place:
    """An offering's place: a course, and the edition's code where a group decides."""

    course: int
    edition: str = ""

    @classmethod
    def of(cls, external_id: str) -> Place:
        """Raises ``RecordRefused`` when the text is not an external id of this connector."""
        course, _, edition = external_id.partition("#")
        if not (course.isascii() and course.isdecimal()):
            raise RecordRefused("not-a-course", "The external id does not name a Moodle course.")
        return cls(int(course), edition)


@dataclass(frozen=True, slots=True)
class Roster:
    """``rows`` as Moodle gives them, sorted by id; ``suspended`` the ids whose enrolment is
    suspended, has not begun or has ended (Moodle does not tell these apart)."""

    bodies: tuple[bytes, ...] = field(repr=False)
    rows: tuple[dict[str, Any], ...] = field(repr=False)
    suspended: frozenset[int] = frozenset()

    def ids(self) -> frozenset[int]:
        return frozenset(row["id"] for row in self.rows)


def read_roster(site: Site, course: int, group: int, fields: str) -> Roster:
    """The roster, page by page, as it seems; nothing is proved yet."""
    with needing("moodle/site:accessallgroups"):  # asked of those who read a single group
        bodies, rows = _pages(site, course, group, fields)
    if not rows:
        return Roster(tuple(bodies), ())
    with needing("moodle/course:enrolreview"):
        others, late = _pages(site, course, group, "id", {"name": "onlysuspended", "value": 1})
    suspended = frozenset(row["id"] for row in late)
    if not suspended <= {row["id"] for row in rows}:
        raise IncompleteRead("changed-meanwhile", "The roster changed while it was being read.")
    return Roster((*bodies, *others), tuple(rows), suspended)


def _pages(
    site: Site, course: int, group: int, fields: str, *more: dict[str, Parameter]
) -> tuple[list[bytes], list[dict[str, Any]]]:
    size = site.settings["page"]
    bodies: list[bytes] = []
    rows: list[dict[str, Any]] = []
    start, short = 0, False
    while True:
        options: list[Parameter] = [
            {"name": "userfields", "value": fields},
            {"name": "limitfrom", "value": start},
            {"name": "limitnumber", "value": size},
            {"name": "sortby", "value": "id"},
            *more,
        ]
        if group:
            options.append({"name": "groupid", "value": group})
        reply = site.client.ask(ENROLLED, {"courseid": course, "options": options})
        page = _with_ids(reply.value)
        if short and page:  # hidden people shorten a page, so a short one need not be the last
            raise IncompleteRead("hidden-rows", "Moodle hides some people of the roster.")
        bodies.append(reply.body)
        rows += page
        short = len(page) < size
        if len(page) * 2 < size:
            return bodies, rows
        start += size


def _with_ids(value: object) -> list[dict[str, Any]]:
    rows = value if isinstance(value, list) else None
    if rows is None or not all(isinstance(r, dict) and isinstance(r.get("id"), int) for r in rows):
        raise NotUnderstood("not-a-roster", f"{ENROLLED}: the answer is not a list of people.")
    return rows
