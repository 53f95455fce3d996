"""The single checks of capabilities. Each gives an empty text, or what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from connectors.moodle import trials
from connectors.moodle.completion import STATUS
from connectors.moodle.courses import custom_fields
from connectors.moodle.form import Parameter
from connectors.moodle.needs import ENROLMENTS, OFFERINGS, RESULTS
from connectors.moodle.places import ENROLLED
from connectors.moodle.proof import GRADES, NO_SUCH_GROUP
from connectors.moodle.samples import COURSES, sample_course, seen_courses
from connectors.moodle.site import Site
from lms_bridge.domain.ports import Verdict

CATEGORIES = "core_course_get_categories"
_USERS = "core_user_get_users_by_field"


@dataclass(frozen=True, slots=True)
class Check:
    """One capability: the function that shows it, and what does not work without it."""

    name: str
    function: str
    look: Callable[[Site], str]
    remedy: str
    flows: tuple[str, ...]
    verdict: Verdict = Verdict.MISSING


def centre_checks() -> Iterator[Check]:
    """In the order in which they make sense to a reader."""
    yield allow("moodle/category:viewhiddencategories", CATEGORIES, _hidden_categories, OFFERINGS)
    yield allow("moodle/course:view", COURSES, enters_courses, OFFERINGS, ENROLMENTS, RESULTS)
    yield allow("moodle/course:viewhiddencourses", CATEGORIES, _hidden_courses, OFFERINGS,
                ENROLMENTS, RESULTS)  # fmt: skip
    yield Check("course ID numbers (moodle/course:update)", COURSES, updates_courses,
                "Without it, short names stand for course codes.", (), Verdict.WARNING)  # fmt: skip
    yield Check("custom course fields", COURSES, _custom_fields,
                "Create the fields, or map others with the option fields.", (),
                Verdict.WARNING)  # fmt: skip
    yield from people_checks()
    yield allow("moodle/site:viewuseridentity", _USERS, _emails)
    yield allow("moodle/user:create", trials.CREATE, trials.creates, ENROLMENTS)
    yield allow("moodle/user:update", trials.UPDATE, trials.updates, ENROLMENTS)
    yield allow("enrol/manual:enrol", "enrol_manual_enrol_users", trials.enrols, ENROLMENTS)
    yield Check("moodle/role:assign", "core_role_unassign_roles", trials.assigns,
                "Allow it to the account's role, and under 'Allow role assignments' let that role "
                "assign the learners' role.", (ENROLMENTS,))  # fmt: skip
    yield allow("enrol/manual:unenrol", "enrol_manual_unenrol_users", trials.unenrols)
    yield allow("moodle/course:managegroups", "core_group_get_course_groups", trials.groups)
    yield allow("gradereport/user:view and moodle/grade:viewall", GRADES, trials.grades, RESULTS)
    yield allow("report/completion:view", STATUS, trials.completion, RESULTS)


def people_checks() -> Iterator[Check]:
    """What reading rosters needs, at a centre and at the Academy alike."""
    yield allow("moodle/user:viewdetails", _USERS, _details, ENROLMENTS)
    yield allow("moodle/user:viewalldetails", _USERS, _stable_ids, ENROLMENTS)
    yield allow("moodle/course:viewparticipants", ENROLLED, _roster, ENROLMENTS)
    yield allow("moodle/course:enrolreview", ENROLLED, _suspended, ENROLMENTS)
    yield allow("moodle/site:accessallgroups", ENROLLED, _all_groups, ENROLMENTS, RESULTS)


def allow(name: str, function: str, look: Callable[[Site], str], *flows: str) -> Check:
    verdict = Verdict.MISSING if flows else Verdict.WARNING
    remedy = f"Allow {name} to the service account's role, in the system context."
    return Check(name, function, look, remedy, flows, verdict)


def _hidden_categories(site: Site) -> str:
    site.client.ask(CATEGORIES, {"criteria": [{"key": "visible", "value": 0}]})
    return ""


def enters_courses(site: Site) -> str:
    closed = sum("startdate" not in row for row in seen_courses(site))
    return f"{closed} course(s) cannot be entered." if closed else ""


def _hidden_courses(site: Site) -> str:
    counted = {row["id"]: row["coursecount"] for row in site.client.rows(CATEGORIES)}
    seen = Counter(row.get("categoryid") for row in seen_courses(site))
    missing = sum(max(0, count - seen[category]) for category, count in counted.items())
    return f"{missing} hidden course(s) are not shown." if missing else ""


def updates_courses(site: Site) -> str:
    hidden = any("idnumber" not in row for row in seen_courses(site))
    return "ID numbers of courses are not shown." if hidden else ""


def _custom_fields(site: Site) -> str:
    names = {
        str(f.get("shortname")) for row in seen_courses(site) for f in row.get("customfields") or ()
    }
    mapped = set(site.settings["fields"].values()) - {""}
    publish = site.settings.get("publish_field")
    if publish and publish not in names:
        return f"no course shows the field {publish}, so nothing can be published."
    if names & mapped:
        return ""
    used = {name for row in seen_courses(site) for name in custom_fields(row)}
    return f"none of the mapped fields is there ({len(used)} other(s) are in use)."


def _details(site: Site) -> str:
    return "" if site.sight.details else "people are not shown: rosters would seem empty."


def _stable_ids(site: Site) -> str:
    return "" if site.sight.stable_ids else "ID numbers are not shown: nobody would be found."


def _emails(site: Site) -> str:
    return "" if site.sight.emails else "e-mail addresses are not shown: nobody would be found."


def _listed(site: Site, *more: Parameter) -> list[dict[str, Any]]:
    options: list[Parameter] = [
        {"name": "userfields", "value": "id,roles"},
        {"name": "limitnumber", "value": 1},
        *more,
    ]
    return site.client.rows(ENROLLED, {"courseid": sample_course(site), "options": options})


def _roster(site: Site) -> str:
    _listed(site)
    return ""


def _suspended(site: Site) -> str:
    _listed(site, {"name": "onlysuspended", "value": 1})
    return ""


def _all_groups(site: Site) -> str:
    _listed(site, {"name": "groupid", "value": NO_SUCH_GROUP})
    return ""
