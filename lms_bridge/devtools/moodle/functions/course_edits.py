"""New categories, new courses (all or nothing) and changed ones (a warning per bad row)."""

from __future__ import annotations

from typing import Any

from lms_bridge.devtools.moodle.facts import (
    MoodleError,
    invalid_parameter,
    missing_record,
    moodle_exception,
)
from lms_bridge.devtools.moodle.functions.call import TAG, Call, as_warning
from lms_bridge.devtools.moodle.parameters import Params

#: Fields of the form that the simulator keeps as they are.
KEPT = (
    "idnumber", "summary", "summaryformat", "format", "showgrades", "newsitems", "startdate",
    "enddate", "numsections", "maxbytes", "showreports", "visible", "groupmode", "groupmodeforce",
    "defaultgroupingid", "enablecompletion", "completionnotify", "lang", "forcetheme",
)  # fmt: skip
#: What changing a field takes besides ``moodle/course:update``.
CHANGE_CAPABILITIES = {
    "category_id": "moodle/course:changecategory",
    "fullname": "moodle/course:changefullname",
    "shortname": "moodle/course:changeshortname",
    "idnumber": "moodle/course:changeidnumber",
    "summary": "moodle/course:changesummary",
    "visible": "moodle/course:visibility",
}
DEFAULT_SECTIONS = 4
WEEK = 7 * 86_400


def create_categories(call: Call, params: Params) -> list[dict[str, Any]]:
    """``[{"id", "name"}]``"""
    catalogue = call.site.catalogue
    made = []
    for row in params["categories"]:
        if row["parent"] and row["parent"] not in catalogue.categories:
            raise moodle_exception("unknowcategory", "error/unknowcategory")
        call.require("moodle/category:manage")
        taken = {each.idnumber for each in catalogue.categories.values()} - {None, ""}
        if row.get("idnumber") in taken:
            raise moodle_exception("categoryidnumbertaken", "ID number is already used")
        made.append(catalogue.add_category(row["name"], row.get("idnumber"), row["parent"]))
    return [{"id": each.id, "name": each.name} for each in made]


def create_courses(call: Call, params: Params) -> list[dict[str, Any]]:
    """``[{"id", "shortname"}]``. Every row is checked before the first course is made."""
    seen: set[tuple[str, str]] = set()
    for row in params["courses"]:
        _check_new(call, row)
        for field in ("shortname", "idnumber"):
            key = (field, row.get(field, ""))
            if key in seen and key[1]:
                raise _taken(field, key[1])
            seen.add(key)
    return [_create(call, row) for row in params["courses"]]


def _check_new(call: Call, row: Params) -> None:
    if row["categoryid"] not in call.site.catalogue.categories:
        raise moodle_exception(
            "errorcatcontextnotvalid",
            "You cannot execute functions in the category context (category "
            f"id:{row['categoryid']}). The context error message was: "
            f"{invalid_parameter().message}",
        )
    call.require("moodle/course:create")
    _check_values(call, row, course_id=0)


def _check_values(call: Call, row: Params, course_id: int) -> None:
    for field in ("shortname", "idnumber"):
        value = row.get(field, "")
        others = call.site.catalogue.with_value(field, value) if value else []
        if any(course.id != course_id for course in others):
            raise _taken(field, value)
    for each in row.get("customfields", []):
        custom = call.site.catalogue.custom_fields.get(each["shortname"])
        if custom is not None and custom.type == "text" and TAG.search(each["value"]):
            raise MoodleError(
                "core\\invalid_persistent_exception",
                "invalidpersistenterror",
                "error/invalidpersistenterror",
            )
    if row.get("enddate") and row["enddate"] < row.get("startdate", 0):
        raise moodle_exception(
            "enddatebeforestartdate", "The course end date must be after the start date."
        )


def _ends_by_itself(row: Params) -> bool:
    """Whether a course in weeks computes its end. That is the default."""
    options = {each["name"]: each["value"] for each in row.get("courseformatoptions", [])}
    return bool(options.get("automaticenddate", "1") != "0")


def _taken(field: str, value: str) -> MoodleError:
    if field == "shortname":
        return moodle_exception(
            "shortnametaken", f"Short name is already used for another course ({value})"
        )
    return moodle_exception(
        "courseidnumbertaken", f"ID number is already used for another course ({value})"
    )


def _create(call: Call, row: Params) -> dict[str, Any]:
    values = {name: row[name] for name in KEPT if name in row}
    values.setdefault("numsections", DEFAULT_SECTIONS)
    if values["format"] == "weeks" and _ends_by_itself(row):
        values["enddate"] = values.get("startdate", 0) + values["numsections"] * WEEK
    values["customfields"] = call.site.catalogue.read_fields(row.get("customfields", []))
    course = call.site.catalogue.add_course(
        row["shortname"], row["fullname"], row["categoryid"], **values
    )
    return {"id": course.id, "shortname": course.shortname}


def update_courses(call: Call, params: Params) -> dict[str, Any]:
    """``{"warnings"}``: one per row that failed; the other rows are done."""
    warnings = []
    for row in params["courses"]:
        try:
            _update(call, row)
        except MoodleError as error:
            warnings.append(as_warning("course", row["id"], call.site.told(error)))
    return {"warnings": warnings}


def _update(call: Call, row: Params) -> None:
    course = call.course(row["id"])
    call.enter_context(course)
    call.require("moodle/course:update")
    values = {name: row[name] for name in (*KEPT, "fullname", "shortname") if name in row}
    if "categoryid" in row:
        values["category_id"] = row["categoryid"]
    for name, capability in CHANGE_CAPABILITIES.items():
        if name in values and values[name] != getattr(course, name):
            call.require(capability)
    if values.get("category_id", course.category_id) not in call.site.catalogue.categories:
        raise missing_record("course_categories")
    # The end is compared with the start that will be, as Moodle merges before it checks.
    _check_values(call, {"startdate": course.startdate} | values, course.id)
    fields = call.site.catalogue.read_fields(row.get("customfields", []))
    call.site.catalogue.change(course.id, customfields=course.customfields | fields, **values)
