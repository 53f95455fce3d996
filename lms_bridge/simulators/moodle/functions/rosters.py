"""Who is in a course."""

from collections.abc import Callable
from typing import Any

from lms_bridge.simulators.moodle.errors import MoodleError, invalid_parameter
from lms_bridge.simulators.moodle.facts import ROLES
from lms_bridge.simulators.moodle.site.records import Course, Enrolment, Group, User
from lms_bridge.simulators.moodle.wire.cleaning import clean
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call, escaped
from .details import Sight, add_pictures, plain
from .users_courses import active_courses

PLACES = ("city", "country")
#: What a roster's row tells besides the person's own fields.
COURSE_PARTS = ("lastcourseaccess", "groups", "roles", "enrolledcourses")
SORTS: dict[str, Callable[[User], tuple[str | int, ...]]] = {
    "id": lambda user: (user.id,),
    "firstname": lambda user: (user.firstname, user.id),
    "lastname": lambda user: (user.lastname, user.id),
    "siteorder": lambda user: (user.lastname, user.firstname, user.id),
}


def get_enrolled_users(call: Call, params: Params) -> list[dict[str, Any]]:
    """A course's roster. Unknown options are passed over; nothing tells who is suspended."""
    options = {row["name"]: row["value"] for row in params["options"]}
    course = call.course(params["courseid"])
    call.enter_context(course)
    chosen = _chosen(call, course, options)
    users = [(call.site.people.get(enrolment.user_id), enrolment) for enrolment in chosen]
    present = [(user, enrolment) for user, enrolment in users if user is not None]
    _sort(present, options)
    start = _int(options, "limitfrom")
    count = _int(options, "limitnumber")
    page = present[start : start + count] if count else present[start:]
    return _rows(call, course, page, options.get("userfields"))


def _int(options: dict[str, str], name: str) -> int:
    return int(clean("int", options.get(name, "0")))


def _chosen(call: Call, course: Course, options: dict[str, str]) -> list[Enrolment]:
    """The enrolments that the filters leave. ``withcapability`` is passed over."""
    active, suspended = _int(options, "onlyactive"), _int(options, "onlysuspended")
    group_id = _int(options, "groupid")
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
        now = call.site.now()
        enrolments = [e for e in enrolments if e.is_active(now) == bool(active)]
    if group_id:
        group = call.site.groups.get(group_id)
        members = {} if group is None else group.members
        enrolments = [e for e in enrolments if e.user_id in members]
    return enrolments


def _sort(rows: list[tuple[User, Enrolment]], options: dict[str, str]) -> None:
    sort, direction = options.get("sortby", "id"), options.get("sortdirection", "ASC").upper()
    if sort not in SORTS or direction not in ("ASC", "DESC"):
        raise invalid_parameter()
    key = SORTS[sort]
    rows.sort(key=lambda row: key(row[0]), reverse=direction == "DESC")


def _rows(
    call: Call, course: Course, page: list[tuple[User, Enrolment]], userfields: str | None
) -> list[dict[str, Any]]:
    sight = Sight.of(call, in_course=True)
    wanted = frozenset(userfields.split(",")) if userfields else None
    seen = [(user, enrolment) for user, enrolment in page if sight.sees(user)]
    if not seen:
        return []
    fields = sight.fields(wanted, middle=())
    before = tuple(name for name in fields if name not in PLACES)
    after = tuple(name for name in fields if name in PLACES)
    wants = {name for name in COURSE_PARTS if wanted is None or name in wanted}
    groups = call.site.groups.of_course(course.id) if "groups" in wants else []
    answer = []
    for user, enrolment in seen:
        row = plain(user, before)
        if "lastcourseaccess" in wants:
            row["lastcourseaccess"] = enrolment.lastaccess
        row |= plain(user, after)
        add_pictures(row, sight, wanted)
        if own_groups := [group for group in groups if user.id in group.members]:
            row["groups"] = [_group(group) for group in own_groups]
        if "roles" in wants:
            row["roles"] = [_role(role_id) for role_id in enrolment.roles]
        if "enrolledcourses" in wants:
            row["enrolledcourses"] = [_course(c) for c in active_courses(call, user.id)]
        answer.append(row)
    return answer


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "descriptionformat": group.descriptionformat,
    }


def _role(role_id: int) -> dict[str, Any]:
    return {"roleid": role_id, "name": "", "shortname": ROLES.get(role_id, ""), "sortorder": 0}


def _course(course: Course) -> dict[str, Any]:
    """Escaped even for callers who ask for raw names: a page's formatting, not the service's."""
    return {
        "id": course.id,
        "fullname": escaped(course.fullname),
        "shortname": escaped(course.shortname),
    }
