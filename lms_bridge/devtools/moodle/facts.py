"""Facts about Moodle 4.5: capabilities, roles, and how it words its errors.

The first set of capabilities is the one that was recorded against a real site
(``tests/recordings/moodle``); the second comes from the capabilities that Moodle declares for its
course-writing functions.
"""

from __future__ import annotations

from typing import Final

#: What the recorded service account had. Each can be taken away with ``site.revoke(name)``.
ENROLMENT_CAPABILITIES: Final = (
    "webservice/rest:use",
    "moodle/course:view",
    "moodle/course:viewhiddencourses",
    "moodle/course:update",
    "moodle/course:viewparticipants",
    "moodle/user:viewdetails",
    "moodle/user:viewhiddendetails",
    "moodle/user:viewalldetails",
    "moodle/course:useremail",
    "moodle/site:viewuseridentity",
    "moodle/user:create",
    "moodle/user:update",
    "enrol/manual:enrol",
    "enrol/manual:unenrol",
    "moodle/role:assign",
    "moodle/course:managegroups",
    "moodle/site:accessallgroups",
    "report/completion:view",
    "gradereport/user:view",
    "moodle/grade:viewall",
    "moodle/grade:viewhidden",
    "moodle/category:viewhiddencategories",
    "moodle/course:enrolreview",
)

#: What an account needs on top of that to create courses and to edit all of their fields.
AUTHORING_CAPABILITIES: Final = (
    "moodle/course:create",
    "moodle/course:visibility",
    "moodle/course:changecategory",
    "moodle/course:changefullname",
    "moodle/course:changeshortname",
    "moodle/course:changeidnumber",
    "moodle/course:changesummary",
    "moodle/category:manage",
)

#: How Moodle words a capability in "you do not currently have permissions to do that (…)".
#: Only "Create users" is recorded; the others are Moodle's English names, given from memory.
CAPABILITY_LABELS: Final = {
    "moodle/user:create": "Create users",
    "moodle/user:update": "Update user profiles",
    "moodle/course:create": "Create courses",
    "moodle/course:update": "Update course settings",
    "moodle/course:visibility": "Hide/show courses",
    "moodle/course:changecategory": "Change course category",
    "moodle/course:changefullname": "Change course full name",
    "moodle/course:changeshortname": "Change course short name",
    "moodle/course:changeidnumber": "Change course ID number",
    "moodle/course:changesummary": "Change course summary",
    "moodle/course:managegroups": "Manage groups",
    "moodle/course:enrolreview": "Review course enrolments",
    "moodle/role:assign": "Assign roles to users",
    "moodle/site:accessallgroups": "Access all groups",
    "moodle/grade:viewall": "View grades of other users",
    "gradereport/user:view": "View your own grade report",
    "enrol/manual:enrol": "Enrol users",
    "enrol/manual:unenrol": "Unenrol users from the course",
}

#: Role id -> short name, as a fresh Moodle numbers them.
ROLES: Final = {
    1: "manager",
    2: "coursecreator",
    3: "editingteacher",
    4: "teacher",
    5: "student",
    6: "guest",
    7: "user",
    8: "frontpage",
}
STUDENT: Final = 5
ASSIGNABLE_IN_COURSES: Final = (1, 3, 4, 5)

RELEASE: Final = "4.5.6 (Build: 20250811)"
VERSION: Final = "2024100706"

#: What Moodle tells of itself in ``core_webservice_get_site_info``.
ADVANCED_FEATURES: Final = {
    "usecomments": 1,
    "usetags": 1,
    "enablenotes": 1,
    "messaging": 1,
    "enableblogs": 1,
    "enablecompletion": 1,
    "enablebadges": 1,
    "messagingallusers": 0,
}
COURSE_FILTERS: Final = (
    "displayh5p",
    "activitynames",
    "mathjaxloader",
    "emoticon",
    "urltolink",
    "mediaplugin",
)


MISSING_RECORD: Final = "dml_missing_record_exception"


class MoodleError(Exception):
    """An error answer; ``errorcode`` is None when PHP itself broke."""

    def __init__(self, exception: str, errorcode: str | None, message: str) -> None:
        super().__init__(message)
        self.exception = exception
        self.errorcode = errorcode
        self.message = message

    def body(self) -> dict[str, str]:
        """``{"exception", "errorcode", "message"}``, in Moodle's order."""
        answer = {"exception": self.exception}
        if self.errorcode is not None:
            answer["errorcode"] = self.errorcode
        return answer | {"message": self.message}

    def without_table(self) -> MoodleError:
        """The same as Moodle 5.1 words it, which does not say what is missing."""
        if self.exception != MISSING_RECORD:
            return self
        message = "Can't find data record in database."
        return MoodleError(MISSING_RECORD, "invalidrecordunknown", message)


def moodle_exception(errorcode: str, message: str) -> MoodleError:
    """The general kind, with its own error code."""
    return MoodleError("core\\exception\\moodle_exception", errorcode, message)


def invalid_parameter() -> MoodleError:
    """Whatever is wrong with the form: a production site doesn't say what."""
    return MoodleError(
        "core\\exception\\invalid_parameter_exception",
        "invalidparameter",
        "Invalid parameter value detected",
    )


def missing_record(table: str) -> MoodleError:
    """A row that isn't there."""
    return MoodleError(
        MISSING_RECORD,
        "invalidrecord",
        f"Can't find data record in database table {table}.",
    )


def invalid_user() -> MoodleError:
    """An unknown person in an enrolment, a group or a report."""
    return MoodleError(MISSING_RECORD, "invaliduser", "Invalid user")


def no_permission(capability: str) -> MoodleError:
    """A capability that is missing and that Moodle says so about."""
    label = CAPABILITY_LABELS.get(capability, capability)
    return MoodleError(
        "core\\exception\\required_capability_exception",
        "nopermissions",
        f"Sorry, but you do not currently have permissions to do that ({label}).",
    )


def access_refused() -> MoodleError:
    """Expired token, function outside the service or no right to use REST."""
    return MoodleError("webservice_access_exception", "accessexception", "Access control exception")


def login_required() -> MoodleError:
    """A course that the caller may not enter."""
    return MoodleError(
        "core\\exception\\require_login_exception",
        "requireloginerror",
        "Course or activity not accessible.",
    )


def course_context_invalid(course_id: int, reason: MoodleError) -> MoodleError:
    """The same, as the functions word it that check a whole course context."""
    return moodle_exception(
        "errorcoursecontextnotvalid",
        f"You cannot execute functions in the course context (course id:{course_id}). "
        f"The context error message was: {reason.message}",
    )
