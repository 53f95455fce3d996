"""Categories and courses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lms_bridge.devtools.moodle.facts import (
    COURSE_FILTERS,
    MoodleError,
    invalid_parameter,
    moodle_exception,
)
from lms_bridge.devtools.moodle.functions.call import Call, row_of
from lms_bridge.devtools.moodle.parameters import Params
from lms_bridge.devtools.moodle.records import SITE_COURSE, MoodleCategory, MoodleCourse

EDIT = "moodle/course:update"
MANAGE = "moodle/category:manage"
CATEGORY_CRITERIA = ("id", "ids", "name", "parent", "idnumber", "visible", "theme")
FIELDS = {"id": "id", "category": "category_id", "shortname": "shortname", "idnumber": "idnumber"}
#: What the functions answer, in Moodle's order. A plus marks what only those get who may edit.
CATEGORY_ROW = """id name +idnumber description descriptionformat parent sortorder coursecount
    +visible +visibleold +timemodified depth path +theme"""
COURSE_ROW = """id shortname categoryid +categorysortorder fullname displayname +idnumber summary
    summaryformat format +showgrades +newsitems startdate enddate +numsections +maxbytes
    +showreports +visible +hiddensections +groupmode +groupmodeforce +defaultgroupingid
    +timecreated +timemodified +enablecompletion +completionnotify +lang +forcetheme
    +courseformatoptions showactivitydates showcompletionconditions customfields"""
PUBLIC_ROW = """id fullname displayname shortname courseimage categoryid categoryname sortorder
    summary summaryformat summaryfiles overviewfiles showactivitydates showcompletionconditions
    contacts enrollmentmethods customfields"""
ENTERED_ROW = """ +idnumber format showgrades newsitems startdate enddate maxbytes showreports
    visible groupmode groupmodeforce defaultgroupingid enablecompletion completionnotify lang theme
    marker +legacyfiles +calendartype +timecreated +timemodified +requested +cacherev filters
    +courseformatoptions"""
NO_ACCESS = "No access rights in course context"


def get_categories(call: Call, params: Params) -> list[dict[str, Any]]:
    """All categories, or those that match ``criteria``; more fields for those who manage them."""
    requested = {row["key"]: row["value"] for row in params["criteria"]}
    if not requested.keys() <= set(CATEGORY_CRITERIA):
        raise invalid_parameter()
    if "idnumber" in requested and not call.can(MANAGE):
        raise moodle_exception("criteriaerror", "Missing permissions to search on a criteria.")
    counts = dict(call.site.catalogue.stale_counts)
    for course in call.site.catalogue:
        counts[course.category_id] = counts.get(course.category_id, 0) + 1
    found = [
        category
        for category in call.site.catalogue.categories.values()
        if all(_matches(category, key, value) for key, value in requested.items())
        and (category.visible or call.can("moodle/category:viewhiddencategories"))
    ]
    return [_category(call, category, counts.get(category.id, 0)) for category in found]


def _matches(category: MoodleCategory, key: str, value: str) -> bool:
    if key == "ids":
        return str(category.id) in value.split(",")
    actual = {"theme": "", "visible": int(category.visible)}.get(key, getattr(category, key, None))
    return str(actual) == value


def _category(call: Call, category: MoodleCategory, course_count: int) -> dict[str, Any]:
    visible = int(category.visible)
    made = {
        "name": call.name(category.name),
        "description": "",
        "descriptionformat": category.descriptionformat,
        "coursecount": course_count,
        "visible": visible,
        "visibleold": visible,
        "depth": 1,
        "path": f"/{category.id}",
        "theme": "",
    }
    return row_of(category, CATEGORY_ROW, made, guarded=call.can(MANAGE))


def get_courses(call: Call, params: Params) -> list[dict[str, Any]]:
    """All courses, or those of ``options[ids]`` that exist; one that is closed fails the call."""
    ids = params["options"].get("ids")
    catalogue = call.site.catalogue
    if ids is None:
        chosen = list(catalogue)
    else:
        found = (catalogue.get(course_id) for course_id in sorted(set(ids)))
        chosen = [course for course in found if course is not None]
    answer = []
    for course in chosen:
        call.enter_context(course)
        answer.append(_course_row(call, course))
    return answer


def _course_row(call: Call, course: MoodleCourse) -> dict[str, Any]:
    is_site = course.id == SITE_COURSE
    options = {"numsections": 1} if is_site else {"hiddensections": 1, "coursedisplay": 0}
    made = _names(call, course) | {
        "categorysortorder": call.site.catalogue.sortorder(course),
        "hiddensections": 0 if is_site else 1,
        "courseformatoptions": _format_options(options),
    }
    return row_of(course, COURSE_ROW, made, guarded=call.can(EDIT))


def _names(call: Call, course: MoodleCourse) -> dict[str, Any]:
    name, is_site = call.name(course.fullname), course.id == SITE_COURSE
    return {
        "shortname": call.name(course.shortname),
        "categoryid": course.category_id,
        "fullname": name,
        "displayname": name,
        "summary": call.text(course.summary),
        "showactivitydates": not is_site,
        "showcompletionconditions": None if is_site else True,
        "customfields": call.site.catalogue.shown_fields(course),
    }


def _format_options(options: Mapping[str, int | str]) -> list[dict[str, int | str]]:
    return [{"name": name, "value": value} for name, value in options.items()]


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
    rows = [_listed_course(call, course) for course in chosen if _is_listed(call, course)]
    return {"courses": rows, "warnings": warnings}


def _number(text: str) -> int:
    digits = re.match(r"\s*-?\d+", text)
    return int(digits.group()) if digits else 0


def _by_ids(call: Call, value: str, warnings: list[dict[str, Any]]) -> list[MoodleCourse]:
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


def _is_listed(call: Call, course: MoodleCourse) -> bool:
    """Hidden courses are only for those who may see them; others are public."""
    return bool(course.visible) or call.can("moodle/course:viewhiddencourses")


def _has_manual(course: MoodleCourse) -> bool:
    """Methods that are not enabled are not told."""
    return course.manual_enrolment and course.manual_enabled


def _listed_course(call: Call, course: MoodleCourse) -> dict[str, Any]:
    site, is_site = call.site, course.id == SITE_COURSE
    category = site.catalogue.categories.get(course.category_id)
    context = 2 if is_site else site.context_offset + course.id
    options: dict[str, int | str] = {"hiddensections": 1, "coursedisplay": 0, "indentation": "1"}
    made = _names(call, course) | {
        "courseimage": f"{site.wwwroot}/pluginfile.php/{context}/course/generated/course.svg",
        "categoryname": "" if category is None else call.name(category.name),
        "sortorder": site.catalogue.sortorder(course),
        "summaryfiles": [],
        "overviewfiles": [],
        "contacts": [],
        "enrollmentmethods": ["manual"] if _has_manual(course) and not is_site else [],
        "theme": course.forcetheme,
        "marker": 0,
        "legacyfiles": 0,
        "calendartype": "",
        "requested": 0,
        "filters": [
            {"filter": name, "localstate": 0, "inheritedstate": 1}
            for name in (*COURSE_FILTERS, *site.more_filters)
        ],
        "courseformatoptions": _format_options(options),
    }
    names = PUBLIC_ROW + ENTERED_ROW if call.may_enter(course) else PUBLIC_ROW
    return row_of(course, names, made, guarded=call.can(EDIT))
