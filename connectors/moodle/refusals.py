"""What Moodle's exceptions mean to the bridge, and what a person can do about them.

Moodle answers nearly every error with status 200 and ``exception`` and ``errorcode`` in the body;
a crash inside Moodle has no ``errorcode``. Its ``message`` is never repeated: it is in the site's
language and may hold personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

_RENEW = "Create a new token for the service account and give it to the bridge."
_ACCOUNT = "The service account must be confirmed, active and allowed to use web services."

SITE_WIDE: dict[str, tuple[str, str]] = {
    "invalidtoken": ("Moodle does not know the token.", _RENEW),
    "accessexception": (
        "the token may not call this function.",
        "Add the function to the service; else the token expired or lacks webservice/rest:use.",
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
    "forcepasswordchangenotice": ("the service account has to change its password.", _ACCOUNT),
    "usernotfullysetup": ("the service account's profile is not complete.", _ACCOUNT),
    "sitepolicynotagreed": ("the service account has not agreed to the site policy.", _ACCOUNT),
}
"""Refusals that no other record, course or batch can escape: the run stops."""

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
        "Allow moodle/role:assign, and under 'Allow role assignments' the learners' role.",
    ),
    "wsnoinstance": (
        "the course has no manual enrolment method.",
        "Add 'Manual enrolments' to the course and enable it.",
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
"""Refusals that may concern one course or category only: the rest of the run goes on."""

NO_ENTRY = frozenset({"errorcoursecontextnotvalid", "requireloginerror"})
"""The account cannot enter the course, so nothing can be told about what it may do there."""

_LATER = frozenset({"sitemaintenance", "upgraderunning", "cronerror"})
_DATABASE = frozenset({"dmlreadexception", "dmlconnectionexception", "dbconnectionfailed"})
_CODE = re.compile(r"[a-zA-Z0-9_-]{1,60}")


def refusal(function: str, answer: Mapping[str, object]) -> BridgeError:
    """The error that stands for an answer with an ``exception``."""
    code = _code(answer)
    where = f"{function}:"
    for table in (SITE_WIDE, IN_PLACE):
        if code in table:
            message, remedy = table[code]
            return AccessDenied(code, f"{where} {message}", remedy)
    if code in _LATER:
        return Overloaded(code, f"{where} Moodle is under maintenance.")
    if code in _DATABASE:
        return Unreachable(code, f"{where} Moodle's database does not answer.", applied=True)
    return RecordRefused(code, f"{where} Moodle refuses this ({code}).")


@contextmanager
def needing(capability: str) -> Iterator[None]:
    """Names the capability that Moodle means by ``nopermissions`` in this place."""
    try:
        yield
    except AccessDenied as error:
        if error.code != "nopermissions":
            raise
        raise AccessDenied(
            error.code,
            f"The service account lacks {capability}.",
            f"Allow {capability} to its role, in the system context.",
        ) from None


def _code(answer: Mapping[str, object]) -> str:
    code = str(answer.get("errorcode") or "")
    if not code:
        return "moodle-crashed"
    if code == "invalidrecord" and "external_functions" in str(answer.get("message")):
        return "unknown-function"
    # some error codes are whole sentences of HTML, such as those about weak passwords
    return code if _CODE.fullmatch(code) else "refused"


def stops_everything(error: BridgeError) -> bool:
    """Whether nothing else can succeed either, so that it is pointless to go on."""
    if isinstance(error, RetryLater):
        return error.code in ("circuit-open", "stopping") or (
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
    }
)
"""Codes of the connector's own findings about one course or category."""
