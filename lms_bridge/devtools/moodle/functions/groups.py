"""Groups and their members."""

from typing import Any

from lms_bridge.devtools.moodle.facts import (
    course_context_invalid,
    invalid_parameter,
    invalid_user,
    missing_record,
    moodle_exception,
)
from lms_bridge.devtools.moodle.functions.call import Call, row_of
from lms_bridge.devtools.moodle.parameters import Params
from lms_bridge.devtools.moodle.records import MoodleGroup

ROW = """id courseid name description descriptionformat enrolmentkey idnumber visibility
    participation"""
MANAGE = "moodle/course:managegroups"


def _row(call: Call, group: MoodleGroup, key: str | None) -> dict[str, Any]:
    made = {
        "courseid": group.course_id,
        "name": call.name(group.name),
        "enrolmentkey": key,
    }
    return row_of(group, ROW, made)


def get_course_groups(call: Call, params: Params) -> list[dict[str, Any]]:
    course = call.site.catalogue.get(params["courseid"])
    if course is None:
        raise course_context_invalid(params["courseid"], invalid_parameter())
    call.enter_context(course)
    call.require(MANAGE)
    groups = call.site.groups.of_course(course.id)
    return [_row(call, group, group.enrolmentkey or None) for group in groups]


def create_groups(call: Call, params: Params) -> list[dict[str, Any]]:
    """The new groups. Every row is checked before the first group is made."""
    seen: set[tuple[int, str]] = set()
    for row in params["groups"]:
        _check_new(call, row)
        key = (row["courseid"], row["name"])
        if key in seen:
            raise invalid_parameter()
        seen.add(key)
    return [_create(call, row) for row in params["groups"]]


def _check_new(call: Call, row: Params) -> None:
    others = call.site.groups.of_course(row["courseid"])
    if not row["name"].strip() or any(group.name == row["name"] for group in others):
        raise invalid_parameter()
    call.enter_context(call.known_context(row["courseid"]))
    call.require(MANAGE)
    idnumber = row.get("idnumber", "")
    if idnumber and any(group.idnumber == idnumber for group in others):
        raise moodle_exception("idnumbertaken", "This ID number is already in use")


def _create(call: Call, row: Params) -> dict[str, Any]:
    group = call.site.groups.add(
        row["courseid"], row["name"], row.get("idnumber", ""), row["description"]
    )
    group.descriptionformat = row["descriptionformat"]
    group.enrolmentkey = row.get("enrolmentkey") or ""
    group.visibility, group.participation = row["visibility"], row["participation"]
    return _row(call, group, group.enrolmentkey)


def add_group_members(call: Call, params: Params) -> None:
    """Add members; somebody who isn't enrolled in the course is passed over."""
    for group, user_id in _checked(call, params):
        if call.site.enrolments.get(group.course_id, user_id) is not None:
            group.members[user_id] = None


def delete_group_members(call: Call, params: Params) -> None:
    """Take members out; somebody who is no member is no error."""
    for group, user_id in _checked(call, params):
        group.members.pop(user_id, None)


def get_group_members(call: Call, params: Params) -> list[dict[str, Any]]:
    """``[{"groupid", "userids"}]``."""
    groups = [_open(call, group_id) for group_id in params["groupids"]]
    return [{"groupid": group.id, "userids": sorted(group.members)} for group in groups]


def _checked(call: Call, params: Params) -> list[tuple[MoodleGroup, int]]:
    """Every row's group and person; the first bad row fails all."""
    rows = []
    for row in params["members"]:
        group = _open(call, row["groupid"])
        if call.site.people.get(row["userid"]) is None:
            raise invalid_user()
        rows.append((group, row["userid"]))
    return rows


def _open(call: Call, group_id: int) -> MoodleGroup:
    group = call.site.groups.get(group_id)
    if group is None:
        raise missing_record("groups")
    call.enter_context(call.known_context(group.course_id))
    call.require(MANAGE)
    return group
