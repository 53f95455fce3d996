"""What the core asks of an outside system: small protocols, found by ``isinstance``.

A capability is a protocol, never a flag: a connector implements the ones it can honour. Reading is
by **answers**: the bytes exactly as the source sent them, with a way to parse them that is only
used when the bytes changed. Writing is by **orders** and their **outcomes**, one per record.

Sides: a centre's LMS implements ``ReadsOfferings``, ``ShowsEnrolments``, ``WritesLearners``,
``WritesEnrolments``, ``ReadsResults``; the Academy's platform ``WritesOfferings``,
``ShowsOfferings``, ``ReadsRegistrations``, ``FollowsRegistrations``, ``WritesResults``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lti_ports import LtiSystem


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as a source gives it: its id there, and fields in the names of the schemas.

    ``fields`` holds only what the source said, unchecked; values are JSON values.
    """

    external_id: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source said about one scope (a category, a course, a page), and all of it.

    ``body`` is the exact bytes, in one or more parts; ``parse`` turns them into records and may
    raise ``NotUnderstood``. ``whole`` is False for a partial answer (changes since a cursor): its
    silence about a record then means nothing. ``cursor`` is where to go on from next time.
    ``alone``: as for ``Unread``, should it not be understood.
    """

    scope: str
    body: tuple[bytes, ...]
    parse: Callable[[], Iterable[Raw]]
    whole: bool = True
    cursor: str = ""
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A scope that could not be read. Nothing may be concluded about its records.

    ``alone`` says that no record can come up in another scope instead: then the scopes that were
    read still count, even where the feed as a whole has to be read to its end.
    """

    scope: str
    error: BridgeError
    alone: bool = False


Reading = Iterator[Answer | Unread]
"""A whole snapshot, answer by answer; ends with an error when it cannot be whole."""


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
class Order:
    """One record to write. ``key`` names it in the outcome.

    ``external_id`` is empty when the target does not know the record yet; ``wanted`` is the whole
    document, ``changed`` the fields that differ from what the target last acknowledged.
    ``again`` is True when an earlier attempt may have reached the target: look before creating.
    """

    key: int
    action: Action
    external_id: str
    wanted: Document
    changed: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The target acknowledged an order. ``made`` is False when the record was there already and
    is not the bridge's own: it will then never be removed by the bridge."""

    key: int
    external_id: str
    made: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The target did not take an order; the class of the error says what to do about it."""

    key: int
    error: BridgeError


Outcomes = Iterator[Done | Failed]
"""One outcome per order, in any order, as they become known. An error raised ends the writing:
orders without an outcome are then neither done nor failed."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account in a centre's LMS that might be a learner's."""

    external_id: str
    stable_id: str = ""
    email: str = ""
    name: str = ""


@runtime_checkable
class ReadsOfferings(Protocol):
    def read_offerings(self) -> Reading:
        """Fields of each record: those of ``lms_bridge.schemas.offering.OfferingSchema``."""
        ...


@runtime_checkable
class ReadsResults(Protocol):
    def read_results(self, offerings: Sequence[str]) -> Reading:
        """One answer per offering (its external id is the scope). Records' ids are
        ``<offering>/<account>``; fields: those of ``ResultSchema``."""
        ...


@runtime_checkable
class ShowsEnrolments(Protocol):
    def show_enrolments(self, offerings: Sequence[str]) -> Reading:
        """One answer per offering: who is on its roster, everybody. Records' ids are
        ``<offering>/<account>``; the field ``state`` is ``active`` or ``suspended``."""
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
class WritesLearners(Protocol):
    def write_learners(self, orders: Sequence[Order]) -> Outcomes:
        """Documents: those of ``domain.wanted.learner_document``."""
        ...


@runtime_checkable
class WritesEnrolments(Protocol):
    def write_enrolments(self, orders: Sequence[Order], removal: Removal) -> Outcomes:
        """Documents: those of ``domain.wanted.enrolment_document`` together with ``offering`` and
        ``account``, the external ids of both. Nobody who is enrolled already and whose order does
        not say ``again`` is counted as made by the bridge."""
        ...


@runtime_checkable
class WritesOfferings(Protocol):
    def write_offerings(self, orders: Sequence[Order]) -> Outcomes:
        """Documents: those of ``domain.wanted.offering_document``. Removal means that the offering
        is no longer shown to the public; nothing is deleted."""
        ...


@runtime_checkable
class ShowsOfferings(Protocol):
    def show_offerings(self, external_ids: Sequence[str]) -> Reading:
        """What the target shows now, in the field names of the documents that it was sent; fields
        that it does not show are left out."""
        ...


@runtime_checkable
class ReadsRegistrations(Protocol):
    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Reading:
        """All registrations for one centre's offerings, given as {external id: code}. Fields: those
        of ``RegistrationSchema``."""
        ...


@runtime_checkable
class FollowsRegistrations(Protocol):
    def registrations_since(
        self, centre: str, offerings: Mapping[str, str], cursor: str
    ) -> Reading:
        """What changed since the cursor of an earlier answer; answers are not ``whole``."""
        ...


@runtime_checkable
class WritesResults(Protocol):
    def write_results(self, orders: Sequence[Order]) -> Outcomes:
        """Documents: those of ``domain.wanted.result_document`` together with ``offering`` and
        ``account``, the external ids of both at this target."""
        ...


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a probe. ``affects`` names the flows that will not work because of it."""

    check: str
    verdict: Verdict
    message: str
    remedy: str = ""
    affects: tuple[str, ...] = ()


@runtime_checkable
class Probes(Protocol):
    def probe(self) -> Iterator[Finding]:
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

    ``kind`` is one of ``text``, ``number``, ``flag``, ``list``, ``map``.
    """

    name: str
    kind: str
    default: object
    help: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard one system may be pressed. Times in seconds."""

    calls_at_once: int = 4
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    attempts: int = 4
    backoff_seconds: float = 0.5
    backoff_most_seconds: float = 30.0
    break_after: int = 8
    break_seconds: float = 60.0
    most_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a connector needs to open one system. The secret never appears in its repr.

    ``lti`` is there for connectors that ask for it (``Connector.needs_lti``).
    """

    system: str
    address: str
    secret: str = field(repr=False)
    options: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    time_zone: str = "UTC"
    languages: tuple[str, ...] = ()
    private_addresses: bool = False
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
    open: Callable[[Access], object]
    options: tuple[Option, ...] = ()
    needs_address: bool = True
    needs_lti: bool = False
