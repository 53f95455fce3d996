"""Checks that a roster holds everybody.

Moodle leaves people out of a roster without an error: everybody if the account lacks
``moodle/user:viewdetails``, other groups without ``moodle/site:accessallgroups``, single people
where a plugin hides profiles. A short roster would remove all of them. So each roster is compared
with other functions that need other permissions.
"""

from __future__ import annotations

from collections.abc import Iterable

from lms_bridge.connectors.moodle.client import Parameter, Parameters
from lms_bridge.connectors.moodle.groups import group_members
from lms_bridge.connectors.moodle.refusals import requires
from lms_bridge.connectors.moodle.site import NO_DETAILS, MoodleSite
from lms_bridge.domain.errors import AccessDenied, IncompleteRead, RecordRefused

ENROLLED = "core_enrol_get_enrolled_users"
USERS_COURSES = "core_enrol_get_users_courses"
GRADES = "gradereport_user_get_grade_items"
NO_SUCH_GROUP = 2**31 - 1
_PEOPLE_ASKED = 3
_SHOW_PEOPLE = (
    "Allow moodle/user:viewdetails and moodle/site:accessallgroups to the service account's role."
)


def compare_with_group(site: MoodleSite, group: int, shown: frozenset[int]) -> None:
    """Raises ``IncompleteRead`` if the group has members whom the roster does not show."""
    if not group_members(site.client, [group])[group] <= shown:
        message = "The edition's group has members whom the roster does not show."
        raise IncompleteRead("hidden-rows", message, _SHOW_PEOPLE)


def compare_with_count(site: MoodleSite, course: int, shown: int, active: Iterable[int]) -> None:
    """Compares the roster's length with Moodle's own count, which the courses of an ``active``
    person show. A count from earlier in the session is good if it fits.

    Raises:
        IncompleteRead: the roster is shorter or longer.
        AccessDenied: nothing shows the count, and the account does not see all groups.
    """
    if site.counted.get(course) == shown:
        return
    if USERS_COURSES in site.functions:
        for person in list(active)[:_PEOPLE_ASKED]:
            counted = count_courses_of(site, person).get(course)
            if counted is not None:
                if counted != shown:
                    message = (
                        "Moodle shows fewer people of the course than it counts: "
                        f"{shown} of {counted}."
                    )
                    raise IncompleteRead("hidden-rows", message, _SHOW_PEOPLE)
                return
    _check_all_groups(site, course)


def count_courses_of(site: MoodleSite, person: int) -> dict[int, int]:
    """{course: Moodle's own count of its people} of all courses of a person. The session keeps
    them, because a count that fits the roster needs no other."""
    counts = {
        int(row["id"]): row["enrolledusercount"]
        for row in site.client.rows(USERS_COURSES, {"userid": person})
        if isinstance(row.get("enrolledusercount"), int)
    }
    site.counted.update(counts)
    return counts


def check_empty(site: MoodleSite, course: int) -> None:
    """Raises ``AccessDenied`` unless the account sees people and groups, and no grades exist."""
    site.require_details()
    _check_all_groups(site, course)
    if GRADES not in site.functions:
        return
    try:
        with site.grades_of(course):
            reply = site.client.call(GRADES, {"courseid": course})
    except (AccessDenied, RecordRefused):
        return  # the account does not see grades, so they cannot be compared
    if reply.rows("usergrades"):
        raise NO_DETAILS


def require_all_groups(site: MoodleSite, course: int) -> None:
    """Raises ``AccessDenied`` if the account sees only its own groups. Checked once a session."""
    if not site.sees_all_groups:
        _check_all_groups(site, course)
        site.sees_all_groups = True


def _check_all_groups(site: MoodleSite, course: int) -> None:
    with requires("moodle/site:accessallgroups"):
        site.client.call(ENROLLED, all_groups_question(course))


def all_groups_question(course: int) -> Parameters:
    """A request for an unknown group: Moodle refuses it without ``moodle/site:accessallgroups``."""
    options: list[Parameter] = [
        {"name": "groupid", "value": NO_SUCH_GROUP},
        {"name": "userfields", "value": "id"},
    ]
    return {"courseid": course, "options": options}
