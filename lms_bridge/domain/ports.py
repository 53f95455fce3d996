"""The ports of outside systems: small protocols, found by ``isinstance``.

A capability is a protocol, never a flag: a connector implements those that it supports. Reading
yields **pages**: the exact bytes of the source, parsed only if they changed. Writing takes
**write requests** and yields one **write result** for each record.

Sides: a centre's LMS implements ``ReadsOfferings``, ``ShowsEnrolments``, ``WritesLearners``,
``WritesEnrolments``, ``ReadsResults``; the Academy's platform ``WritesOfferings``,
``ShowsOfferings``, ``ReadsRegistrations``, ``FollowsRegistrations``, ``WritesResults``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Protocol, runtime_checkable

from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.document import Document, Json
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lti_ports import LtiSystem


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as a source gives it: its id there, and fields in the names of the schemas.

    ``fields`` holds only what the source said, unchecked; values are JSON values.
    """

    external_id: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Slices:
    """The records of a page as bytes, one slice for each, of which few are parsed if few changed.

    ``cut`` finds the slices without parsing them, ``parse`` makes the record of one. Both may raise
    ``NotUnderstood``. A slice says all of its record: the same bytes are the same record.
    """

    cut: Callable[[], Sequence[bytes]]
    parse: Callable[[bytes], RawRecord]


@dataclass(frozen=True, slots=True)
class Page:
    """All that a source shows of one scope (a category, a course, a page).

    ``body`` is the exact bytes, in one or more parts; ``parse`` turns them into records and may
    raise ``NotUnderstood``. ``whole`` is False for a partial page (changes since a cursor): a
    record that it leaves out is not gone. ``cursor`` is where to go on from next time.
    ``isolated``: as for ``PageError``, if it cannot be parsed. ``slices``, where the connector has
    them, give the same records as ``parse``.
    """

    scope: str
    body: tuple[bytes, ...]
    parse: Callable[[], Iterable[RawRecord]]
    whole: bool = True
    cursor: str = ""
    isolated: bool = False
    slices: Slices | None = None


@dataclass(frozen=True, slots=True)
class PageError:
    """A scope that could not be read. Nothing may be concluded about its records.

    ``isolated`` says that no record can come up in another scope instead: then the scopes that were
    read still count, even where the feed as a whole has to be read to its end. ``exact`` says that
    ``scope`` is the name that its page would have: then other scopes that are missing have ended.
    ``gone`` says that the system does not hold the scope any more. ``helps`` is a command: the
    scope was not even tried, and waits until a person runs it. That is no failure.
    """

    scope: str
    error: BridgeError
    isolated: bool = False
    gone: bool = False
    exact: bool = False
    helps: str = ""


Pages = Iterator[Page | PageError]
"""A whole snapshot, page by page. It raises an error if it cannot be whole."""


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


class Removal(StrEnum):
    """What becomes of an enrolment at the centre when it ends at the Academy."""

    KEEP = "keep"
    SUSPEND = "suspend"
    SUSPEND_DROP_ROLE = "suspend_drop_role"
    UNENROL = "unenrol"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One record to write. ``key`` names it in the outcome.

    ``external_id`` is empty when the target does not know the record yet; ``desired`` is the whole
    document, ``changed`` the fields that differ from what the target last acknowledged.
    ``is_retry`` is True when an earlier attempt may have reached the target: look before creating.
    """

    key: int
    action: Action
    external_id: str
    desired: Document
    changed: tuple[str, ...] = ()
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The target acknowledged a request.

    ``created_by_us`` is False when the record was there already. The bridge then never removes it.
    ``held`` are fields that the target cannot hold as they were sent, as it holds them now.
    ``shown_as`` are fields that it holds in a form of its own, which means the same.
    """

    key: int
    external_id: str
    created_by_us: bool = True
    note: str = ""
    held: Mapping[str, Json] = field(default_factory=dict)
    shown_as: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """The target refused a request. The class of the error says what to do.

    ``accounts`` are those from which a person may choose the learner's, each with a reason.
    ``arrived``: a part of it is there now, and is the bridge's.
    """

    key: int
    error: BridgeError
    accounts: tuple[tuple[str, str], ...] = ()
    arrived: bool = False


WriteResults = Iterator[Written | WriteFailed]
"""One result per request, in any order, as they become known. A raised error ends the writing:
requests without a result have then neither succeeded nor failed."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account in a centre's LMS that might be a learner's."""

    external_id: str
    stable_id: str = ""
    email: str = ""
    name: str = ""


@runtime_checkable
class ReadsOfferings(Protocol):
    def read_offerings(self) -> Pages:
        """Fields of each record: those of ``lms_bridge.schemas.records.OfferingSchema``."""
        ...


@runtime_checkable
class ResumesOfferings(ReadsOfferings, Protocol):
    """A catalogue of several pages that may take longer than one run."""

    def resume_offerings(self, read: Collection[str]) -> Pages:
        """The pages of a reading that ran out of time, without the scopes that it read."""
        ...


@runtime_checkable
class ReadsResults(Protocol):
    def read_results(self, offerings: Sequence[str]) -> Pages:
        """One answer per offering (its external id is the scope), and an error beside it if a
        part was not seen. Records' ids are ``<offering>/<account>``; fields: those of
        ``ResultSchema``. What a record leaves out keeps its value: an empty score is None."""
        ...


@dataclass(frozen=True, slots=True)
class Visits:
    """Who is in a course and when each of them was there last, as bytes, and the last visit of all
    in seconds since 1970. Neither learner nor teacher changes a result without a visit."""

    people: bytes = field(repr=False)
    last: int


@runtime_checkable
class ShowsVisits(Protocol):
    def visits(self, offerings: Sequence[str]) -> Mapping[str, Visits]:
        """Those of courses for which the system tells it. The results of the others are read."""
        ...


@runtime_checkable
class UsesAcademyIds(Protocol):
    """A centre that keeps no accounts: its results name learners by the Academy's ids."""

    academy_ids: bool


@runtime_checkable
class ShowsEnrolments(Protocol):
    def show_enrolments(self, offerings: Sequence[str]) -> Pages:
        """One answer per offering: who is on its roster, everybody. Records' ids are
        ``<offering>/<account>``; the field ``state`` is ``active`` or ``suspended``."""
        ...


@runtime_checkable
class ExplainsRosters(Protocol):
    def roster_problems(self, offerings: Sequence[str]) -> Mapping[str, BridgeError]:
        """{offering: why nobody whom the bridge enrolled there is active}, where the system can
        tell."""
        ...


@runtime_checkable
class FindsOfferings(Protocol):
    def find_offering(self, lms_course: str, offering: str) -> str | None:
        """The external id under which an edition of the named course is addressed, or None."""
        ...


@runtime_checkable
class KnowsOfferingsByCode(Protocol):
    def external_id_of(self, offering: str) -> str:
        """The external id of an offering that came by another way: for systems in which every
        offering of the centre has its place, whether it names a course or not."""
        ...


@runtime_checkable
class FindsAccounts(Protocol):
    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]: ...

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        """Keys are the e-mail addresses as given; those that nobody has are left out."""
        ...


@runtime_checkable
class ShowsAccounts(Protocol):
    def show_accounts(self, documents: Mapping[str, Document]) -> Pages:
        """What the system holds of accounts, given as {external id: what it acknowledged}. Each
        record is that document with what differs; ``state`` is ``active``, ``suspended``,
        ``unconfirmed`` (its holder or the centre has to confirm it), ``locked`` (nobody can log in
        to it) or ``gone``. Accounts that are not seen are left out."""
        ...


ACCOUNT_GONE = "account-gone"
"""The code of an error that says: this account was deleted. The learner is then matched anew."""


CENTRE_NAME, REGION = "centre_name", "region"
"""What goes with an offering's document: the name of its centre, and the region of that."""
COURSE_GONE = "course-gone"
"""The code of an error that says: the course that stands for the offering was deleted."""


@runtime_checkable
class KnowsUse(Protocol):
    def accounts_in_use(self, ids: Collection[str]) -> frozenset[str]:
        """Those of the accounts that are active in a course, whoever enrolled them."""
        ...


@runtime_checkable
class WritesLearners(Protocol):
    def write_learners(self, requests: Sequence[WriteRequest]) -> WriteResults:
        """Documents: those of ``desired_state.learner_document``, with ``decided`` if a person
        said that no account there is the learner's. ``is_retry`` says that an earlier attempt may
        have made the account; no other account may be taken for the bridge's own.

        Removal suspends an account that nothing needs any more, and never deletes it. A request to
        create one with an external id makes such an account active again."""
        ...


@runtime_checkable
class WritesEnrolments(Protocol):
    def write_enrolments(self, requests: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        """Documents: those of ``desired_state.enrolment_document`` together with ``offering`` and
        ``account``, the external ids of both. Nobody who is enrolled already and whose request does
        not say ``is_retry`` is counted as made by the bridge."""
        ...


@runtime_checkable
class GivesTeachers(Protocol):
    gives_teachers: bool
    """Whether the centre's settings want it."""

    def is_in_course(self, course: str, account: str) -> bool:
        """Whether an account is in a course, in whatever role."""
        ...

    def give_teacher(self, course: str, account: str) -> None:
        """Gives an account that was not in the course the teacher's role there. To do it twice has
        no effect."""
        ...

    def take_teacher(self, course: str, account: str, removal: Removal) -> None:
        """Takes the role back, and the place in the course unless the account has another role."""
        ...


@runtime_checkable
class WritesOfferings(Protocol):
    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        """Documents: those of ``desired_state.offering_document`` together with ``CENTRE_NAME`` and
        ``REGION``. Removal means that the offering is no longer shown to the public; nothing is
        deleted."""
        ...


@runtime_checkable
class ShowsOfferings(Protocol):
    def show_offerings(self, external_ids: Sequence[str]) -> Pages:
        """What the target shows now, in the field names of the documents that it was sent; fields
        that it does not show are left out."""
        ...


@runtime_checkable
class ReadsRegistrations(Protocol):
    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        """All registrations for one centre's offerings, given as {external id: code}. Fields: those
        of ``RegistrationSchema``."""
        ...


@runtime_checkable
class FollowsRegistrations(Protocol):
    def registrations_since(self, centre: str, offerings: Mapping[str, str], cursor: str) -> Pages:
        """What changed since the cursor of an earlier answer; answers are not ``whole``."""
        ...


@runtime_checkable
class WritesResults(Protocol):
    def write_results(self, requests: Sequence[WriteRequest]) -> WriteResults:
        """Documents: those of ``desired_state.result_document`` together with ``offering`` and
        ``account``, the external ids of both at this target."""
        ...


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """One line of a probe. ``affects`` names the flows that will not work because of it."""

    check: str
    verdict: Verdict
    message: str
    remedy: str = ""
    affects: tuple[str, ...] = ()


@runtime_checkable
class Probes(Protocol):
    def probe(self) -> Iterator[ProbeFinding]:
        """Looks at everything that the flows need, and changes nothing that lasts."""
        ...


@runtime_checkable
class Closes(Protocol):
    def close(self) -> None:
        """Ends connections. The system is not used afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Option:
    """One setting of a connector, as shown by ``centre add`` and in the documentation.

    ``kind`` is one of ``text``, ``number``, ``flag``, ``list``, ``map``. Every number has
    ``bounds``.
    """

    name: str
    kind: str
    default: object
    help: str
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard one system may be pressed. Times in seconds.

    ``total_seconds`` bounds one request from its beginning to the last byte of its answer, with all
    its attempts and the waits between them; 0: four times ``read_seconds``.
    """

    calls_at_once: Annotated[int, Bounds(1, 64)] = 4
    connect_seconds: Annotated[float, Bounds(0.1, 120)] = 5.0
    read_seconds: Annotated[float, Bounds(0.1, 600)] = 60.0
    total_seconds: Annotated[float, Bounds(0, 7200)] = 0.0
    attempts: Annotated[int, Bounds(1, 20)] = 4
    backoff_seconds: Annotated[float, Bounds(0, 60)] = 0.5
    backoff_most_seconds: Annotated[float, Bounds(0, 3600)] = 30.0
    break_after: Annotated[int, Bounds(1, 1000)] = 8
    break_seconds: Annotated[float, Bounds(0, 3600)] = 60.0
    most_bytes: Annotated[int, Bounds(1024, 1024**3)] = 64 * 1024 * 1024

    @property
    def whole_seconds(self) -> float:
        return self.total_seconds or 4 * self.read_seconds


@dataclass(frozen=True, slots=True)
class SystemAccess:
    """Everything a connector needs to open one system. The secret never appears in its repr.

    ``removal`` is the centre's policy, for a check of what it needs. ``lti`` is there for
    connectors that ask for it (``Connector.needs_lti``).
    """

    system: str
    address: str
    secret: str = field(repr=False)
    options: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    time_zone: str = "UTC"
    languages: tuple[str, ...] = ()
    private_addresses: bool = False
    removal: Removal = Removal.SUSPEND
    lti: LtiSystem | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Connector:
    """A kind of outside system, found through the entry point group ``lms_bridge.connectors``.

    ``open`` returns an object that implements some of this module's protocols; it makes no request
    and raises ``SettingsInvalid`` with every problem at once. ``sides`` holds ``centre``,
    ``academy`` or both.
    """

    name: str
    title: str
    sides: frozenset[str]
    open: Callable[[SystemAccess], object]
    options: tuple[Option, ...] = ()
    needs_address: bool = True
    needs_secret: bool = True
    needs_lti: bool = False
    reads_locally: bool = False
    """Whether reading its offerings costs no request to another system. They are then read by day,
    too."""
