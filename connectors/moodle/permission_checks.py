"""What the flows need of a Moodle: functions of the service and capabilities of the account.

A check of a reading capability looks at what Moodle shows or leaves out. A check of a writing
capability sends a request with bad data. Moodle tests the capability before the data, so the kind
of refusal shows whether the account has it, and nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lms_bridge.connectors.moodle.accounts import CREATE as CREATE_USERS
from lms_bridge.connectors.moodle.accounts import UPDATE as UPDATE_USERS
from lms_bridge.connectors.moodle.client import BY_FIELD as USERS
from lms_bridge.connectors.moodle.client import Parameter, Parameters, Rows
from lms_bridge.connectors.moodle.courses import CATEGORIES, COURSES_UNSEEN, custom_fields
from lms_bridge.connectors.moodle.enrolments import DROP_ROLE, ENROL, UNENROL
from lms_bridge.connectors.moodle.grades import SHOW_TOTALS, STATUS, course_total
from lms_bridge.connectors.moodle.refusals import NO_ENTRY
from lms_bridge.connectors.moodle.roster_check import ENROLLED, GRADES, NO_SUCH_GROUP
from lms_bridge.connectors.moodle.site import COURSES, GUEST, SITE_COURSE, MoodleSite
from lms_bridge.domain.errors import AccessDenied, RecordRefused
from lms_bridge.domain.ports import Removal, Verdict

OFFERINGS, ENROLMENTS, RESULTS = "offerings", "enrolments", "results"

CENTRE_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "core_webservice_get_site_info": (OFFERINGS, ENROLMENTS, RESULTS),
    "core_course_get_categories": (OFFERINGS,),
    "core_course_get_courses_by_field": (OFFERINGS, RESULTS),
    "core_user_get_users_by_field": (ENROLMENTS,),
    "core_user_create_users": (ENROLMENTS,),
    "core_user_update_users": (ENROLMENTS,),
    "core_enrol_get_enrolled_users": (ENROLMENTS,),
    "enrol_manual_enrol_users": (ENROLMENTS,),
    "gradereport_user_get_grade_items": (RESULTS,),
    "core_completion_get_course_completion_status": (RESULTS,),
}
"""Each function, with the flows that need it."""

GROUP_FUNCTIONS = (
    "core_group_get_course_groups",
    "core_group_create_groups",
    "core_group_get_group_members",
    "core_group_add_group_members",
    "core_group_delete_group_members",
)
REMOVAL_FUNCTIONS = {Removal.UNENROL: UNENROL, Removal.SUSPEND_DROP_ROLE: DROP_ROLE}
"""What the centre's policy needs at the end of enrolments."""
CENTRE_OPTIONAL: dict[str, str] = {
    "core_enrol_get_users_courses": "Rosters are then not compared with Moodle's own count.",
    "core_user_get_users": "E-mail addresses are then found only in the same small or capital "
    "letters.",
    "tool_mobile_call_external_functions": "Completion is then read person by person.",
    "enrol_manual_unenrol_users": "The removal policy unenrol does not work.",
    "core_role_unassign_roles": "The removal policy suspend_drop_role does not work.",
    **dict.fromkeys(GROUP_FUNCTIONS, "Editions cannot share a course."),
}
"""Each function, with what does not work without it."""

ACADEMY_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "core_webservice_get_site_info": (OFFERINGS, ENROLMENTS),
    "core_course_get_courses_by_field": (OFFERINGS,),
    "core_course_create_courses": (OFFERINGS,),
    "core_course_update_courses": (OFFERINGS,),
    "core_enrol_get_enrolled_users": (ENROLMENTS,),
    "core_user_get_users_by_field": (ENROLMENTS,),
}

ACADEMY_OPTIONAL: dict[str, str] = {
    "core_enrol_get_users_courses": "Rosters are then not compared with Moodle's own count.",
    "tool_mobile_call_external_functions": "Each course is then read by calls of its own.",
    "core_course_get_categories": "Categories of regions and centres are not found.",
    "core_course_create_categories": "Categories of regions and centres are not made.",
}

COURSES_SAMPLED = 10
"""Courses in which the check looks for hidden totals."""
NOBODY = 2**31 - 1
"""An account id that no Moodle has used yet."""
_CREATE_COURSES, _UPDATE_COURSES = "core_course_create_courses", "core_course_update_courses"


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """One capability. ``run`` returns the problem, or an empty text.

    The check runs only if the service allows ``function``. ``flows`` do not work without the
    capability.
    """

    name: str
    function: str
    run: Callable[[MoodleSite], str]
    remedy: str
    flows: tuple[str, ...]
    verdict: Verdict = Verdict.MISSING


def _capability(
    what: str, function: str, run: Callable[[MoodleSite], str], *flows: str
) -> PermissionCheck:
    verdict = Verdict.MISSING if flows else Verdict.WARNING
    remedy = f"Allow {what} to the service account's role, in the system context."
    return PermissionCheck(what, function, run, remedy, flows, verdict)


def centre_checks(
    *, groups: bool = False, removal: Removal = Removal.SUSPEND
) -> Iterator[PermissionCheck]:
    """The checks of a centre's Moodle, in a sensible order for the reader. ``groups``: its option
    wants groups, so that no enrolment works without them. ``removal``: its policy, which needs
    rights of its own."""
    yield _capability("moodle/category:viewhiddencategories", CATEGORIES, _hidden_categories,
                      OFFERINGS)  # fmt: skip
    yield _capability("moodle/course:view", COURSES, _course_view, OFFERINGS, ENROLMENTS, RESULTS)
    yield PermissionCheck("moodle/course:viewhiddencourses", CATEGORIES, _hidden_courses,
                          COURSES_UNSEEN, (OFFERINGS, ENROLMENTS, RESULTS))  # fmt: skip
    yield PermissionCheck("course ID numbers (moodle/course:update)", COURSES, _course_update,
                          "Without it, known courses keep their codes, and new ones get the "
                          "bridge's.", (),
                          Verdict.WARNING)  # fmt: skip
    yield PermissionCheck("custom course fields", COURSES, _custom_fields,
                          "Create the fields, or map others with the option fields.", (),
                          Verdict.WARNING)  # fmt: skip
    yield from _people_checks()
    yield _capability("moodle/site:viewuseridentity", USERS, _emails, ENROLMENTS)
    yield _capability("moodle/site:viewfullnames", USERS, _names)
    yield _capability("moodle/user:create", CREATE_USERS, _create_user, ENROLMENTS)
    yield _capability("moodle/user:update", UPDATE_USERS, _update_user, ENROLMENTS)
    yield _capability("enrol/manual:enrol", ENROL, _enrol, ENROLMENTS)
    yield PermissionCheck("moodle/role:assign", DROP_ROLE, _assign_role,
                          "Allow it to the account's role, and under 'Allow role assignments' let "
                          "that role assign the learners' role.", (ENROLMENTS,))  # fmt: skip
    yield _capability("enrol/manual:unenrol", UNENROL, _unenrol,
                      *((ENROLMENTS,) if removal is Removal.UNENROL else ()))  # fmt: skip
    needed_by = (ENROLMENTS,) if groups else ()
    yield _capability("moodle/course:managegroups", GROUP_FUNCTIONS[0], _groups, *needed_by)
    yield _capability("gradereport/user:view and moodle/grade:viewall", GRADES, _grades, RESULTS)
    yield PermissionCheck("moodle/grade:viewhidden", GRADES, _hidden_totals, SHOW_TOTALS,
                          (RESULTS,))  # fmt: skip
    yield _capability("report/completion:view", STATUS, _completion, RESULTS)


def academy_checks() -> Iterator[PermissionCheck]:
    """The checks of an Academy's Moodle."""
    yield _capability("moodle/course:view", COURSES, _course_view, OFFERINGS, ENROLMENTS)
    yield _capability("moodle/course:update", COURSES, _course_update, OFFERINGS)
    yield _capability("moodle/course:create", _CREATE_COURSES, _create_course, OFFERINGS)
    yield PermissionCheck("moodle/course:changefullname, changeidnumber, changesummary, visibility",
                          _UPDATE_COURSES, _change_course,
                          "Allow all four to the service account's role, in the system context.",
                          (OFFERINGS,))  # fmt: skip
    yield from _people_checks()
    yield _capability("moodle/site:viewfullnames", USERS, _names, ENROLMENTS)


def _people_checks() -> Iterator[PermissionCheck]:
    """What reading a roster needs, at a centre and at the Academy."""
    yield _capability("moodle/user:viewdetails", USERS, _details, ENROLMENTS)
    yield _capability("moodle/user:viewalldetails", USERS, _stable_ids, ENROLMENTS)
    yield _capability("moodle/course:viewparticipants", ENROLLED, _roster, ENROLMENTS)
    yield _capability("moodle/course:enrolreview", ENROLLED, _suspended, ENROLMENTS)
    yield _capability("moodle/site:accessallgroups", ENROLLED, _all_groups, ENROLMENTS, RESULTS)


# ---- reading ----------------------------------------------------------------------------------


def _hidden_categories(site: MoodleSite) -> str:
    site.client.call(CATEGORIES, {"criteria": [{"key": "visible", "value": 0}]})
    return ""


def _course_view(site: MoodleSite) -> str:
    closed = sum("startdate" not in row for row in site.all_courses)
    return f"courses that cannot be entered: {closed}." if closed else ""


def _hidden_courses(site: MoodleSite) -> str:
    counted = {row["id"]: row["coursecount"] for row in site.client.rows(CATEGORIES)}
    seen = Counter(row.get("categoryid") for row in site.all_courses)
    missing = sum(max(0, count - seen[category]) for category, count in counted.items())
    return f"hidden courses that are not shown: {missing}." if missing else ""


def _course_update(site: MoodleSite) -> str:
    hidden = any("idnumber" not in row for row in site.all_courses)
    return "ID numbers of courses are not shown." if hidden else ""


def _custom_fields(site: MoodleSite) -> str:
    names = {
        str(f.get("shortname")) for row in site.all_courses for f in row.get("customfields") or ()
    }
    mapped = set(site.settings["fields"].values()) - {""}
    publish = site.settings.get("publish_field")
    if publish and publish not in names:
        return f"no course shows the field {publish}, so nothing can be published."
    if names & mapped:
        return ""
    used = {name for row in site.all_courses for name in custom_fields(row)}
    return f"none of the mapped fields is there. Other fields in use: {len(used)}."


def _details(site: MoodleSite) -> str:
    return "" if site.visible.details else "people are not shown: rosters would seem empty."


def _stable_ids(site: MoodleSite) -> str:
    site.require_details()
    return "" if site.visible.stable_ids else "ID numbers are not shown: nobody would be found."


def _emails(site: MoodleSite) -> str:
    site.require_details()
    return "" if site.visible.emails else "e-mail addresses are not shown: nobody would be found."


def _names(site: MoodleSite) -> str:
    site.require_details()
    return "" if site.visible.names else "first and last names are not shown."


def _roster(site: MoodleSite) -> str:
    _one_enrolled(site, _sample_course(site))
    return ""


def _suspended(site: MoodleSite) -> str:
    _one_enrolled(site, _sample_course(site), {"name": "onlysuspended", "value": 1})
    return ""


def _all_groups(site: MoodleSite) -> str:
    _one_enrolled(site, _sample_course(site), {"name": "groupid", "value": NO_SUCH_GROUP})
    return ""


def _one_enrolled(site: MoodleSite, course: int, *more: Parameter) -> Rows:
    options: list[Parameter] = [
        {"name": "userfields", "value": "id,roles"},
        {"name": "limitnumber", "value": 1},
        *more,
    ]
    return site.client.rows(ENROLLED, {"courseid": course, "options": options})


def _groups(site: MoodleSite) -> str:
    site.client.call("core_group_get_course_groups", {"courseid": _sample_course(site)})
    return ""


def _grades(site: MoodleSite) -> str:
    parameters: Parameters = {"courseid": _sample_course(site), "groupid": NO_SUCH_GROUP}
    return _bad_request(site, GRADES, parameters, "notingroup")


def _hidden_totals(site: MoodleSite) -> str:
    """Looks at one person's report in the newest courses. A report without a total hides it, or the
    total has the grade type None. An account that is shown anything hidden has the capability."""
    newest = sorted((row["id"] for row in site.all_courses), reverse=True)[:COURSES_SAMPLED]
    hidden = 0
    for course in newest:
        for person in _one_enrolled(site, course):
            parameters: Parameters = {"courseid": course, "userid": person["id"]}
            try:
                rows = site.client.rows(GRADES, parameters, "usergrades")
            except RecordRefused:  # such as somebody whose account is not confirmed
                continue
            except AccessDenied as error:  # for want of another capability
                raise RecordRefused(error.code, error.message, error.remedy) from None
            reports = [row.get("gradeitems") or () for row in rows]
            if any(item.get("gradeishidden") for items in reports for item in items):
                return ""
            hidden += any(course_total(items) is None for items in reports)
    if not hidden:
        return ""
    return f"courses whose totals are not shown: {hidden}, of {len(newest)}."


def _completion(site: MoodleSite) -> str:
    course = next((row["id"] for row in site.all_courses if row.get("enablecompletion")), None)
    if course is None:
        return ""  # no course has completion, so there is nothing to see
    person = int(site.info.value["userid"])
    for row in _one_enrolled(site, course):
        person = int(row["id"])
    return _bad_request(
        site, STATUS, {"courseid": course, "userid": person}, "usernotenroled", "notenroled",
        "nocriteriaset", "suspended", "invaliduser", "usernotconfirmed",
    )  # fmt: skip


def _sample_course(site: MoodleSite) -> int:
    """A course for the checks: if possible a visible one, and the newest, since it holds least."""
    courses = site.all_courses
    entered = [row for row in courses if "startdate" in row] or courses
    if not entered:
        raise RecordRefused("no-course", "the account sees no course to try this on.")
    return int(max(entered, key=lambda row: (row.get("visible", 0), row["id"]))["id"])


# ---- writing ----------------------------------------------------------------------------------


def _bad_request(
    site: MoodleSite, function: str, parameters: Parameters, *codes: str, repeatable: bool = True
) -> str:
    """Sends a request that Moodle refuses with one of the codes if the account is allowed to
    make it.

    Raises:
        RecordRefused: Moodle refuses it with another code, so the permission could not be checked.
    """
    try:
        site.client.call(function, parameters, repeatable=repeatable)
    except RecordRefused as error:
        if error.code not in codes:
            raise
        return ""
    except AccessDenied as error:
        if error.code in NO_ENTRY:
            raise
        return "" if error.code in codes else "not allowed."
    return ""


def _create_user(site: MoodleSite) -> str:
    person: Parameter = {
        "username": "itu-check",
        "createpassword": True,
        "firstname": "-",
        "lastname": "-",
        "email": "not an address",
    }
    return _bad_request(site, CREATE_USERS, {"users": [person]}, "invalidparameter")


def _update_user(site: MoodleSite) -> str:
    site.client.call(UPDATE_USERS, {"users": [{"id": NOBODY}]})
    return ""


_NO_SUCH_ACCOUNT = (
    "invaliduser", "wsnoinstance", "codingerror", "invalidparameter", "invalidrecord",
)  # fmt: skip
"""How Moodle refuses an unknown account: the last is 5.1's, the two before are 4.1's and 4.2's."""


def _enrol(site: MoodleSite) -> str:
    row: Parameter = {
        "roleid": site.settings["role_id"],
        "userid": NOBODY,
        "courseid": _sample_course(site),
    }
    return _bad_request(site, ENROL, {"enrolments": [row]}, *_NO_SUCH_ACCOUNT)


def _unenrol(site: MoodleSite) -> str:
    row: Parameter = {"userid": NOBODY, "courseid": _sample_course(site)}
    return _bad_request(site, UNENROL, {"enrolments": [row]}, *_NO_SUCH_ACCOUNT)


def _assign_role(site: MoodleSite) -> str:
    """Removes the roles from the guest, who never has them. Only an account that may assign a role
    may also remove it."""
    for role in filter(None, (site.settings["role_id"], site.settings["teacher_role"])):
        row: Parameter = {
            "roleid": role,
            "userid": GUEST,
            "contextlevel": "course",
            "instanceid": _sample_course(site),
        }
        try:
            site.client.call(DROP_ROLE, {"unassignments": [row]})
        except RecordRefused:
            return f"the role {role} may not be assigned."
    return ""


def _create_course(site: MoodleSite) -> str:
    """Asks for a course with a short name that exists and with an end before its start."""
    taken = next((str(row["shortname"]) for row in site.all_courses), "")
    if not taken:
        return "could not be checked: the account sees no course."
    row: dict[str, Parameter] = {
        "fullname": taken,
        "shortname": taken,
        "categoryid": site.settings["category"],
        "startdate": 2_000_000_000,
        "enddate": 1_000_000_000,
    }
    return _bad_request(
        site,
        _CREATE_COURSES,
        {"courses": [row, {**row}]},
        "shortnametaken",
        "enddatebeforestartdate",
        repeatable=False,
    )


def _change_course(site: MoodleSite) -> str:
    """Asks to change the front page. Moodle checks the capabilities first, and then refuses: the
    front page cannot be changed, and the dates are in the wrong order."""
    row: dict[str, Parameter] = {
        "id": SITE_COURSE,
        "fullname": "-",
        "summary": "-",
        "idnumber": "itu-check",
        "visible": False,
        "startdate": 2_000_000_000,
        "enddate": 1_000_000_000,
    }
    warnings = site.client.rows(_UPDATE_COURSES, {"courses": [row]}, "warnings")
    codes = {warning.get("warningcode") for warning in warnings}
    return "not allowed." if "nopermissions" in codes else ""
