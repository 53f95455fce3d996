"""A person's details as far as the caller may see them: the source of most silent gaps."""

from dataclasses import dataclass
from typing import Any

from lms_bridge.simulators.moodle.errors import moodle_exception
from lms_bridge.simulators.moodle.site.records import User

from .call import Call

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
#: Left out when empty.
ONLY_IF_SET = frozenset(("institution", "city", "country"))
#: The order of the answer: these, then what belongs to the account or the roster, then places.
ORDER = (
    "id", "username", "firstname", "lastname", "fullname", "email", "department", "institution",
    "idnumber", "firstaccess", "lastaccess",
)  # fmt: skip
ACCOUNT_FIELDS = (
    "auth", "suspended", "confirmed", "lang", "theme", "timezone", "mailformat", "trackforums",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sight:
    """What one caller sees of people, reckoned once per call."""

    own_id: int
    details: bool
    all_details: bool
    email: bool
    picture: str

    @classmethod
    def of(cls, call: Call, in_course: bool) -> "Sight":
        """In a course, ``moodle/course:useremail`` opens addresses too."""
        site = call.site
        return cls(
            call.user.id,
            call.can("moodle/user:viewdetails"),
            call.can("moodle/user:viewalldetails"),
            call.can("moodle/site:viewuseridentity")
            or (in_course and call.can("moodle/course:useremail")),
            f"{site.wwwroot}/theme/image.php/boost/core/{site.theme_revision}/u/",
        )

    def sees(self, user: User) -> bool:
        """Whether the person is shown at all."""
        return self.details or user.id == self.own_id

    def fields(self, wanted: frozenset[str] | None, middle: tuple[str, ...]) -> tuple[str, ...]:
        """The plain fields to show, in order. Raises the answer ``invaliduserfield``."""
        for unknown in sorted((wanted or frozenset()) - KNOWN_FIELDS):
            raise moodle_exception("invaliduserfield", f"Invalid user field: {unknown}")
        shown = (*ORDER, *middle, "city", "country")
        return tuple(
            name
            for name in shown
            if (wanted is None or name in wanted or name in ("id", "fullname"))
            and (name not in GUARDED or self.all_details)
            and (name != "email" or self.email)
        )


def plain(user: User, fields: tuple[str, ...]) -> dict[str, Any]:
    """Those fields of a person."""
    row = {}
    for name in fields:
        value = getattr(user, name)
        if value or name not in ONLY_IF_SET:
            row[name] = value
    return row


def add_pictures(row: dict[str, Any], sight: Sight, wanted: frozenset[str] | None) -> None:
    """The addresses of the small and the large picture."""
    sizes = (("profileimageurlsmall", "f2"), ("profileimageurl", "f1"))
    for name, size in sizes:
        if wanted is None or name in wanted:
            row[name] = sight.picture + size
