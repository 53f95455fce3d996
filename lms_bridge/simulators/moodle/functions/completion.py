"""How far one person is in a course."""

from typing import Any

from lms_bridge.simulators.moodle.errors import invalid_user, moodle_exception
from lms_bridge.simulators.moodle.facts import STUDENT
from lms_bridge.simulators.moodle.site.records import Completion, Criterion
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call

NOT_ENROLLED = "User is not enrolled in this course"


def get_course_completion_status(call: Call, params: Params) -> dict[str, Any]:
    """``{"completionstatus": {"completed", "aggregation", "completions"}, "warnings"}``."""
    course = call.course(params["courseid"])
    user = call.site.people.get(params["userid"])
    if user is None:
        raise invalid_user()
    call.enter(course)
    if user.id != call.user.id and not call.can("report/completion:view"):
        raise moodle_exception("cannotviewreport", "You can not view this report")
    enrolment = call.site.enrolments.get(course.id, user.id)
    tracked = enrolment is not None and STUDENT in enrolment.roles
    if enrolment is None or not tracked or not enrolment.is_active(call.site.now()):
        raise moodle_exception("usernotenroled", NOT_ENROLLED)
    criteria = call.site.completions.criteria(course.id)
    if not criteria:
        raise moodle_exception("nocriteriaset", "No completion criteria set for this course")
    progress = call.site.completions.progress(course.id, user.id)
    status = {
        "completed": progress.completed_at is not None,
        "aggregation": 1,
        "completions": [_criterion(criterion, progress) for criterion in criteria],
    }
    return {"completionstatus": status, "warnings": []}


def _criterion(criterion: Criterion, progress: Completion) -> dict[str, Any]:
    met_at = progress.met.get(criterion.id)
    return {
        "type": criterion.type,
        "title": criterion.title,
        "status": "No" if met_at is None else "Yes",
        "complete": met_at is not None,
        "timecompleted": met_at,
        "details": {
            "type": criterion.title,
            "criteria": criterion.title,
            "requirement": criterion.requirement,
            "status": "",
        },
    }
