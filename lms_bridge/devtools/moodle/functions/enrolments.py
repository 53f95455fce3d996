"""Rosters, somebody's courses, manual enrolment (all rows or none) and roles in courses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lms_bridge.devtools.moodle.facts import (
    ASSIGNABLE_IN_COURSES,
    MoodleError,
    invalid_parameter,
    invalid_user,
    moodle_exception,
)
from lms_bridge.devtools.moodle.functions.call import (
    Call,
    VisibleDetails,
    add_pictures,
    escaped,
    plain_fields,
    require_active_user,
    row_of,
)
from lms_bridge.devtools.moodle.parameters import Params, clean
from lms_bridge.devtools.moodle.records import MoodleCourse, MoodleEnrolment, MoodleUser

GROUP_ROW = "id name description descriptionformat"
USERS_COURSE_ROW = """id shortname fullname displayname +enrolledusercount idnumber visible summary
    summaryformat format courseimage showgrades lang enablecompletion completionhascriteria
    completionusertracked category progress completed startdate enddate marker lastaccess
    isfavourite hidden overviewfiles showactivitydates showcompletionconditions timemodified"""
PLACES = ("city", "country")
#: What a roster's row tells besides the person's own fields.
COURSE_PARTS = ("lastcourseaccess", "groups", "roles", "enrolledcourses")
SORTS: dict[str, Callable[[MoodleUser], tuple[str | int, ...]]] = {
    "id": lambda user: (user.id,),
    "firstname": lambda user: (user.firstname, user.id),
    "lastname": lambda user: (user.lastname, user.id),
    "siteorder": lambda user: (user.lastname, user.firstname, user.id),
}
COURSE_LEVEL = "course"


def active_courses(call: Call, user_id: int) -> list[MoodleCourse]:
    """The visible courses somebody is active in, as the course list sorts them."""
    catalogue = call.site.catalogue
    enrolments = (e for e in call.site.enrolments.of_user(user_id) if call.site.is_active(e))
    courses = (catalogue.get(enrolment.course_id) for enrolment in enrolments)
    visible = [course for course in courses if course is not None and course.visible]
    return sorted(visible, key=catalogue.sortorder)


def get_users_courses(call: Call, params: Params) -> list[dict[str, Any]]:
    """The courses somebody is active in, without those that the caller may not see into."""
    user = call.site.people.get(params["userid"])
    if user is None:
        raise invalid_user()
    own = user.id == call.user.id
    return [
        _users_course(call, user, course, params["returnusercount"])
        for course in active_courses(call, user.id)
        if call.may_enter(course) and (own or call.can("moodle/course:viewparticipants"))
    ]


def _users_course(
    call: Call, user: MoodleUser, course: MoodleCourse, count: bool
) -> dict[str, Any]:
    site, name = call.site, call.name(course.fullname)
    image, tracked = site.context_offset + course.id, bool(course.enablecompletion)
    made = {
        "shortname": call.name(course.shortname),
        "fullname": name,
        "displayname": name,
        "enrolledusercount": len(site.enrolments.of_course(course.id)),
        "courseimage": f"{site.wwwroot}/pluginfile.php/{image}/course/generated/course.svg",
        "showgrades": bool(course.showgrades),
        "enablecompletion": tracked,
        "completionhascriteria": bool(site.completions.criteria(course.id)),
        "completionusertracked": tracked,
        "category": course.category_id,
        "progress": None,
        "completed": site.completions.progress(course.id, user.id).completed_at is not None,
        "marker": 0,
        "lastaccess": None,
        "isfavourite": False,
        "hidden": False,
        "overviewfiles": [],
        "showactivitydates": True,
        "showcompletionconditions": True,
    }
    return row_of(course, USERS_COURSE_ROW, made, guarded=count)


def get_enrolled_users(call: Call, params: Params) -> list[dict[str, Any]]:
    """A course's roster. Unknown options are passed over; nothing tells who is suspended."""
    options = {row["name"]: row["value"] for row in params["options"]}
    course = call.course(params["courseid"])
    call.enter_context(course)
    chosen = _chosen(call, course, options)
    users = [(call.site.people.get(enrolment.user_id), enrolment) for enrolment in chosen]
    present = [(user, enrolment) for user, enrolment in users if user is not None]
    _sort(present, options)
    start = _number_option(options, "limitfrom")
    count = _number_option(options, "limitnumber")
    page = present[start : start + count] if count else present[start:]
    return _roster_rows(call, course, page, options.get("userfields"))


def _number_option(options: dict[str, str], name: str) -> int:
    return int(clean("int", options.get(name, "0")))


def _chosen(call: Call, course: MoodleCourse, options: dict[str, str]) -> list[MoodleEnrolment]:
    """The enrolments that the filters leave. ``withcapability`` is passed over."""
    active, suspended = (
        _number_option(options, "onlyactive"),
        _number_option(options, "onlysuspended"),
    )
    group_id = _number_option(options, "groupid")
    if group_id:
        call.require("moodle/site:accessallgroups")
    if active or suspended:
        call.require("moodle/course:enrolreview")
    if active and suspended:
        raise MoodleError(
            "core\\exception\\coding_exception",
            "codingerror",
            "Coding error detected, it must be fixed by a programmer: Both onlyactive and "
            "onlysuspended are set, this is probably not what you want!",
        )
    enrolments = call.site.enrolments.of_course(course.id)
    if active or suspended:
        enrolments = [e for e in enrolments if call.site.is_active(e) == bool(active)]
    if group_id:
        group = call.site.groups.get(group_id)
        members = {} if group is None else group.members
        enrolments = [e for e in enrolments if e.user_id in members]
    return enrolments


def _sort(rows: list[tuple[MoodleUser, MoodleEnrolment]], options: dict[str, str]) -> None:
    sort, direction = options.get("sortby", "id"), options.get("sortdirection", "ASC").upper()
    if sort not in SORTS or direction not in ("ASC", "DESC"):
        raise invalid_parameter()
    key = SORTS[sort]
    rows.sort(key=lambda row: key(row[0]), reverse=direction == "DESC")


def _roster_rows(
    call: Call,
    course: MoodleCourse,
    page: list[tuple[MoodleUser, MoodleEnrolment]],
    userfields: str | None,
) -> list[dict[str, Any]]:
    sight = VisibleDetails.of(call, in_course=True)
    requested = frozenset(userfields.split(",")) if userfields else None
    seen = [(user, enrolment) for user, enrolment in page if sight.sees(user)]
    if not seen:
        return []
    fields = sight.fields(requested, middle=())
    before = tuple(name for name in fields if name not in PLACES)
    after = tuple(name for name in fields if name in PLACES)
    wants = {name for name in COURSE_PARTS if requested is None or name in requested}
    if call.site.hides_visits and not call.can("moodle/course:viewhiddenuserfields"):
        wants.discard("lastcourseaccess")
    groups = call.site.groups.of_course(course.id) if "groups" in wants else []
    answer = []
    for user, enrolment in seen:
        row = plain_fields(user, before)
        if "lastcourseaccess" in wants:
            row["lastcourseaccess"] = enrolment.lastaccess
        row |= plain_fields(user, after)
        add_pictures(row, sight, requested)
        if own_groups := [group for group in groups if user.id in group.members]:
            row["groups"] = [row_of(group, GROUP_ROW, {}) for group in own_groups]
        if "roles" in wants:
            row["roles"] = [_role(call, role_id) for role_id in enrolment.roles]
        if "enrolledcourses" in wants:
            row["enrolledcourses"] = [_enrolled_course(c) for c in active_courses(call, user.id)]
        answer.append(row)
    return answer


def _role(call: Call, role_id: int) -> dict[str, Any]:
    shortname = call.site.roles.get(role_id, "")
    return {"roleid": role_id, "name": "", "shortname": shortname, "sortorder": 0}


def _enrolled_course(course: MoodleCourse) -> dict[str, Any]:
    """Escaped even for callers who ask for raw names: a page's formatting, not the service's."""
    return {
        "id": course.id,
        "fullname": escaped(course.fullname),
        "shortname": escaped(course.shortname),
    }


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
        _check_enrolment(call, row, "enrol/manual:enrol")
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
        _check_enrolment(call, row, "enrol/manual:unenrol")
    for row in params["enrolments"]:
        call.site.unenrol(row["courseid"], row["userid"])


def _check_enrolment(call: Call, row: Params, capability: str) -> None:
    course: MoodleCourse = call.known_context(row["courseid"])
    call.enter(course)
    call.require(capability)
    enrols = capability == "enrol/manual:enrol"
    if enrols:
        _check_account(call, row["userid"])
        _check_role(call, course, row)
    if not course.manual_enrolment or (enrols and not course.manual_enabled):
        raise moodle_exception(
            "wsnoinstance",
            "Manual enrolment plugin instance doesn't exist or is disabled for the course "
            f"(id = {course.id})",
        )
    if not enrols:
        _check_account(call, row["userid"])


def _check_role(call: Call, course: MoodleCourse, row: Params) -> None:
    role_id, user_id = row.get("roleid"), row["userid"]
    if not may_assign(call, role_id or 0):
        raise moodle_exception(
            "wsusercannotassign",
            f"You don't have the permission to assign this role ({role_id}) to this user "
            f"({user_id}) in this course ({course.id}).",
        )


def _check_account(call: Call, user_id: int) -> None:
    user = call.site.people.get(user_id)
    if call.site.unknown_account != "invaliduser":  # before Moodle 4.5
        if user is None or user.deleted:
            raise moodle_exception(call.site.unknown_account, "User does not exist")
        return
    if user is None:
        raise invalid_user()
    require_active_user(user)


def assign_roles(call: Call, params: Params) -> None:
    """Give roles in courses. Somebody not enrolled is passed over: a role alone is no enrolment."""
    rows = [(_checked_role(call, row), row["roleid"]) for row in params["assignments"]]
    for enrolment, role_id in rows:
        if enrolment is not None and role_id not in enrolment.roles:
            enrolment.roles.append(role_id)


def unassign_roles(call: Call, params: Params) -> None:
    """Take roles in courses; somebody who hasn't the role is no error."""
    rows = [(_checked_role(call, row), row["roleid"]) for row in params["unassignments"]]
    for enrolment, role_id in rows:
        if enrolment is not None and role_id in enrolment.roles:
            enrolment.roles.remove(role_id)


def _checked_role(call: Call, row: Params) -> MoodleEnrolment | None:
    course = _role_course(call, row)
    call.enter_context(course)
    call.require("moodle/role:assign")
    if not may_assign(call, row["roleid"]):
        raise invalid_parameter()
    return call.site.enrolments.get(course.id, row["userid"])


def _role_course(call: Call, row: Params) -> MoodleCourse:
    """The course, by its context's id or as ``contextlevel=course&instanceid=…``."""
    if "contextid" in row:
        return call.known_context(row["contextid"] - call.site.context_offset)
    if row.get("contextlevel") != COURSE_LEVEL or "instanceid" not in row:
        raise invalid_parameter()
    return call.known_context(row["instanceid"])
