"""Roles: what counts where several are named, in every form that systems send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.lti_roles import CourseRole, course_role, names_of

LIS = "http://purl.imsglobal.org/vocab/lis/v2"
STUDENT = f"{LIS}/institution/person#Student"
LEARNER, TEACHER = CourseRole.LEARNER, CourseRole.TEACHER
ADMINISTRATOR, VISITOR = CourseRole.ADMINISTRATOR, CourseRole.VISITOR


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ([f"{LIS}/membership#Learner"], LEARNER),
        ([f"{LIS}/membership#learner"], LEARNER),
        ([f"{LIS}/membership/Learner#GuestLearner"], LEARNER),
        ([f"{LIS}/membership/Learner#Instructor"], LEARNER),
        ([f"{LIS}/membership/#Learner"], LEARNER),
        (["Learner"], LEARNER),
        ([" LEARNER "], LEARNER),
        (["lism:Learner"], LEARNER),
        (["LISM:learner"], LEARNER),
        (["urn:lti:role:ims/lis/Learner"], LEARNER),
        (["urn:lti:role:ims/lis/Learner/NonCreditLearner"], LEARNER),
        (["NonCreditLearner"], LEARNER),
        (["Student"], LEARNER),
        (["Learner,Mentor"], LEARNER),
        (["Instructor", "Learner"], LEARNER),
        ([f"{LIS}/membership#Instructor"], TEACHER),
        ([f"{LIS}/membership/Instructor#TeachingAssistant"], TEACHER),
        ([f"{LIS}/membership#TeachingAssistant"], TEACHER),
        (["membership/Instructor#TeachingAssistant"], TEACHER),
        (["Instructor#TeachingAssistant"], TEACHER),
        (["Instructor"], TEACHER),
        (["lism:Instructor"], TEACHER),
        (["urn:lti:role:ims/lis/Instructor"], TEACHER),
        (["urn:lti:role:ims/lis/TeachingAssistant/Grader"], TEACHER),
        ([f"{LIS}/membership#ContentDeveloper"], TEACHER),
        ([f"{LIS}/membership#Administrator"], ADMINISTRATOR),
        ([f"{LIS}/membership#Mentor"], VISITOR),
        ([f"{LIS}/membership#Something"], VISITOR),
        ([], VISITOR),
        (["", "#", "/", "nonsense"], VISITOR),
        (["https://canvas.instructure.com/roles#Student"], VISITOR),
        # Of the institution and the system
        ([STUDENT], VISITOR),
        (["urn:lti:instrole:ims/lis/Student"], VISITOR),
        (["urn:lti:instrole:ims/lis/Learner"], VISITOR),
        (["urn:lti:sysrole:ims/lis/User"], VISITOR),
        ([f"{LIS}/person#Student"], VISITOR),
        ([f"{LIS}/institution/person#Learner"], VISITOR),
        ([f"{LIS}/institution/person#Administrator"], ADMINISTRATOR),
        ([f"{LIS}/system/person#Administrator", STUDENT], ADMINISTRATOR),
        (["urn:lti:sysrole:ims/lis/SysAdmin"], ADMINISTRATOR),
        ([f"{LIS}/institution/person#Faculty"], TEACHER),
        (["http://purl.imsglobal.org/vocab/lti/system/person#TestUser"], VISITOR),
        # Of the course beside them
        ([STUDENT, f"{LIS}/membership#Instructor"], TEACHER),
        (["Student", "Instructor"], TEACHER),
        ([STUDENT, "lism:Instructor"], TEACHER),
        ([STUDENT, f"{LIS}/membership#Mentor"], VISITOR),
        ([STUDENT, f"{LIS}/membership#Administrator"], ADMINISTRATOR),
        ([f"{LIS}/institution/person#Administrator", f"{LIS}/membership#Learner"], LEARNER),
        ([f"{LIS}/institution/person#Faculty", "Learner"], LEARNER),
    ],
)
def test_roles_of_the_course_decide_what_a_person_is(
    roles: list[str], expected: CourseRole
) -> None:
    assert course_role(roles) is expected
    assert course_role(reversed(roles)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Learner", ["Learner"]),
        (["Learner", None, 5, ""], ["Learner"]),
        ({"0": "Learner", "2": "Mentor"}, ["Learner", "Mentor"]),
        ({"Learner": True}, None),
        ({}, None),
        (None, None),
        (5, None),
    ],
)
def test_a_list_of_roles_is_read_in_the_forms_that_systems_send(
    value: object, expected: list[str] | None
) -> None:
    assert names_of(value) == expected


@given(st.lists(st.text()))
def test_any_texts_make_some_role(roles: list[str]) -> None:
    assert course_role(roles) in CourseRole
