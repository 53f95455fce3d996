"""Courses by a field: the function that leaves out in silence what the caller may not see."""

import re
from typing import Any

from lms_bridge.simulators.moodle import facts
from lms_bridge.simulators.moodle.errors import MoodleError, invalid_parameter
from lms_bridge.simulators.moodle.site.records import SITE_COURSE, Course
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call
from .custom_fields import show_all

FIELDS = {"id": "id", "category": "category_id", "shortname": "shortname", "idnumber": "idnumber"}
NO_ACCESS = "No access rights in course context"


def get_courses_by_field(call: Call, params: Params) -> dict[str, Any]:
    """``{"courses", "warnings"}`` for no field (all), id, ids, shortname, idnumber or category."""
    field, value = params["field"], params["value"]
    warnings: list[dict[str, Any]] = []
    if field == "":
        chosen = list(call.site.catalogue)
    elif field == "ids":
        chosen = _by_ids(call, value, warnings)
    elif field in FIELDS:
        number = field in ("id", "category")
        key: str | int = _number(value) if number else value
        chosen = call.site.catalogue.with_value(FIELDS[field], key)
    else:
        raise invalid_parameter()
    rows = [_row(call, course) for course in chosen if _is_listed(call, course)]
    return {"courses": rows, "warnings": warnings}


def _number(text: str) -> int:
    digits = re.match(r"\s*-?\d+", text)
    return int(digits.group()) if digits else 0


def _by_ids(call: Call, value: str, warnings: list[dict[str, Any]]) -> list[Course]:
    """The courses that may be entered; a warning for each other; a crash for an unknown one."""
    chosen = []
    for digits in filter(None, re.sub(r"[^0-9,]", "", value).split(",")):
        course = call.site.catalogue.get(int(digits))
        if course is None:
            message = 'Attempt to assign property "contextvalidated" on null'
            raise MoodleError("Error", None, message)
        if call.may_enter(course):
            chosen.append(course)
        else:
            warnings.append(
                {"item": "course", "itemid": course.id, "warningcode": "1", "message": NO_ACCESS}
            )
    return chosen


def _is_listed(call: Call, course: Course) -> bool:
    """Hidden courses are only for those who may see them; others are public."""
    return bool(course.visible) or call.can("moodle/course:viewhiddencourses")


def _row(call: Call, course: Course) -> dict[str, Any]:
    row = _public(call, course)
    if not call.may_enter(course):
        return row
    updates = call.can("moodle/course:update")
    if updates:
        row["idnumber"] = course.idnumber
    row |= _for_visitors(course)
    if updates:
        row |= {
            "legacyfiles": 0,
            "calendartype": "",
            "timecreated": course.timecreated,
            "timemodified": course.timemodified,
            "requested": 0,
            "cacherev": course.cacherev,
        }
    row["filters"] = [
        {"filter": name, "localstate": 0, "inheritedstate": 1} for name in facts.COURSE_FILTERS
    ]
    if updates:
        options = {"hiddensections": 1, "coursedisplay": 0, "indentation": "1"}
        row["courseformatoptions"] = [{"name": k, "value": v} for k, v in options.items()]
    return row


def _public(call: Call, course: Course) -> dict[str, Any]:
    site, is_site = call.site, course.id == SITE_COURSE
    category = site.catalogue.categories.get(course.category_id)
    name = call.name(course.fullname)
    context = 2 if is_site else site.context_offset + course.id
    return {
        "id": course.id,
        "fullname": name,
        "displayname": name,
        "shortname": call.name(course.shortname),
        "courseimage": f"{site.wwwroot}/pluginfile.php/{context}/course/generated/course.svg",
        "categoryid": course.category_id,
        "categoryname": "" if category is None else call.name(category.name),
        "sortorder": site.catalogue.sortorder(course),
        "summary": course.summary,
        "summaryformat": course.summaryformat,
        "summaryfiles": [],
        "overviewfiles": [],
        "showactivitydates": not is_site,
        "showcompletionconditions": None if is_site else True,
        "contacts": [],
        "enrollmentmethods": [] if is_site else ["manual"],
        "customfields": show_all(call, course),
    }


def _for_visitors(course: Course) -> dict[str, Any]:
    return {
        "format": course.format,
        "showgrades": course.showgrades,
        "newsitems": course.newsitems,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "maxbytes": course.maxbytes,
        "showreports": course.showreports,
        "visible": course.visible,
        "groupmode": course.groupmode,
        "groupmodeforce": course.groupmodeforce,
        "defaultgroupingid": course.defaultgroupingid,
        "enablecompletion": course.enablecompletion,
        "completionnotify": course.completionnotify,
        "lang": course.lang,
        "theme": course.forcetheme,
        "marker": 0,
    }
