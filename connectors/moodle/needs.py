"""What each flow needs of a Moodle: functions of the service, and capabilities of the account."""

from __future__ import annotations

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
"""Function -> the flows that do not work without it."""

CENTRE_OPTIONAL: dict[str, str] = {
    "core_enrol_get_users_courses": "rosters are then not compared with Moodle's own count",
    "core_user_get_users": "e-mail addresses are then found only in the same small or capital "
    "letters",
    "tool_mobile_call_external_functions": "completion is then read person by person",
    "enrol_manual_unenrol_users": "the removal policy unenrol does not work",
    "core_role_unassign_roles": "the removal policy suspend_drop_role does not work",
    "core_group_get_course_groups": "editions cannot share a course",
    "core_group_create_groups": "editions cannot share a course",
    "core_group_get_group_members": "editions cannot share a course",
    "core_group_add_group_members": "editions cannot share a course",
    "core_group_delete_group_members": "editions cannot share a course",
}
"""Function -> what is lost without it."""

ACADEMY_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "core_webservice_get_site_info": (OFFERINGS, ENROLMENTS),
    "core_course_get_courses_by_field": (OFFERINGS,),
    "core_course_create_courses": (OFFERINGS,),
    "core_course_update_courses": (OFFERINGS,),
    "core_enrol_get_enrolled_users": (ENROLMENTS,),
    "core_user_get_users_by_field": (ENROLMENTS,),
}

ACADEMY_OPTIONAL: dict[str, str] = {
    "core_enrol_get_users_courses": "rosters are then not compared with Moodle's own count",
}

OLDEST_VERSION = 2022112800
"""Moodle 4.1, by its version number of the form YYYYMMDDXX."""
