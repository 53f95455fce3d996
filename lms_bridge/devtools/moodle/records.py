"""The rows of a Moodle site. Times are seconds since 1970 in UTC; 0 means "not set"."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

FieldType = Literal["select", "text", "checkbox", "date", "textarea"]
SITE_COURSE = 1


@dataclass(slots=True)
class MoodleCategory:
    """A course category. ``parent`` 0: it is at the top level."""

    id: int
    name: str
    idnumber: str | None = None
    sortorder: int = 0
    visible: bool = True
    timemodified: int = 0
    parent: int = 0
    descriptionformat: int = 1


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom course field; ``options`` only for ``select`` (numbered from 1)."""

    shortname: str
    name: str
    type: FieldType
    options: tuple[str, ...] = ()

    def read(self, text: str) -> str | int:
        """The raw value that a form's text stands for."""
        if self.type in ("text", "textarea"):
            return text
        return int(text) if text.strip().lstrip("-").isdigit() else 0

    def show(self, raw: str | int | None) -> dict[str, str | int | None]:
        """The field of one course, as it is answered."""
        if raw is None:
            raw = self.read("")
        names = {"name": self.name, "shortname": self.shortname, "type": self.type}
        return {**names, "valueraw": raw, "value": self._shown(raw)}

    def _shown(self, raw: str | int) -> str | None:
        if self.type == "checkbox":
            return "Yes" if raw else "No"
        if not raw:
            return None
        if self.type == "select":
            index = int(raw)
            return self.options[index - 1] if 0 < index <= len(self.options) else None
        if self.type == "date":
            day = datetime.fromtimestamp(int(raw), UTC)
            return f"{day.day} {day:%B %Y}"
        return str(raw)


@dataclass(slots=True)
class MoodleCourse:
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
    manual_enrolment: bool = True
    """Whether the course has the manual enrolment method, and ..."""
    manual_enabled: bool = True
    """whether that method is enabled. Everybody looks suspended where it is not."""


@dataclass(slots=True)
class MoodleUser:
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
    deleted: bool = False

    @property
    def fullname(self) -> str:
        return f"{self.firstname} {self.lastname}"


@dataclass(slots=True)
class MoodleEnrolment:
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
class MoodleGroup:
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
    """A grade item of a course; ``grades`` by user id. In a course that Moodle never regraded,
    those without a grade have no weight."""

    id: int
    name: str
    grademin: float = 0.0
    grademax: float = 100.0
    idnumber: str | None = None
    regraded: bool = True
    grades: dict[int, Grade] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A completion criterion. Type 1 is self completion, 4 an activity, 6 a course grade.

    ``status`` is Moodle's word for somebody without a grade, empty for yes or no.
    """

    id: int
    type: int = 1
    title: str = "Self completion"
    requirement: str = "Marking yourself complete"
    detail: str = ""
    status: str = ""


@dataclass(slots=True)
class Completion:
    """How far one person is: criterion id -> when it was met, and when the course was completed."""

    met: dict[int, int] = field(default_factory=dict)
    completed_at: int | None = None
