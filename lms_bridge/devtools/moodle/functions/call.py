"""One call of one function: who asks, and what of people they may see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lms_bridge.devtools.moodle.facts import (
    MoodleError,
    course_context_invalid,
    invalid_parameter,
    login_required,
    missing_record,
    moodle_exception,
    no_permission,
)
from lms_bridge.devtools.moodle.records import SITE_COURSE, MoodleCourse, MoodleUser
from lms_bridge.devtools.moodle.state import CallerAccount, MoodleState, ServiceToken

MULTILANG = re.compile(r'(?:<span lang="[\w-]+" class="multilang">.*?</span>\s*){2,}', re.DOTALL)
ONE_LANGUAGE = re.compile(r'<span lang="([\w-]+)" class="multilang">(.*?)</span>', re.DOTALL)
BARE_AMPERSAND = re.compile(r"&(?![a-zA-Z0-9#]{1,8};)")
TAG = re.compile(r"<(?!\s)[^>]*>?")
#: Every field that Moodle knows by name; others are an error, but only once a person is shown.
KNOWN_FIELDS = frozenset(
    (
        "id", "username", "fullname", "firstname", "lastname", "email", "address", "phone1",
        "phone2", "department", "institution", "interests", "firstaccess", "lastaccess", "auth",
        "confirmed", "idnumber", "lang", "theme", "timezone", "mailformat", "description",
        "descriptionformat", "city", "country", "profileimageurlsmall", "profileimageurl",
        "customfields", "groups", "roles", "preferences", "enrolledcourses", "suspended",
        "lastcourseaccess", "trackforums",
    )
)  # fmt: skip
#: Seen only with ``moodle/user:viewalldetails``.
GUARDED = frozenset(
    (
        "username", "department", "institution", "idnumber", "auth", "confirmed", "lang", "theme",
        "mailformat", "trackforums",
    )
)  # fmt: skip
NAMES = ("firstname", "lastname")
#: Left out when empty.
ONLY_IF_SET = frozenset(("institution", "idnumber", "city", "country"))
#: The order of the answer: these, then what belongs to the account or the roster, then places.
ORDER = (
    "id", "username", "firstname", "lastname", "fullname", "email", "department", "institution",
    "idnumber", "firstaccess", "lastaccess",
)  # fmt: skip
ACCOUNT_FIELDS = (
    "auth", "suspended", "confirmed", "lang", "theme", "timezone", "mailformat", "trackforums",
)  # fmt: skip


def escaped(text: str) -> str:
    """A name as Moodle formats it for a page: ampersands escaped, tags gone."""
    return TAG.sub("", BARE_AMPERSAND.sub("&amp;", text))


def in_language(text: str, language: str) -> str:
    """The text with one language of each group of multi-language spans, as the filter leaves it."""

    def chosen(group: re.Match[str]) -> str:
        texts: dict[str, str] = dict(ONE_LANGUAGE.findall(group.group()))
        return texts.get(language) or texts.get("en") or next(iter(texts.values()))

    return MULTILANG.sub(chosen, text)


@dataclass(frozen=True, slots=True)
class Call:
    """The site, the caller, and whether names come ``raw`` (``moodlewssettingraw``) or in one
    ``language`` (``moodlewssettingfilter`` and ``moodlewssettinglang``)."""

    site: MoodleState
    user: MoodleUser
    account: CallerAccount
    token: ServiceToken
    raw: bool = False
    language: str = ""

    def can(self, capability: str) -> bool:
        return self.account.can(capability)

    def require(self, capability: str) -> None:
        """Answer ``nopermissions`` unless the caller has the capability."""
        if not self.can(capability):
            raise no_permission(capability)

    def enter_system(self) -> None:
        """Answer what keeps the caller out, as functions about people do."""
        if self.site.kept_out:
            raise moodle_exception(self.site.kept_out, f"error/{self.site.kept_out}")

    def name(self, text: str) -> str:
        return text if self.raw else escaped(self.text(text))

    def text(self, text: str) -> str:
        """A text with its markup."""
        return text if self.raw or not self.language else in_language(text, self.language)

    def may_enter(self, course: MoodleCourse) -> bool:
        """Whether the caller, who is enrolled nowhere, may enter the course."""
        if course.id == SITE_COURSE:
            return True
        if self.site.kept_out:
            return False
        hidden_from = not course.visible and not self.can("moodle/course:viewhiddencourses")
        return self.can("moodle/course:view") and not hidden_from

    def course(self, course_id: int) -> MoodleCourse:
        """The course, or the answer ``invalidrecord``."""
        course = self.site.catalogue.get(course_id)
        if course is None:
            raise missing_record("course")
        return course

    def enter(self, course: MoodleCourse) -> None:
        """Answer ``requireloginerror`` unless the caller may enter."""
        if not self.may_enter(course):
            raise login_required()

    def enter_context(self, course: MoodleCourse) -> None:
        """The same, answering ``errorcoursecontextnotvalid``."""
        if not self.may_enter(course):
            raise course_context_invalid(course.id, login_required())

    def known_context(self, course_id: int) -> MoodleCourse:
        """The course, for functions that find an unknown one by its missing context."""
        course = self.site.catalogue.get(course_id)
        if course is None:
            raise invalid_parameter()
        return course


def row_of(
    record: object, names: str, made: Mapping[str, Any], *, guarded: bool = True
) -> dict[str, Any]:
    """The values of ``names``, in that order: from ``made``, or else as the record has them.

    Names that begin with a plus are left out unless ``guarded``.
    """
    shown = [name.removeprefix("+") for name in names.split() if guarded or name[0] != "+"]
    return {name: made[name] if name in made else getattr(record, name) for name in shown}


def as_warning(item: str, item_id: int, error: MoodleError) -> dict[str, object]:
    """``{"item", "itemid", "warningcode", "message"}``: one row that failed among others."""
    return {
        "item": item,
        "itemid": item_id,
        "warningcode": error.errorcode,
        "message": error.message,
    }


@dataclass(frozen=True, slots=True)
class VisibleDetails:
    """What one caller sees of people, reckoned once per call."""

    own_id: int
    details: bool
    all_details: bool
    email: bool
    picture: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, call: Call, in_course: bool) -> VisibleDetails:
        """In a course, ``moodle/course:useremail`` opens addresses too."""
        site = call.site
        return cls(
            call.user.id,
            call.can("moodle/user:viewdetails"),
            call.can("moodle/user:viewalldetails"),
            call.can("moodle/site:viewuseridentity")
            or (in_course and call.can("moodle/course:useremail")),
            f"{site.wwwroot}/theme/image.php/boost/core/{site.theme_revision}/u/",
            NAMES if call.can("moodle/site:viewfullnames") else site.public_names,
        )

    def sees(self, user: MoodleUser) -> bool:
        return self.details or user.id == self.own_id

    def fields(self, requested: frozenset[str] | None, middle: tuple[str, ...]) -> tuple[str, ...]:
        """The plain fields to show, in order. Raises the answer ``invaliduserfield``."""
        for unknown in sorted((requested or frozenset()) - KNOWN_FIELDS):
            raise moodle_exception("invaliduserfield", f"Invalid user field: {unknown}")
        shown = (*ORDER, *middle, "city", "country")
        return tuple(
            name
            for name in shown
            if (requested is None or name in requested or name in ("id", "fullname"))
            and (name not in GUARDED or self.all_details)
            and (name != "email" or self.email)
            and (name not in NAMES or name in self.names)
        )


def plain_fields(user: MoodleUser, fields: tuple[str, ...]) -> dict[str, Any]:
    row = {}
    for name in fields:
        value = getattr(user, name)
        if value or name not in ONLY_IF_SET:
            row[name] = value
    return row


def add_pictures(
    row: dict[str, Any], sight: VisibleDetails, requested: frozenset[str] | None
) -> None:
    sizes = (("profileimageurlsmall", "f2"), ("profileimageurl", "f1"))
    for name, size in sizes:
        if requested is None or name in requested:
            row[name] = sight.picture + size


def require_active_user(user: MoodleUser) -> None:
    """Refuses an account that was deleted or is not confirmed. A suspended one passes, and so does
    one whose authentication method is "nologin"."""
    if user.deleted:
        raise moodle_exception("userdeleted", "error/userdeleted")
    if not user.confirmed:
        raise moodle_exception("usernotconfirmed", "error/usernotconfirmed")
