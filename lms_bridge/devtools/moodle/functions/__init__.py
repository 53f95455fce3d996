"""The web-service functions: name -> (what answers it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lms_bridge.devtools.moodle.facts import ADVANCED_FEATURES, RELEASE, VERSION
from lms_bridge.devtools.moodle.functions import groups
from lms_bridge.devtools.moodle.functions.call import Call
from lms_bridge.devtools.moodle.functions.course_edits import (
    create_categories,
    create_courses,
    update_courses,
)
from lms_bridge.devtools.moodle.functions.courses import (
    get_categories,
    get_courses,
    get_courses_by_field,
)
from lms_bridge.devtools.moodle.functions.enrolments import (
    assign_roles,
    enrol_users,
    get_course_enrolment_methods,
    get_enrolled_users,
    get_users_courses,
    unassign_roles,
    unenrol_users,
)
from lms_bridge.devtools.moodle.functions.grades import (
    get_course_completion_status,
    get_grade_items,
)
from lms_bridge.devtools.moodle.functions.users import (
    create_users,
    get_users,
    get_users_by_field,
    update_users,
)
from lms_bridge.devtools.moodle.parameters import SIGNATURES, Params


def get_site_info(call: Call, params: Params) -> dict[str, Any]:
    """The site, the caller and the functions that the token may call."""
    site, user, admin = call.site, call.user, call.account.site_admin
    service = call.token.functions
    names = sorted(SIGNATURES.keys() if service is None else service)
    return {
        "sitename": call.name(site.name),
        "username": user.username,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "fullname": user.fullname,
        "lang": user.lang,
        "userid": user.id,
        "siteurl": site.wwwroot,
        "userpictureurl": f"{site.wwwroot}/theme/image.php/boost/core/{site.theme_revision}/u/f1",
        "functions": [{"name": name, "version": VERSION} for name in names],
        "downloadfiles": 1,
        "uploadfiles": 0,
        "release": RELEASE,
        "version": VERSION,
        "mobilecssurl": "",
        "advancedfeatures": [
            {"name": name, "value": value} for name, value in ADVANCED_FEATURES.items()
        ],
        "usercanmanageownfiles": True,
        "userquota": 0 if admin else 104857600,
        "usermaxuploadfilesize": -1 if admin else 2097152,
        "userhomepage": 1,
        "userprivateaccesskey": "simulated",
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": "gregorian",
        "userissiteadmin": admin,
        "theme": "boost",
        "limitconcurrentlogins": 0,
        "policyagreed": 0,
    }


Function = Callable[[Call, Params], Any]

#: All but the batch of calls, which needs this table itself (the endpoint has it).
FUNCTIONS: dict[str, Function] = {
    "core_webservice_get_site_info": get_site_info,
    "core_course_get_categories": get_categories,
    "core_course_get_courses": get_courses,
    "core_course_get_courses_by_field": get_courses_by_field,
    "core_course_create_categories": create_categories,
    "core_course_create_courses": create_courses,
    "core_course_update_courses": update_courses,
    "core_enrol_get_enrolled_users": get_enrolled_users,
    "core_enrol_get_course_enrolment_methods": get_course_enrolment_methods,
    "core_enrol_get_users_courses": get_users_courses,
    "enrol_manual_enrol_users": enrol_users,
    "enrol_manual_unenrol_users": unenrol_users,
    "core_user_get_users_by_field": get_users_by_field,
    "core_user_get_users": get_users,
    "core_user_create_users": create_users,
    "core_user_update_users": update_users,
    "core_group_get_course_groups": groups.get_course_groups,
    "core_group_create_groups": groups.create_groups,
    "core_group_add_group_members": groups.add_group_members,
    "core_group_delete_group_members": groups.delete_group_members,
    "core_group_get_group_members": groups.get_group_members,
    "core_completion_get_course_completion_status": get_course_completion_status,
    "gradereport_user_get_grade_items": get_grade_items,
    "core_role_assign_roles": assign_roles,
    "core_role_unassign_roles": unassign_roles,
}
