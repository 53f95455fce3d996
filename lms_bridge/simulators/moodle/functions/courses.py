"""Categories, and courses by ids."""

from typing import Any

from lms_bridge.simulators.moodle.errors import invalid_parameter
from lms_bridge.simulators.moodle.site.records import SITE_COURSE, Category, Course
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call
from .custom_fields import show_all

CATEGORY_CRITERIA = ("id", "ids", "name", "parent", "idnumber", "visible", "theme")


def get_categories(call: Call, params: Params) -> list[dict[str, Any]]:
    """All categories, or those that match ``criteria``; more fields for those who manage them."""
    wanted = {row["key"]: row["value"] for row in params["criteria"]}
    if not wanted.keys() <= set(CATEGORY_CRITERIA):
        raise invalid_parameter()
    counts: dict[int, int] = {}
    for course in call.site.catalogue:
        counts[course.category_id] = counts.get(course.category_id, 0) + 1
    found = [
        category
        for category in call.site.catalogue.categories.values()
        if all(_matches(category, key, value) for key, value in wanted.items())
        and (category.visible or call.can("moodle/category:viewhiddencategories"))
    ]
    return [_category(call, category, counts.get(category.id, 0)) for category in found]


def _matches(category: Category, key: str, value: str) -> bool:
    if key == "ids":
        return str(category.id) in value.split(",")
    actual = {"parent": 0, "theme": "", "visible": int(category.visible)}.get(
        key, getattr(category, key, None)
    )
    return str(actual) == value


def _category(call: Call, category: Category, course_count: int) -> dict[str, Any]:
    manages = call.can("moodle/category:manage")
    visible = int(category.visible)
    row: dict[str, Any] = {"id": category.id, "name": call.name(category.name)}
    if manages:
        row["idnumber"] = category.idnumber
    row |= {"description": "", "descriptionformat": 1, "parent": 0}
    row |= {"sortorder": category.sortorder, "coursecount": course_count}
    if manages:
        row |= {"visible": visible, "visibleold": visible, "timemodified": category.timemodified}
    row |= {"depth": 1, "path": f"/{category.id}"}
    if manages:
        row["theme"] = ""
    return row


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
        answer.append(_course(call, course))
    return answer


def _course(call: Call, course: Course) -> dict[str, Any]:
    updates = call.can("moodle/course:update")
    is_site = course.id == SITE_COURSE
    row: dict[str, Any] = {
        "id": course.id,
        "shortname": call.name(course.shortname),
        "categoryid": course.category_id,
    }
    if updates:
        row["categorysortorder"] = call.site.catalogue.sortorder(course)
    row["fullname"] = row["displayname"] = call.name(course.fullname)
    if updates:
        row["idnumber"] = course.idnumber
    row |= {"summary": course.summary, "summaryformat": course.summaryformat}
    row["format"] = course.format
    if updates:
        row |= {"showgrades": course.showgrades, "newsitems": course.newsitems}
    row |= {"startdate": course.startdate, "enddate": course.enddate}
    if updates:
        row |= _for_editors(course, is_site)
    row |= {
        "showactivitydates": not is_site,
        "showcompletionconditions": None if is_site else True,
        "customfields": show_all(call, course),
    }
    return row


def _for_editors(course: Course, is_site: bool) -> dict[str, Any]:
    sections = {"name": "numsections", "value": 1}
    hidden = {"name": "hiddensections", "value": 1}
    return {
        "numsections": course.numsections,
        "maxbytes": course.maxbytes,
        "showreports": course.showreports,
        "visible": course.visible,
        "hiddensections": 0 if is_site else 1,
        "groupmode": course.groupmode,
        "groupmodeforce": course.groupmodeforce,
        "defaultgroupingid": course.defaultgroupingid,
        "timecreated": course.timecreated,
        "timemodified": course.timemodified,
        "enablecompletion": course.enablecompletion,
        "completionnotify": course.completionnotify,
        "lang": course.lang,
        "forcetheme": course.forcetheme,
        "courseformatoptions": (
            [sections] if is_site else [hidden, {"name": "coursedisplay", "value": 0}]
        ),
    }
