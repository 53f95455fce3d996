"""Giving and taking roles in a course, without touching the enrolment."""

from lms_bridge.simulators.moodle.errors import invalid_parameter
from lms_bridge.simulators.moodle.site.records import Course, Enrolment
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call
from .enrolling import may_assign

COURSE_LEVEL = "course"


def assign_roles(call: Call, params: Params) -> None:
    """Give roles in courses. Somebody not enrolled is passed over: a role alone is no enrolment."""
    rows = [(_checked(call, row), row["roleid"]) for row in params["assignments"]]
    for enrolment, role_id in rows:
        if enrolment is not None and role_id not in enrolment.roles:
            enrolment.roles.append(role_id)


def unassign_roles(call: Call, params: Params) -> None:
    """Take roles in courses; somebody who hasn't the role is no error."""
    rows = [(_checked(call, row), row["roleid"]) for row in params["unassignments"]]
    for enrolment, role_id in rows:
        if enrolment is not None and role_id in enrolment.roles:
            enrolment.roles.remove(role_id)


def _checked(call: Call, row: Params) -> Enrolment | None:
    course = _course(call, row)
    call.enter_context(course)
    call.require("moodle/role:assign")
    if not may_assign(call, row["roleid"]) or call.site.people.get(row["userid"]) is None:
        raise invalid_parameter()
    return call.site.enrolments.get(course.id, row["userid"])


def _course(call: Call, row: Params) -> Course:
    """The course, by its context's id or as ``contextlevel=course&instanceid=…``."""
    if "contextid" in row:
        return call.known_context(row["contextid"] - call.site.context_offset)
    if row.get("contextlevel") != COURSE_LEVEL or "instanceid" not in row:
        raise invalid_parameter()
    return call.known_context(row["instanceid"])
