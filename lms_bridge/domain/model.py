"""The records of the bridge: frozen dataclasses, all times in UTC.

The words follow docs/glossary.md. A *course* is what is taught; an *offering* is one dated edition
of it, given by one centre. A *learner* is a person as the Academy knows them. An *enrolment* joins
a learner and an offering; a *result* is what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Modality(StrEnum):
    INSTRUCTOR_LED = "online_instructor_led"
    FACE_TO_FACE = "face_to_face"
    BLENDED = "blended"
    SELF_PACED = "online_self_paced"


class Level(StrEnum):
    INTRODUCTORY = "introductory"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class RegistrationType(StrEnum):
    DIRECT = "direct"
    APPLICATION = "application"


class OfferingStatus(StrEnum):
    """The life of an offering. The public sources name no list of statuses: this one is ours."""

    PLANNED = "planned"
    SUBMITTED = "submitted"
    REVIEWED = "reviewed"
    PUBLISHED = "published"
    RUNNING = "running"
    DELIVERED = "delivered"
    REPORTED = "reported"
    CLOSED = "closed"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


class EnrolmentStatus(StrEnum):
    REGISTERED = "registered"
    APPLIED = "applied"
    SELECTED = "selected"
    REJECTED = "rejected"
    INVOICED = "invoiced"
    ENROLLED = "enrolled"
    STARTED = "started"
    COMPLETED = "completed"
    NOT_COMPLETED = "not_completed"
    CERTIFIED = "certified"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What a link, a change or a hold is about."""

    OFFERING = "offering"
    LEARNER = "learner"
    ENROLMENT = "enrolment"
    RESULT = "result"


class Flow(StrEnum):
    """What one run carries."""

    OFFERINGS = "offerings"
    ENROLMENTS = "enrolments"
    RESULTS = "results"


KINDS_OF: Mapping[Flow, tuple[Kind, ...]] = {
    Flow.OFFERINGS: (Kind.OFFERING,),
    Flow.ENROLMENTS: (Kind.ENROLMENT, Kind.LEARNER),
    Flow.RESULTS: (Kind.RESULT,),
}


@dataclass(frozen=True, slots=True)
class Centre:
    """A training centre and how its LMS is reached.

    ``connector`` names an entry point of the group ``lms_bridge.connectors``; ``options`` are that
    connector's own settings; the secret is kept apart, encrypted.
    """

    code: str
    name: str
    region: str
    connector: str
    address: str = ""
    country: str = ""
    languages: tuple[str, ...] = ("en",)
    time_zone: str = "UTC"
    options: Mapping[str, object] = field(default_factory=dict)
    policy: Mapping[str, object] = field(default_factory=dict)
    sample: bool = False
    active: bool = True

    @property
    def system(self) -> str:
        """The name under which links to this centre's LMS are kept."""
        return centre_system(self.code)


ACADEMY = "academy"
"""The name under which links to the Academy's platform are kept."""


def centre_system(code: str) -> str:
    return f"centre:{code}"


GRADEBOOK = "lti:"


def gradebook_system(connection: int) -> str:
    """The name under which links to the gradebook of an LTI platform are kept, by the number of
    its connection."""
    return f"{GRADEBOOK}{connection}"


def system_label(system: str) -> str:
    """What people call a system."""
    if system.startswith(GRADEBOOK):
        return f"gradebook of connection {system.removeprefix(GRADEBOOK)}"
    return system


@dataclass(frozen=True, slots=True)
class Meeting:
    """One session of an offering: UTC times, and a room or an address."""

    starts_at: datetime
    ends_at: datetime
    place: str = ""


@dataclass(frozen=True, slots=True)
class Offering:
    """One dated edition of a course.

    ``code`` is the bridge's own stable identity. ``lms_course`` names the course in the centre's
    LMS where several editions share one (then the edition becomes a group there). ``listed`` is
    False once the source no longer shows the offering; nothing is deleted. ``translations`` are its
    texts in every language that the source has (``domain.translations``).
    """

    code: str
    centre: str
    course_code: str
    title: str
    modality: Modality | None = None
    level: Level | None = None
    status: OfferingStatus = OfferingStatus.PUBLISHED
    listed: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    time_zone: str = "UTC"
    hours: Decimal | None = None
    registration: RegistrationType = RegistrationType.DIRECT
    registration_opens: datetime | None = None
    registration_closes: datetime | None = None
    seats: int | None = None
    price: Decimal | None = None
    currency: str = ""
    payment_methods: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    coordinators: tuple[str, ...] = ()
    organisers: tuple[str, ...] = ()
    location: str = ""
    description: str = ""
    audience: str = ""
    requirements: str = ""
    objectives: str = ""
    address: str = ""
    lms_course: str = ""
    meetings: tuple[Meeting, ...] = ()
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learner:
    """A person as the Academy knows them; ``academy_id`` is the stable identity."""

    academy_id: str
    given_name: str
    family_name: str
    email: str
    language: str = ""
    country: str = ""


REALM_MARK = "~"
"""Between a centre's code and the id that the centre gave a person. No id of the Academy has it."""


def realm_of(learner_id: str) -> str:
    """The code of the centre that made this identity; "" where the Academy did."""
    return learner_id.rpartition(REALM_MARK)[0]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A learner in an offering. Times are set only where they differ from the offering's."""

    learner: str
    offering: str
    status: EnrolmentStatus
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an enrolment. ``score`` is on the scale ``scale_min`` to ``scale_max``.

    A score of zero is a score; None means that there is none yet. ``completed`` is None where the
    source says nothing about completion.
    """

    learner: str
    offering: str
    score: Decimal | None = None
    scale_min: Decimal = Decimal(0)
    scale_max: Decimal = Decimal(100)
    completed: bool | None = None
    completed_at: datetime | None = None
    graded_at: datetime | None = None
