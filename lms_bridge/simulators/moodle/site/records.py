"""The rows of a Moodle site. Times are seconds since 1970 in UTC; 0 means "not set"."""

from dataclasses import dataclass, field
from typing import Literal

FieldType = Literal["select", "text", "checkbox", "date", "textarea"]
SITE_COURSE = 1


@dataclass(slots=True)
class Category:
    """A course category; all are at the top level."""

    id: int
    name: str
    idnumber: str | None = None
    sortorder: int = 0
    visible: bool = True
    timemodified: int = 0


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom course field; ``options`` only for ``select`` (numbered from 1)."""

    shortname: str
    name: str
    type: FieldType
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class Course:
    """A course. ``customfields`` holds raw values by short name.

    ``serial`` counts the courses of its category in the order in which they were made.
    """

    id: int
    shortname: str
    fullname: str
    category_id: int
    idnumber: str = ""
    summary: str = ""
    summaryformat: int = 1
    format: str = "topics"
    showgrades: int = 1
    newsitems: int = 5
    startdate: int = 0
    enddate: int = 0
    numsections: int = 0
    maxbytes: int = 0
    showreports: int = 0
    visible: int = 1
    groupmode: int = 0
    groupmodeforce: int = 0
    defaultgroupingid: int = 0
    enablecompletion: int = 1
    completionnotify: int = 0
    lang: str = ""
    forcetheme: str = ""
    customfields: dict[str, str | int] = field(default_factory=dict)
    timecreated: int = 0
    timemodified: int = 0
    cacherev: int = 0
    serial: int = 0


@dataclass(slots=True)
class User:
    """An account on the site, a learner's or anybody's."""

    id: int
    username: str
    firstname: str
    lastname: str
    email: str
    idnumber: str = ""
    suspended: bool = False
    lang: str = "en"
    country: str = ""
    city: str = ""
    department: str = ""
    institution: str = ""
    auth: str = "manual"
    confirmed: bool = True
    timezone: str = "99"
    theme: str = ""
    mailformat: int = 1
    trackforums: int = 0
    firstaccess: int = 0
    lastaccess: int = 0

    @property
    def fullname(self) -> str:
        """First and last name, as Moodle joins them by default."""
        return f"{self.firstname} {self.lastname}"


@dataclass(slots=True)
class Enrolment:
    """One person's manual enrolment in one course."""

    course_id: int
    user_id: int
    timestart: int = 0
    timeend: int = 0
    suspended: bool = False
    roles: list[int] = field(default_factory=list)
    lastaccess: int = 0

    def is_active(self, now: int) -> bool:
        """Neither suspended, nor before its start, nor past its end."""
        ended = self.timeend != 0 and self.timeend <= now
        return not self.suspended and self.timestart <= now and not ended


@dataclass(slots=True)
class Group:
    """A group of a course, with its members' user ids in the order they joined."""

    id: int
    course_id: int
    name: str
    description: str = ""
    descriptionformat: int = 1
    enrolmentkey: str = ""
    idnumber: str = ""
    visibility: int = 0
    participation: bool = True
    members: dict[int, None] = field(default_factory=dict)


@dataclass(slots=True)
class Grade:
    """A raw grade, on its item's scale, and when it was given."""

    raw: float
    graded_at: int


@dataclass(slots=True)
class GradeItem:
    """A grade item of a course; ``grades`` by user id."""

    id: int
    name: str
    grademin: float = 0.0
    grademax: float = 100.0
    idnumber: str | None = None
    grades: dict[int, Grade] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A completion criterion. Type 1 is self completion, 4 an activity, 6 a course grade."""

    id: int
    type: int = 1
    title: str = "Self completion"
    requirement: str = "Marking yourself complete"


@dataclass(slots=True)
class Completion:
    """How far one person is: criterion id -> when it was met, and when the course was completed."""

    met: dict[int, int] = field(default_factory=dict)
    completed_at: int | None = None
