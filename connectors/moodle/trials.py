"""Requests that tell whether something may be written, and that Moodle refuses for another reason.

Moodle looks at the capability first and at the data afterwards: an account that has the capability
is refused because of the data, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.moodle.completion import STATUS
from connectors.moodle.form import Parameter
from connectors.moodle.places import ENROLLED
from connectors.moodle.proof import GRADES, NO_SUCH_GROUP
from connectors.moodle.refusals import NO_ENTRY
from connectors.moodle.samples import sample_course, seen_courses
from connectors.moodle.site import GUEST, Site
from lms_bridge.domain.errors import AccessDenied, RecordRefused

NOBODY = 2**31 - 1
"""An account id that no Moodle has given out."""
CREATE, UPDATE = "core_user_create_users", "core_user_update_users"


def refused_otherwise(look: Callable[[], object], *codes: str) -> str:
    """Empty if Moodle refuses for one of the other reasons, and so did not miss the capability."""
    try:
        look()
    except RecordRefused as error:
        return "" if error.code in codes else f"could not be checked ({error.code})."
    except AccessDenied as error:
        if error.code in NO_ENTRY:
            raise
        return "" if error.code in codes else "not allowed."
    return ""


def creates(site: Site) -> str:
    person: Parameter = {
        "username": "itu-check",
        "createpassword": True,
        "firstname": "-",
        "lastname": "-",
        "email": "not an address",
    }
    return refused_otherwise(
        lambda: site.client.ask(CREATE, {"users": [person]}), "invalidparameter"
    )


def updates(site: Site) -> str:
    site.client.ask(UPDATE, {"users": [{"id": NOBODY}]})
    return ""


def enrols(site: Site) -> str:
    row: Parameter = {
        "roleid": site.settings["role_id"],
        "userid": NOBODY,
        "courseid": sample_course(site),
    }
    call = {"enrolments": [row]}
    return refused_otherwise(
        lambda: site.client.ask("enrol_manual_enrol_users", call), "invaliduser", "wsnoinstance"
    )


def unenrols(site: Site) -> str:
    call: dict[str, Parameter] = {
        "enrolments": [{"userid": NOBODY, "courseid": sample_course(site)}]
    }
    return refused_otherwise(
        lambda: site.client.ask("enrol_manual_unenrol_users", call), "invaliduser", "wsnoinstance"
    )


def assigns(site: Site) -> str:
    """Taking a role from the guest, who cannot have one, changes nothing; it is allowed only to
    those who may assign the role."""
    row: Parameter = {
        "roleid": site.settings["role_id"],
        "userid": GUEST,
        "contextlevel": "course",
        "instanceid": sample_course(site),
    }
    try:
        site.client.ask("core_role_unassign_roles", {"unassignments": [row]})
    except RecordRefused:
        return f"the role {site.settings['role_id']} may not be assigned."
    return ""


def groups(site: Site) -> str:
    site.client.ask("core_group_get_course_groups", {"courseid": sample_course(site)})
    return ""


def grades(site: Site) -> str:
    call: dict[str, Parameter] = {"courseid": sample_course(site), "groupid": NO_SUCH_GROUP}
    return refused_otherwise(lambda: site.client.ask(GRADES, call), "notingroup")


def completion(site: Site) -> str:
    course = next((row["id"] for row in seen_courses(site) if row.get("enablecompletion")), None)
    if course is None:
        return ""  # no course has completion: nothing to see
    call: dict[str, Parameter] = {"courseid": course, "userid": int(site.info.value["userid"])}
    for person in site.client.rows(ENROLLED, {"courseid": course, "options": [
        {"name": "userfields", "value": "id"}, {"name": "limitnumber", "value": 1},
    ]}):  # fmt: skip
        call["userid"] = int(person["id"])
    return refused_otherwise(
        lambda: site.client.ask(STATUS, call), "usernotenroled", "notenroled", "nocriteriaset",
        "suspended", "invaliduser",
    )  # fmt: skip
