"""Manual enrolment: all rows or none, ``null`` for success."""

from typing import Any

from lms_bridge.simulators.moodle.errors import invalid_user, moodle_exception
from lms_bridge.simulators.moodle.facts import ASSIGNABLE_IN_COURSES
from lms_bridge.simulators.moodle.site.records import Course
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call


def get_course_enrolment_methods(call: Call, params: Params) -> list[dict[str, Any]]:
    """Always empty: manual enrolment, the only method here, doesn't describe itself."""
    call.course(params["courseid"])
    return []


def may_assign(call: Call, role_id: int) -> bool:
    """Whether the caller may give that role in a course."""
    return call.can("moodle/role:assign") and role_id in ASSIGNABLE_IN_COURSES


def enrol_users(call: Call, params: Params) -> None:
    """Enrol; somebody already enrolled gets the new dates and state."""
    for row in params["enrolments"]:
        _check(call, row, "enrol/manual:enrol")
    for row in params["enrolments"]:
        call.site.enrolments.enrol(
            row["courseid"],
            row["userid"],
            row["roleid"],
            row.get("timestart", 0),
            row.get("timeend", 0),
            bool(row.get("suspend", 0)),
        )


def unenrol_users(call: Call, params: Params) -> None:
    """Unenrol; somebody who isn't enrolled is no error."""
    for row in params["enrolments"]:
        _check(call, row, "enrol/manual:unenrol")
    for row in params["enrolments"]:
        call.site.unenrol(row["courseid"], row["userid"])


def _check(call: Call, row: Params, capability: str) -> None:
    course: Course = call.known_context(row["courseid"])
    call.enter(course)
    call.require(capability)
    role_id, user_id = row.get("roleid"), row["userid"]
    if capability == "enrol/manual:enrol" and not may_assign(call, role_id or 0):
        raise moodle_exception(
            "wsusercannotassign",
            f"You don't have the permission to assign this role ({role_id}) to this user "
            f"({user_id}) in this course ({course.id}).",
        )
    if call.site.people.get(user_id) is None:
        raise invalid_user()
