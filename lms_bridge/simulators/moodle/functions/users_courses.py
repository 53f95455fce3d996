"""Which courses somebody is in."""

from typing import Any

from lms_bridge.simulators.moodle.errors import invalid_user
from lms_bridge.simulators.moodle.site.records import Course, User
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call


def active_courses(call: Call, user_id: int) -> list[Course]:
    """The visible courses somebody is active in, as the course list sorts them."""
    catalogue, now = call.site.catalogue, call.site.now()
    enrolments = (e for e in call.site.enrolments.of_user(user_id) if e.is_active(now))
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


def _users_course(call: Call, user: User, course: Course, count: bool) -> dict[str, Any]:
    site, name = call.site, call.name(course.fullname)
    row: dict[str, Any] = {"id": course.id, "shortname": call.name(course.shortname)}
    row |= {"fullname": name, "displayname": name}
    if count:
        row["enrolledusercount"] = len(site.enrolments.of_course(course.id))
    image = site.context_offset + course.id
    done = site.completions.progress(course.id, user.id).completed_at is not None
    return row | {
        "idnumber": course.idnumber,
        "visible": course.visible,
        "summary": course.summary,
        "summaryformat": course.summaryformat,
        "format": course.format,
        "courseimage": f"{site.wwwroot}/pluginfile.php/{image}/course/generated/course.svg",
        "showgrades": bool(course.showgrades),
        "lang": course.lang,
        "enablecompletion": bool(course.enablecompletion),
        "completionhascriteria": bool(site.completions.criteria(course.id)),
        "completionusertracked": bool(course.enablecompletion),
        "category": course.category_id,
        "progress": None,
        "completed": done,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "marker": 0,
        "lastaccess": None,
        "isfavourite": False,
        "hidden": False,
        "overviewfiles": [],
        "showactivitydates": True,
        "showcompletionconditions": True,
        "timemodified": course.timemodified,
    }
