"""The web-service functions: name -> (what answers it)."""

from collections.abc import Callable
from typing import Any

from lms_bridge.simulators.moodle.wire.signature import Params

from . import (
    completion,
    course_writing,
    courses,
    courses_by_field,
    enrolling,
    grades,
    groups,
    people,
    people_writing,
    roles,
    rosters,
    site_info,
    users_courses,
)
from .call import Call

Function = Callable[[Call, Params], Any]

#: All but the batch of calls, which needs this table itself (:mod:`..dispatch`).
FUNCTIONS: dict[str, Function] = {
    "core_webservice_get_site_info": site_info.get_site_info,
    "core_course_get_categories": courses.get_categories,
    "core_course_get_courses": courses.get_courses,
    "core_course_get_courses_by_field": courses_by_field.get_courses_by_field,
    "core_course_create_courses": course_writing.create_courses,
    "core_course_update_courses": course_writing.update_courses,
    "core_enrol_get_enrolled_users": rosters.get_enrolled_users,
    "core_enrol_get_course_enrolment_methods": enrolling.get_course_enrolment_methods,
    "core_enrol_get_users_courses": users_courses.get_users_courses,
    "enrol_manual_enrol_users": enrolling.enrol_users,
    "enrol_manual_unenrol_users": enrolling.unenrol_users,
    "core_user_get_users_by_field": people.get_users_by_field,
    "core_user_get_users": people.get_users,
    "core_user_create_users": people_writing.create_users,
    "core_user_update_users": people_writing.update_users,
    "core_group_get_course_groups": groups.get_course_groups,
    "core_group_create_groups": groups.create_groups,
    "core_group_add_group_members": groups.add_group_members,
    "core_group_delete_group_members": groups.delete_group_members,
    "core_group_get_group_members": groups.get_group_members,
    "core_completion_get_course_completion_status": completion.get_course_completion_status,
    "gradereport_user_get_grade_items": grades.get_grade_items,
    "core_role_assign_roles": roles.assign_roles,
    "core_role_unassign_roles": roles.unassign_roles,
}
