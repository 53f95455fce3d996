"""The teacher's role in a course: given to whom is not there, and taken back from them alone."""

from __future__ import annotations

from lms_bridge.connectors.moodle.client import Parameter
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.enrolments import DROP_ROLE, ENROL, UNENROL
from lms_bridge.connectors.moodle.roster import roster_before_writes
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.ports import Removal


def is_in_course(site: MoodleSite, course: str, account: str) -> bool:
    return _roles(site, CourseRef.parse(course).course, int(account)) is not None


def give_teacher(site: MoodleSite, course: str, account: str) -> None:
    """Enrols the account with the role. To do it twice has no effect."""
    _enrol(site, CourseRef.parse(course).course, int(account), suspend=0)


def take_teacher(site: MoodleSite, course: str, account: str, removal: Removal) -> None:
    """Ends the enrolment as the policy says, but never keeps the role. If the account has another
    role by now, it loses this one alone."""
    ref, person = CourseRef.parse(course), int(account)
    roles = _roles(site, ref.course, person)
    if roles is None:
        return
    alone = roles <= {_role(site)}
    if alone and removal is Removal.UNENROL:
        row: Parameter = {"userid": person, "courseid": ref.course}
        site.client.call(UNENROL, {"enrolments": [row]})
        return
    if alone and removal is not Removal.KEEP:
        _enrol(site, ref.course, person, suspend=1)
    assigned: Parameter = {
        "roleid": _role(site),
        "userid": person,
        "contextlevel": "course",
        "instanceid": ref.course,
    }
    site.client.call(DROP_ROLE, {"unassignments": [assigned]})


def _role(site: MoodleSite) -> int:
    role: int = site.settings["teacher_role"]
    return role


def _enrol(site: MoodleSite, course: int, person: int, *, suspend: int) -> None:
    row: Parameter = {
        "roleid": _role(site),
        "userid": person,
        "courseid": course,
        "suspend": suspend,
    }
    site.client.call(ENROL, {"enrolments": [row]})


def _roles(site: MoodleSite, course: int, person: int) -> set[int] | None:
    """The ids of the account's roles in the course; None if it is not on the roster."""
    for row in roster_before_writes(site, course, "id,roles").rows():
        if row["id"] == person:
            return {int(each["roleid"]) for each in row.get("roles") or ()}
    return None
