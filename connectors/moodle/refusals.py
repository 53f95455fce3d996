"""Turns Moodle's exceptions into the bridge's errors, each with a remedy.

Moodle answers nearly every error with status 200, and with ``exception`` and ``errorcode`` in the
body. A crash inside Moodle has no ``errorcode``. Its ``message`` is never repeated: it is in the
site's language and may hold personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    Overloaded,
    RecordRefused,
    RetryLater,
    StopRun,
    Unreachable,
)
from lms_bridge.domain.ports import Page, PageError

_RENEW = "Create a new token for the service account and give it to the bridge."
_ACCOUNT = "The service account must be confirmed, active and allowed to use web services."
_SET_UP = "Run moodle-setup.php once more: it mends this, or says what to do by hand."

SITE_WIDE: dict[str, tuple[str, str]] = {
    "invalidtoken": (
        "Moodle does not know the token. It expired, or somebody deleted it.",
        _RENEW,
    ),
    "accessexception": (
        "the token may not call this function or it expired, or the account may not use REST.",
        (
            "Look under 'Manage tokens' when it ends, and whether the token is restricted to other "
            "addresses. Else see that the service is enabled and has the function, and allow "
            "webservice/rest:use to the account's role."
        ),
    ),
    "unknown-function": (
        "this Moodle has no such function.",
        "Moodle 4.1 or later is needed, with the standard plugins.",
    ),
    "wsaccessusersuspended": ("the service account is suspended.", _ACCOUNT),
    "wsaccessuserdeleted": ("the service account is deleted.", _ACCOUNT),
    "wsaccessuserunconfirmed": ("the service account is not confirmed.", _ACCOUNT),
    "wsaccessuserexpired": ("the service account's password has expired.", _ACCOUNT),
    "wsaccessusernologin": ("the service account may not log in.", _ACCOUNT),
    "forcepasswordchangenotice": ("the service account has to change its password.", _SET_UP),
    "usernotfullysetup": ("the service account's profile is not complete.", _SET_UP),
    "sitepolicynotagreed": ("the service account has not agreed to the site policy.", _SET_UP),
}
"""Refusals that concern every record and course. The run stops."""
KEPT_OUT = frozenset({"forcepasswordchangenotice", "usernotfullysetup", "sitepolicynotagreed"})
"""What keeps the account out of every course. Functions about courses do not say so."""

CAPABILITIES: dict[str, str] = {
    "core_user_create_users": "moodle/user:create",
    "core_user_update_users": "moodle/user:update",
    "enrol_manual_enrol_users": "enrol/manual:enrol",
    "enrol_manual_unenrol_users": "enrol/manual:unenrol",
    "core_role_unassign_roles": "moodle/role:assign",
    "core_group_get_course_groups": "moodle/course:managegroups",
    "core_group_create_groups": "moodle/course:managegroups",
    "core_group_get_group_members": "moodle/course:managegroups",
    "core_group_add_group_members": "moodle/course:managegroups",
    "core_group_delete_group_members": "moodle/course:managegroups",
    "gradereport_user_get_grade_items": "gradereport/user:view and moodle/grade:viewall",
    "core_course_create_courses": "moodle/course:create",
}
"""What a function needs where Moodle says only ``nopermissions``."""

IN_PLACE: dict[str, tuple[str, str]] = {
    "nopermissions": (
        "the service account lacks a capability.",
        "Run the check of the centre: it names the capability.",
    ),
    "errorcoursecontextnotvalid": (
        "the service account cannot enter the course.",
        "Allow moodle/course:view and moodle/course:viewhiddencourses to its role.",
    ),
    "requireloginerror": (
        "the service account cannot enter the course.",
        "Allow moodle/course:view and moodle/course:viewhiddencourses to its role.",
    ),
    "wsusercannotassign": (
        "the service account may not assign the learners' role.",
        (
            "Allow moodle/role:assign, and under 'Allow role assignments' the learners' role. If "
            "there is no such role, correct the option role_id."
        ),
    ),
    "wsnoinstance": (
        "the course has no manual enrolment method, or it is disabled.",
        "Add 'Manual enrolments' to the course, or enable it.",
    ),
    "wscannotenrol": ("the course does not allow manual enrolment.", "Enable the method."),
    "wscannotunenrol": ("the course does not allow unenrolment.", "Enable the method."),
    "cannotviewreport": (
        "the service account cannot see completion.",
        "Allow report/completion:view to its role.",
    ),
    "nopermissiontoviewgrades": (
        "the service account cannot see grades.",
        "Allow moodle/grade:viewall and gradereport/user:view to its role.",
    ),
    "notingroup": (
        "the service account cannot see all groups of the course.",
        "Allow moodle/site:accessallgroups to its role.",
    ),
    "criteriaerror": (
        "the service account cannot see hidden categories.",
        "Allow moodle/category:viewhiddencategories to its role.",
    ),
}
"""Refusals that may concern one course or category. The rest of the run continues."""

RECORDS: dict[str, tuple[str, str]] = {
    "invalidrecord": (
        "Moodle does not have this course or account any more.",
        "Look in Moodle whether somebody deleted it. The next full run draws the consequences.",
    ),
    "invaliduser": (
        "Moodle does not have this account any more.",
        "The next full run looks for the learner's account anew.",
    ),
    "userdeleted": (
        "the account was deleted in Moodle.",
        "The next full run looks for the learner's account anew.",
    ),
    "guestsarenotallowed": (
        "the account is Moodle's guest account, which cannot be enrolled.",
        "Take the learner's ID number off the guest account.",
    ),
    "usernotconfirmed": (
        "the learner's account is not confirmed.",
        "Its holder confirms it by the e-mail that Moodle sent, or an administrator does.",
    ),
    "invalidparameter": (
        "Moodle refuses a value, and does not say which.",
        "Look at the course, and at the learner's e-mail address, user name and language.",
    ),
    "usernotenroled": (
        "the learner is not enrolled in the course any more.",
        "A full run enrols them again, if the centre's policy wants it.",
    ),
    "nocriteriaset": (
        "the course has no completion criteria.",
        "Set them in the course, if completions are to reach the Academy.",
    ),
    "errorcatcontextnotvalid": (
        "the category of new courses does not exist any more, or the account cannot enter it.",
        "Correct the option category, or make the category visible.",
    ),
    "unknowcategory": (
        "the category of new courses does not exist any more.",
        "Correct the option category.",
    ),
    "categoryidnumbertaken": (
        "a category has the ID number of the region or centre, and the account cannot see it.",
        (
            "Make that category visible, or allow moodle/category:viewhiddencategories to the "
            "account's role."
        ),
    ),
    "courseidnumbertaken": (
        "another course has this ID number.",
        "Take the ID number off the other course, or delete it if it is a leftover.",
    ),
    "shortnametaken": (
        "another course has this short name.",
        "Rename the other course, or delete it if it is a leftover.",
    ),
    "moodle-crashed": (
        "Moodle broke off with an error of its own.",
        "Its administrator finds the cause in the web server's error log.",
    ),
}
"""Refusals of one record, which Moodle gives no words that people can use."""

NO_ENTRY = frozenset({"errorcoursecontextnotvalid", "requireloginerror"})
"""The account cannot enter the course, so its other permissions there are unknown."""

LATER_CODES = {"invalidrecordunknown": "invalidrecord"}
"""Moodle 5.1 does not say any more which record is missing: a course, an account or another."""

MAINTENANCE = "Moodle is in maintenance mode, or is being upgraded."
END_MAINTENANCE = "The bridge goes on when it ends: Site administration, Server, Maintenance mode."
_LATER = frozenset({"sitemaintenance", "upgraderunning", "cronerror"})
_DATABASE = frozenset({"dmlreadexception", "dmlconnectionexception", "dbconnectionfailed"})
_CODE = re.compile(r"[a-zA-Z0-9_-]{1,60}")


def refusal(function: str, answer: Mapping[str, object]) -> BridgeError:
    """The error for an answer with an ``exception``."""
    code = _code(answer)
    if code == "nopermissions" and function in CAPABILITIES:
        return _lacks(code, CAPABILITIES[function])
    for table in (SITE_WIDE, IN_PLACE):
        if code in table:
            message, remedy = table[code]
            return AccessDenied(code, f"{function}: {message}", remedy)
    if code in _LATER:
        return Overloaded(code, f"{function}: {MAINTENANCE}", END_MAINTENANCE)
    if code in _DATABASE:
        return Unreachable(code, f"{function}: Moodle's database does not answer.", applied=True)
    if code in RECORDS:
        message, remedy = RECORDS[code]
        return RecordRefused(code, f"{function}: {message}", remedy)
    return RecordRefused(
        code,
        f"{function}: Moodle refuses this.",
        f'Its reason has the code "{code}", which Moodle\'s administrator can look up.',
    )


@contextmanager
def requires(capability: str, code: str = "nopermissions") -> Iterator[None]:
    """Names the capability that is missing, since Moodle gives no more than a code."""
    try:
        yield
    except AccessDenied as error:
        if error.code not in ("nopermissions", code):
            raise
        raise _lacks(error.code, capability) from None


def _lacks(code: str, capability: str) -> AccessDenied:
    return AccessDenied(
        code,
        f"The service account lacks {capability}.",
        f"Allow {capability} to its role, in the system context.",
    )


def named(what: str, error: BridgeError) -> BridgeError:
    """The same error, whose message begins with what it is about."""
    message = f"{what}: {error.message}"
    about = type(error).__new__(type(error), message)  # classes differ in what they are made of
    vars(about).update({**vars(error), "message": message})
    return about


def read_scope(scope: str, read: Callable[[], Page]) -> Page | PageError:
    """The answer, or the scope as unread if only this scope is affected."""
    try:
        return read()
    except BridgeError as error:
        if stops_everything(error):
            raise
        return PageError(scope, error)


def _code(answer: Mapping[str, object]) -> str:
    code = str(answer.get("errorcode") or "")
    if not code:
        return "moodle-crashed"
    if code == "invalidrecord" and "external_functions" in str(answer.get("message")):
        return "unknown-function"
    code = LATER_CODES.get(code, code)
    # Some error codes are sentences in HTML, such as those about weak passwords.
    return code if _CODE.fullmatch(code) else "refused"


def stops_everything(error: BridgeError) -> bool:
    """Whether every other request to the site would fail, too."""
    if isinstance(error, RetryLater):
        return error.code in ("circuit-open", "run-too-long", "stopping") or (
            error.code == "asked-to-wait" and not error.applied
        )
    return isinstance(error, StopRun) and error.code not in IN_PLACE and error.code not in SCOPED


SCOPED = frozenset(
    {
        "hidden-rows",
        "changed-meanwhile",
        "courses-missing",
        "no-details",
        "errorcatcontextnotvalid",
        "publish-field-unseen",
        "no-enrolment-method",
    }
)
"""The connector's own error codes that concern one course or category."""
