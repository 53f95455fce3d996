"""The courses that checks look at, read once for all of them."""

from __future__ import annotations

from typing import Any

from connectors.moodle.client import part
from connectors.moodle.courses import is_course
from connectors.moodle.site import Site
from lms_bridge.domain.errors import RecordRefused

COURSES = "core_course_get_courses_by_field"


def seen_courses(site: Site) -> list[dict[str, Any]]:
    """All courses that the account sees, read once for all checks."""
    found = site.notes.get("courses")
    if found is None:
        reply = site.client.ask(COURSES)
        found = [row for row in part(COURSES, reply.value, "courses") if is_course(row)]
        site.notes["courses"] = found
    return found


def sample_course(site: Site) -> int:
    """A course to try things on: a visible one, with as little in it as can be told."""
    courses = seen_courses(site)
    entered = [row for row in courses if "startdate" in row] or courses
    if not entered:
        raise RecordRefused("no-course", "the account sees no course to try this on.")
    return int(max(entered, key=lambda row: (row.get("visible", 0), row["id"]))["id"])
