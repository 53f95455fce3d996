"""A course's grades, of everybody or of one person, and how far one person is."""

from __future__ import annotations

from typing import Any

from lms_bridge.devtools.moodle.facts import STUDENT, invalid_user, moodle_exception
from lms_bridge.devtools.moodle.functions.call import Call, require_active_user
from lms_bridge.devtools.moodle.parameters import Params
from lms_bridge.devtools.moodle.records import (
    Completion,
    Criterion,
    Grade,
    GradeItem,
    MoodleCourse,
    MoodleUser,
)

NOT_ENROLLED = "User is not enrolled in this course"


def get_grade_items(call: Call, params: Params) -> dict[str, Any]:
    """``{"usergrades", "warnings"}``. Everybody means: active, with the student's role."""
    course = call.course(params["courseid"])
    call.enter(course)
    call.require("gradereport/user:view")
    user_id, group_id = params["userid"], params["groupid"]
    if user_id:
        user = call.site.people.get(user_id)
        if user is None:
            raise invalid_user()
        require_active_user(user)
        if user_id != call.user.id and not call.can("moodle/grade:viewall"):
            raise moodle_exception(
                "nopermissiontoviewgrades", "You do not have permission to view grades."
            )
        people = [user]
    else:
        call.require("moodle/grade:viewall")
        people = _gradable(call, course, group_id)
    return {"usergrades": [_report(call, course, user) for user in people], "warnings": []}


def _gradable(call: Call, course: MoodleCourse, group_id: int) -> list[MoodleUser]:
    group = call.site.groups.get(group_id) if group_id else None
    members = None if group is None else group.members
    people = [
        call.site.people.get(enrolment.user_id)
        for enrolment in call.site.enrolments.of_course(course.id)
        if call.site.is_active(enrolment)
        and STUDENT in enrolment.roles
        and (members is None or enrolment.user_id in members)
    ]
    return [user for user in people if user is not None]


def _report(call: Call, course: MoodleCourse, user: MoodleUser) -> dict[str, Any]:
    items = call.site.gradebook.items(course.id)
    total_id = call.site.gradebook.total_id(course.id)
    hidden_at = call.site.gradebook.total_hidden_at(course.id)
    has_total = call.site.gradebook.has_total(course.id)
    highest = sum(item.grademax for item in items) if has_total else 0.0
    rows = [_manual(item, user.id, total_id, highest) for item in items]
    if has_total and (hidden_at is None or call.can("moodle/grade:viewhidden")):
        rows.append(_total(items, user.id, total_id, hidden_at))
    return {
        "courseid": course.id,
        "courseidnumber": course.idnumber,
        "userid": user.id,
        "userfullname": user.fullname,
        "useridnumber": user.idnumber,
        "maxdepth": 2,
        "gradeitems": rows,
    }


def _manual(item: GradeItem, user_id: int, category_id: int, highest: float) -> dict[str, Any]:
    grade = item.grades.get(user_id)
    head = _head(item.id, item.name, "manual", None, 0, item.idnumber, category_id)
    weight: dict[str, Any] = {}
    if grade is None and item.regraded:
        weight = {"weightraw": 0, "weightformatted": "0.00 %", "status": "novalue"}
    elif grade is not None:
        share = item.grademax / highest if highest else 0.0
        weight = {"weightraw": _number(share), "weightformatted": f"{share * 100:.2f} %"}
    return head | weight | _grade(grade, item.grademin, item.grademax, 0)


def _total(
    items: list[GradeItem], user_id: int, total_id: int, hidden_at: int | None
) -> dict[str, Any]:
    """The sum of what was graded, out of what it could have been, as the natural total is."""
    graded = [(item, item.grades[user_id]) for item in items if user_id in item.grades]
    highest = sum(item.grademax for item, _ in graded) if graded else 0.0
    total = None
    if graded:
        latest = max(hidden_at or 0, *(grade.graded_at for _, grade in graded))
        total = Grade(sum(grade.raw for _, grade in graded), latest)
    else:
        highest = sum(item.grademax for item in items)
    head = _head(total_id, None, "course", total_id, None, None, None)
    shown = _grade(total, 0.0, highest, 0 if total is None else 2)
    return head | shown | {"gradeishidden": hidden_at is not None}


def _head(
    item_id: int,
    name: str | None,
    kind: str,
    instance: int | None,
    number: int | None,
    idnumber: str | None,
    category_id: int | None,
) -> dict[str, Any]:
    return {
        "id": item_id,
        "itemname": name,
        "itemtype": kind,
        "itemmodule": None,
        "iteminstance": instance,
        "itemnumber": number,
        "idnumber": idnumber,
        "categoryid": category_id,
        "outcomeid": None,
        "scaleid": None,
        "locked": False,
    }


def _grade(grade: Grade | None, low: float, high: float, feedbackformat: int) -> dict[str, Any]:
    share = None if grade is None or high <= low else (grade.raw - low) / (high - low)
    return {
        "graderaw": None if grade is None else _number(grade.raw),
        "gradedatesubmitted": None,
        "gradedategraded": None if grade is None else grade.graded_at,
        "gradehiddenbydate": False,
        "gradeneedsupdate": False,
        "gradeishidden": False,
        "gradeislocked": False,
        "gradeisoverridden": False,
        "gradeformatted": "-" if grade is None else f"{grade.raw:.2f}",
        "grademin": _number(low),
        "grademax": _number(high),
        "rangeformatted": f"{_number(low)}&ndash;{_number(high)}",
        "percentageformatted": "-" if share is None else f"{share * 100:.2f} %",
        "feedback": "",
        "feedbackformat": feedbackformat,
    }


def _number(value: float) -> float | int:
    """PHP writes a whole number without its fraction."""
    return int(value) if float(value).is_integer() else value


def get_course_completion_status(call: Call, params: Params) -> dict[str, Any]:
    """``{"completionstatus": {"completed", "aggregation", "completions"}, "warnings"}``."""
    course = call.course(params["courseid"])
    user = call.site.people.get(params["userid"])
    if user is None:
        raise invalid_user()
    require_active_user(user)
    call.enter(course)
    if user.id != call.user.id and not call.can("report/completion:view"):
        raise moodle_exception("cannotviewreport", "You can not view this report")
    enrolment = call.site.enrolments.get(course.id, user.id)
    tracked = enrolment is not None and STUDENT in enrolment.roles
    if enrolment is None or not tracked or not call.site.is_active(enrolment):
        raise moodle_exception("usernotenroled", NOT_ENROLLED)
    criteria = call.site.completions.criteria(course.id)
    if not criteria:
        raise moodle_exception("nocriteriaset", "No completion criteria set for this course")
    progress = call.site.completions.progress(course.id, user.id)
    status = {
        "completed": progress.completed_at is not None,
        "aggregation": call.site.completions.aggregation(course.id),
        "completions": [_criterion(criterion, progress) for criterion in criteria],
    }
    return {"completionstatus": status, "warnings": []}


def _criterion(criterion: Criterion, progress: Completion) -> dict[str, Any]:
    met_at = progress.met.get(criterion.id)
    return {
        "type": criterion.type,
        "title": criterion.title,
        "status": criterion.status or ("No" if met_at is None else "Yes"),
        "complete": met_at is not None,
        "timecompleted": met_at,
        "details": {
            "type": criterion.title,
            "criteria": criterion.detail or criterion.title,
            "requirement": criterion.requirement,
            "status": "",
        },
    }
