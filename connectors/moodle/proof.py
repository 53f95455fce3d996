"""Proof that a roster holds everybody.

Moodle leaves people out of a roster in silence: all of them without ``moodle/user:viewdetails``,
those of other groups without ``moodle/site:accessallgroups``, single ones where a plugin hides
profiles. Taken for the truth, that would remove them all. So a roster is checked against other
sources that do not look at the same rights, and is *unread* where they disagree.
"""

from __future__ import annotations

from connectors.moodle.client import part
from connectors.moodle.form import Parameter
from connectors.moodle.groups import edition_group, group_members
from connectors.moodle.places import ENROLLED, Place, Roster, read_roster
from connectors.moodle.refusals import needing
from connectors.moodle.site import NO_DETAILS, Site
from lms_bridge.domain.errors import AccessDenied, IncompleteRead, RecordRefused

USERS_COURSES = "core_enrol_get_users_courses"
GRADES = "gradereport_user_get_grade_items"
NO_SUCH_GROUP = 2**31 - 1
_WITNESSES_ASKED = 3


def proved_roster(site: Site, place: Place, fields: str) -> Roster:
    """The roster of a place, read again once if it changed while it was being read.

    Raises:
        AccessDenied: the service account cannot see everybody.
        IncompleteRead: the roster disagrees with another source of Moodle's.
    """
    try:
        return _proved(site, place, fields)
    except IncompleteRead:
        return _proved(site, place, fields)


def _proved(site: Site, place: Place, fields: str) -> Roster:
    group = 0
    if place.edition:
        found, body = edition_group(site.client, place.course, place.edition)
        if found is None:
            return Roster((body,), ())  # nobody can be in a group that does not exist
        group = found
    roster = read_roster(site, place.course, group, fields)
    if group:
        _check_against_group(site, group, roster)
    elif roster.rows:
        _check_against_count(site, place.course, roster)
    else:
        _check_emptiness(site, place.course)
    return roster


def roster_before(site: Site, course: int) -> Roster:
    """The ids on a course's roster, before anything is written there; proved by fewer calls."""
    roster = read_roster(site, course, 0, "id")
    if roster.rows:
        _check_against_count(site, course, roster)
    else:
        site.require_details()
        require_all_groups(site, course)
    return roster


def require_all_groups(site: Site, course: int) -> None:
    """Raises ``AccessDenied`` if the account sees its own groups only; asked once a session."""
    if not site.all_groups_seen:
        _check_all_groups(site, course)
        site.all_groups_seen = True


def _check_against_group(site: Site, group: int, roster: Roster) -> None:
    if not group_members(site.client, [group])[group] <= roster.ids():
        raise IncompleteRead(
            "hidden-rows",
            "The edition's group has members whom the roster does not show.",
            "Allow moodle/user:viewdetails and moodle/site:accessallgroups to the service "
            "account's role.",
        )


def _check_against_count(site: Site, course: int, roster: Roster) -> None:
    """Moodle's own count of the enrolled, which it gives along with a member's courses."""
    active = [row["id"] for row in roster.rows if row["id"] not in roster.suspended]
    if USERS_COURSES in site.functions:
        for person in active[:_WITNESSES_ASKED]:
            for row in site.client.rows(USERS_COURSES, {"userid": person}):
                if row.get("id") == course and isinstance(row.get("enrolledusercount"), int):
                    _compare(row["enrolledusercount"], len(roster.rows))
                    return
    _check_all_groups(site, course)


def _compare(counted: int, shown: int) -> None:
    if counted != shown:
        raise IncompleteRead(
            "hidden-rows",
            f"Moodle counts {counted} people in the course but shows {shown}.",
            "Allow moodle/user:viewdetails and moodle/site:accessallgroups to the service "
            "account's role.",
        )


def _check_emptiness(site: Site, course: int) -> None:
    """An empty roster is believed only of an account that demonstrably sees people."""
    site.require_details()
    _check_all_groups(site, course)
    if GRADES not in site.functions:
        return
    try:
        reply = site.client.ask(GRADES, {"courseid": course})
    except (AccessDenied, RecordRefused):
        return  # grades are not shown: no second source
    if part(GRADES, reply.value, "usergrades"):
        raise NO_DETAILS


def _check_all_groups(site: Site, course: int) -> None:
    """Asking for a group one is not in is refused without ``moodle/site:accessallgroups``."""
    options: list[Parameter] = [
        {"name": "groupid", "value": NO_SUCH_GROUP},
        {"name": "userfields", "value": "id"},
    ]
    with needing("moodle/site:accessallgroups"):
        site.client.ask(ENROLLED, {"courseid": course, "options": options})
