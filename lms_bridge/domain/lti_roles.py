"""What a person is in a course, from the roles that a launch or a roster names.

Where a role of the course (``membership``) is named, it alone counts: a teacher of the course may
be a student of the institution. Roles of the institution or the system never make a learner.
Source: LTI Core 1.3, appendix A; LTI 1.1, appendix A (``urn:lti:role:``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum


class CourseRole(StrEnum):
    LEARNER = "learner"
    TEACHER = "teacher"
    ADMINISTRATOR = "administrator"
    VISITOR = "visitor"  # everybody else, such as a mentor


_OF_COURSE = re.compile(
    r"(?:(?:https?://purl\.imsglobal\.org/vocab/lis/v\d+/)?membership[#/]+"
    r"|lism:|urn:lti:role:ims/lis/)(?=.)"
)
_OF_INSTITUTION = re.compile(
    r"https?://purl\.imsglobal\.org/vocab/(?:lis|lti)/(?:v\d+/)?(?:institution/|system/)?person[#/]"
    r"|(?:institution|system)/person[#/]|lis[isp]:|urn:lti:(?:inst|sys)role:ims/lis/"
)
_COURSE_ROLES = {
    CourseRole.LEARNER: "learner noncreditlearner guestlearner externallearner",
    CourseRole.TEACHER: "instructor primaryinstructor secondaryinstructor guestinstructor "
    "externalinstructor lecturer grader teachingassistant teachingassistantgroup "
    "teachingassistantoffering teachingassistantsection teachingassistanttemplate "
    "contentdeveloper contentexpert externalcontentexpert librarian",
    CourseRole.ADMINISTRATOR: "administrator support externaldeveloper systemadministrator "
    "externalsystemadministrator developer externalsupport",
    CourseRole.VISITOR: "mentor manager member officer observer auditor guest",
}
_OTHER_ROLES = {
    CourseRole.TEACHER: "instructor faculty",
    CourseRole.ADMINISTRATOR: "administrator sysadmin accountadmin",
}


def _by_name(roles: dict[CourseRole, str]) -> dict[str, CourseRole]:
    return {name: role for role, names in roles.items() for name in names.split()}


_IN_COURSE, _ELSEWHERE = _by_name(_COURSE_ROLES), _by_name(_OTHER_ROLES)
_SHORT = {"student": CourseRole.LEARNER, "faculty": CourseRole.TEACHER} | _ELSEWHERE
"""Short names that are no role of a course, from systems that send nothing else."""


def course_role(roles: Iterable[str]) -> CourseRole:
    """The first of learner, teacher and administrator that these roles make of a person."""
    named = [each.strip().casefold() for role in roles for each in role.split(",")]
    in_course = {each for role in named if (each := _in_course(role)) is not None}
    found = in_course or {each for role in named if (each := _elsewhere(role)) is not None}
    return next((role for role in CourseRole if role in found), CourseRole.VISITOR)


def _in_course(role: str) -> CourseRole | None:
    """A sub-role (``membership/Instructor#TeachingAssistant``) counts as its main role."""
    prefix = _OF_COURSE.match(role)
    main = re.split("[#/]", role[prefix.end() :] if prefix else role, maxsplit=1)[0]
    return _IN_COURSE.get(main, CourseRole.VISITOR if prefix else None)


def _elsewhere(role: str) -> CourseRole | None:
    prefix = _OF_INSTITUTION.match(role)
    return _ELSEWHERE.get(role[prefix.end() :]) if prefix else _SHORT.get(role)


def status_of(status: str) -> str:
    """The plain name of a member's status: systems also send ``liss:Inactive`` and whole URIs."""
    return re.split("[#:/]", status)[-1].strip().lower()


def names_of(value: object) -> list[str] | None:
    """The texts of a list, such as one of roles; None where the value is no such list. One text
    alone counts as a list, and so does what PHP makes of a list with gaps: ``{"0": …, "2": …}``."""
    if isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        value = list(value.values())
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return None
    return [each for each in value if isinstance(each, str) and each.strip()]
