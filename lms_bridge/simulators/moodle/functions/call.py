"""One call of one function: who asks, and what they may see."""

import re
from dataclasses import dataclass

from lms_bridge.simulators.moodle.errors import (
    MoodleError,
    course_context_invalid,
    invalid_parameter,
    login_required,
    missing_record,
    no_permission,
)
from lms_bridge.simulators.moodle.site.access import Account, Token
from lms_bridge.simulators.moodle.site.records import SITE_COURSE, Course, User
from lms_bridge.simulators.moodle.site.state import MoodleState

BARE_AMPERSAND = re.compile(r"&(?![a-zA-Z0-9#]{1,8};)")
TAG = re.compile(r"<(?!\s)[^>]*>?")


def escaped(text: str) -> str:
    """A name as Moodle formats it for a page: ampersands escaped, tags gone."""
    return TAG.sub("", BARE_AMPERSAND.sub("&amp;", text))


@dataclass(frozen=True, slots=True)
class Call:
    """The site, the caller, and whether names come ``raw`` (``moodlewssettingraw``)."""

    site: MoodleState
    user: User
    account: Account
    token: Token
    raw: bool = False

    def can(self, capability: str) -> bool:
        """Whether the caller has the capability."""
        return self.account.can(capability)

    def require(self, capability: str) -> None:
        """Answer ``nopermissions`` unless the caller has the capability."""
        if not self.can(capability):
            raise no_permission(capability)

    def name(self, text: str) -> str:
        """A name as this caller gets it."""
        return text if self.raw else escaped(text)

    def may_enter(self, course: Course) -> bool:
        """Whether the caller, who is enrolled nowhere, may enter the course."""
        if course.id == SITE_COURSE:
            return True
        hidden_from = not course.visible and not self.can("moodle/course:viewhiddencourses")
        return self.can("moodle/course:view") and not hidden_from

    def course(self, course_id: int) -> Course:
        """The course, or the answer ``invalidrecord``."""
        course = self.site.catalogue.get(course_id)
        if course is None:
            raise missing_record("course")
        return course

    def enter(self, course: Course) -> None:
        """Answer ``requireloginerror`` unless the caller may enter."""
        if not self.may_enter(course):
            raise login_required()

    def enter_context(self, course: Course) -> None:
        """The same, answering ``errorcoursecontextnotvalid``."""
        if not self.may_enter(course):
            raise course_context_invalid(course.id, login_required())

    def known_context(self, course_id: int) -> Course:
        """The course, for functions that find an unknown one by its missing context."""
        course = self.site.catalogue.get(course_id)
        if course is None:
            raise invalid_parameter()
        return course


def as_warning(item: str, item_id: int, error: MoodleError) -> dict[str, object]:
    """``{"item", "itemid", "warningcode", "message"}``: one row that failed among others."""
    return {
        "item": item,
        "itemid": item_id,
        "warningcode": error.errorcode,
        "message": error.message,
    }
