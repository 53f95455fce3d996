"""Targets: one kind of record at one system, to which ``push`` sends."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import (
    GONE,
    GONE_HASH,
    REMOVED,
    enrolment_document,
    is_public,
    offering_document,
    result_document,
)
from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import BridgeError, NotUnderstood, RecordRefused
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.policy import OnSuspended, Policy
from lms_bridge.domain.ports import (
    ACCOUNT_GONE,
    CENTRE_NAME,
    COURSE_GONE,
    REGION,
    Action,
    PageError,
    Removal,
    ShowsEnrolments,
    WriteFailed,
    WriteRequest,
    WriteResults,
    WritesEnrolments,
    WritesOfferings,
    WritesResults,
    Written,
)
from lms_bridge.store import (
    enrolments,
    links,
    offerings,
    outbox,
    results,
    source_digests,
    target_links,
)
from lms_bridge.store.tables import EMPTY
from lms_bridge.store.target_links import PendingWrite
from lms_bridge.sync.accounts import forget_account
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.drift import RETURNED, SUSPENDED, expected_states
from lms_bridge.sync.editions import CODE, EXTRAS, TITLE, extras_of_editions


@dataclass(frozen=True, slots=True)
class Payload:
    """A document to send, and external ids that go with it."""

    document: Document
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that was there before the bridge sent it, so it is not the bridge's own.

    ``document`` is what the target holds of it.
    """

    key: int
    external_id: str
    document: Document


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the target held before anything is created there."""

    found: tuple[FoundRecord, ...] = ()
    refused: tuple[WriteFailed, ...] = ()

    @property
    def keys(self) -> set[int]:
        return {each.key for each in self.found} | {each.key for each in self.refused}

    def without(self, keys: Collection[int]) -> Preflight:
        if not keys:
            return self
        return Preflight(
            tuple(each for each in self.found if each.key not in keys),
            tuple(each for each in self.refused if each.key not in keys),
        )


class Target(Protocol):
    """One kind of record at one system."""

    kind: Kind
    system: str

    def payloads(self, tx: Connection, due: Sequence[PendingWrite]) -> Mapping[int, Payload]:
        """{link id: payload} of what can be sent now. The rest waits for another record."""
        ...

    def preflight(self, requests: Sequence[WriteRequest]) -> Preflight:
        """Looks for records that are about to be created. Only those that it does not find count
        as created by the bridge."""
        ...

    def after_preflight(self, tx: Connection, preflight: Preflight) -> None:
        """Stores what the target needs of the preflight."""
        ...

    def write(self, requests: Sequence[WriteRequest]) -> WriteResults: ...

    def should_skip(self, pending: PendingWrite, action: Action) -> bool:
        """Whether an update or a removal is left out, because the record there is not ours."""
        ...

    def owns(self, pending: PendingWrite, action: Action, done: Written) -> bool:
        """Whether the record is the bridge's own after this request."""
        ...

    def after_write(
        self, tx: Connection, done: Sequence[Written], failed: Sequence[WriteFailed]
    ) -> None:
        """Stores what the target needs of outcomes, in the transaction of their links."""
        ...

    def held_document(self, pending: PendingWrite, document: Document, done: Written) -> Document:
        """What is remembered of the document that the target acknowledged."""
        ...

    def scope(self, external_id: str) -> str: ...


def read_rosters(
    peer: object, offerings: Sequence[str]
) -> tuple[dict[str, str], dict[str, BridgeError]]:
    """({``<offering>/<account>``: state} of everybody in these courses, {offering: why its roster
    could not be read}). Nobody counts as absent from an unread roster.

    Both are empty for a system that cannot show rosters.

    Raises:
        StopRun, RetryLater: no roster can be read now.
    """
    shown: dict[str, str] = {}
    unread: dict[str, BridgeError] = {}
    if not offerings or not isinstance(peer, ShowsEnrolments):
        return shown, unread
    for page in peer.show_enrolments(offerings):
        if isinstance(page, PageError):
            unread[page.scope] = page.error
            continue
        try:
            raws = list(page.parse())
        except NotUnderstood as error:
            unread[page.scope] = error
            continue
        shown.update((raw.external_id, str(raw.fields.get("state", ""))) for raw in raws)
    return shown, unread


REACTIVATED = "reactivated"
"""Marks an enrolment of the centre's own that was suspended before the bridge made it active."""

ROSTER_SECONDS = 300.0
"""How long a roster counts as the state before the bridge wrote anything."""


class PlainTarget:
    """A target without preflight, which sends every removal."""

    def preflight(self, requests: Sequence[WriteRequest]) -> Preflight:
        return Preflight()

    def after_preflight(self, tx: Connection, preflight: Preflight) -> None:
        return None

    def should_skip(self, pending: PendingWrite, action: Action) -> bool:
        return False

    def owns(self, pending: PendingWrite, action: Action, done: Written) -> bool:
        return pending.created_by_us or (action is Action.CREATE and done.created_by_us)

    def after_write(
        self, tx: Connection, done: Sequence[Written], failed: Sequence[WriteFailed]
    ) -> None:
        return None

    def held_document(self, pending: PendingWrite, document: Document, done: Written) -> Document:
        return document

    def scope(self, external_id: str) -> str:
        return external_id


@dataclass
class OfferingTarget(PlainTarget):
    """The Academy's catalogue. What a field cannot hold there is no conflict later on."""

    peer: WritesOfferings
    context: RunContext
    kind: Kind = Kind.OFFERING
    system: str = ACADEMY
    _new: dict[int, int] = field(default_factory=dict)
    """{link id: record id} of what the Academy does not show yet."""

    def payloads(self, tx: Connection, due: Sequence[PendingWrite]) -> Mapping[int, Payload]:
        records = offerings.offerings(tx, [each.record_id for each in due])
        self._new = {
            each.link_id: each.record_id
            for each in due
            if each.acknowledged in (EMPTY, GONE_HASH) and is_public(records[each.record_id])
        }
        centre = self.context.centre
        return {
            each.link_id: Payload(
                offering_document(records[each.record_id]),
                {
                    "code": records[each.record_id].code,
                    CENTRE_NAME: centre.name,
                    REGION: centre.region,
                },
            )
            for each in due
        }

    def write(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return self.peer.write_offerings(requests)

    def held_document(self, pending: PendingWrite, document: Document, done: Written) -> Document:
        return {**document, **done.shown_as, **done.held}

    def after_write(
        self, tx: Connection, done: Sequence[Written], failed: Sequence[WriteFailed]
    ) -> None:
        shown = {each.external_id for each in done}
        # Only now whoever is told of them, or follows changes, finds them.
        found = [self._new[each.key] for each in done if each.key in self._new]
        offerings.note_found(tx, found)
        outbox.add_new(tx, self.kind, found)
        feed = f"shown:{self.context.centre.code}"
        source_digests.forget_digests(tx, self.system, self.kind, feed, shown)
        for each in failed:
            if each.error.code == COURSE_GONE:  # its source changed, so the next run makes it again
                target_links.set_acknowledged(tx, each.key, GONE)


@dataclass
class ResultTarget(PlainTarget):
    """The Academy's register of results. A result waits until the Academy knows the offering."""

    peer: WritesResults
    kind: Kind = Kind.RESULT
    system: str = ACADEMY

    def payloads(self, tx: Connection, due: Sequence[PendingWrite]) -> Mapping[int, Payload]:
        stored = results.results(tx, [each.record_id for each in due])
        holders = enrolments.enrolments(tx, {enrolment_id for enrolment_id, _ in stored.values()})
        there = links.external_ids(
            tx, self.system, Kind.OFFERING, {each.offering_id for each in holders.values()}
        )
        payloads = {}
        for each in due:
            enrolment_id, record = stored[each.record_id]
            offering = there.get(holders[enrolment_id].offering_id)
            if offering is not None:
                extras = {"offering": offering, "account": record.learner}
                payloads[each.link_id] = Payload(
                    {**result_document(record), "offering": record.offering}, extras
                )
        return payloads

    def write(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return self.peer.write_results(requests)


@dataclass
class EnrolmentTarget(PlainTarget):
    """A centre's courses. An enrolment waits for its course and for its learner's account."""

    peer: WritesEnrolments
    context: RunContext
    kind: Kind = Kind.ENROLMENT
    system: str = ""
    policy: Policy = field(default_factory=Policy)
    moved: bool = False
    """Whether an edition has another course now. Its learners enter it after they left the old."""
    awaiting: dict[int, int] = field(default_factory=dict)
    """{link id: learner} of enrolments that wait for nothing but an account."""
    _learner_ids: dict[int, int] = field(default_factory=dict)
    _learners: dict[int, str] = field(default_factory=dict)
    _moved: set[int] = field(default_factory=set)
    _reactivated: set[int] = field(default_factory=set)
    """Enrolments of the centre's own that the bridge made active: it suspends them at the end."""
    _unseen: set[int] = field(default_factory=set)
    """Writes that change nothing of what the roster may show: dates, as a rule."""
    _read: set[str] = field(default_factory=set)
    _shown: dict[str, str] = field(default_factory=dict)
    _unreadable: dict[str, BridgeError] = field(default_factory=dict)
    _read_at: float = -math.inf

    def __post_init__(self) -> None:
        self.system, self.policy = self.context.centre.system, self.context.policy

    def payloads(self, tx: Connection, due: Sequence[PendingWrite]) -> Mapping[int, Payload]:
        stored = enrolments.enrolments(tx, [each.record_id for each in due])
        courses = {each.offering_id for each in stored.values()}
        records = offerings.offerings(tx, courses)
        there = links.external_ids(tx, self.system, Kind.OFFERING, courses)
        accounts = links.external_ids(
            tx, self.system, Kind.LEARNER, {each.learner_id for each in stored.values()}
        )
        of_editions = extras_of_editions(tx, self.system, stored.values(), records)
        # Of these requests alone: those of a whole first import would be much to remember.
        self._learner_ids, self._learners, self._unseen, self.awaiting = {}, {}, set(), {}
        payloads = {}
        for each in due:
            enrolment = stored[each.record_id]
            self._learner_ids[each.link_id] = enrolment.learner_id
            self._learners[each.link_id] = enrolment.record.learner
            if (each.held_document or {}).get(REACTIVATED):
                self._reactivated.add(each.link_id)
            offering, account = (
                there.get(enrolment.offering_id),
                accounts.get(enrolment.learner_id),
            )
            if offering is not None and account is None:
                self.awaiting[each.link_id] = enrolment.learner_id
            if offering is not None and account is not None:
                payload = self._leaving(each, offering) or Payload(
                    enrolment_document(enrolment.record, records[enrolment.offering_id]),
                    {
                        "offering": offering,
                        "account": account,
                        CODE: records[enrolment.offering_id].code,
                        TITLE: records[enrolment.offering_id].title,
                        **self._may_reactivate,
                        **of_editions.get(each.record_id, {}),
                    },
                )
                payloads[each.link_id] = payload
                if self._is_unseen(each, payload):
                    self._unseen.add(each.link_id)
        return payloads

    def _is_unseen(self, pending: PendingWrite, payload: Payload) -> bool:
        """Whether what the roster showed last is still right after this write, and the enrolment's
        grades are known. Then nothing needs to be read again."""
        held, document, now = pending.held_document, payload.document, self.context.now()
        if held is None or pending.sending or pending.tolerated:
            return False
        return (
            pending.external_id == "{offering}/{account}".format_map(payload.extras)
            and held.get("state") == document["state"]
            and expected_states(held, now) == expected_states(document, now)
        )

    @property
    def _may_reactivate(self) -> dict[str, str]:
        return {} if self.policy.suspended is OnSuspended.LEAVE else {"reactivate": "yes"}

    def _leaving(self, pending: PendingWrite, offering: str) -> Payload | None:
        """The end of an enrolment in the course that its edition had before. The enrolment in the
        new course is sent after that."""
        course, _, account = pending.external_id.rpartition("/")
        if pending.acknowledged in (EMPTY, GONE_HASH) or not course or course == offering:
            return None
        self.moved = True
        self._moved.add(pending.link_id)
        return Payload(dict(GONE), {"offering": course, "account": account})

    def preflight(self, requests: Sequence[WriteRequest]) -> Preflight:
        """Who is on a roster before the bridge enrolled them was put there by somebody else."""
        rosters = self._rosters({str(request.desired["offering"]) for request in requests})
        found = []
        refused = []
        for request in requests:
            unread = self._unreadable.get(str(request.desired["offering"]))
            if unread is not None:
                refused.append(WriteFailed(request.key, unread))
                continue
            external_id = f"{request.desired['offering']}/{request.desired['account']}"
            state = rosters.get(external_id)
            if state == SUSPENDED and self.policy.suspended is OnSuspended.LEAVE:
                error = self._suspended(request)
                refused.append(WriteFailed(request.key, error))
            elif state is not None:
                # The bridge makes another's enrolment active, and it stays another's.
                document = {k: v for k, v in request.desired.items() if k not in _EXTRAS}
                found.append(FoundRecord(request.key, external_id, {**document, "state": state}))
        return Preflight(tuple(found), tuple(refused))

    def _suspended(self, request: WriteRequest) -> RecordRefused:
        return RecordRefused(
            "suspended-there",
            f"The centre itself enrolled learner {self._learners[request.key]} in course "
            f"{request.desired['offering']}, and suspended them.",
            "Ask the centre to lift that, or let the bridge do it: policy.suspended = "
            '"reactivate".',
        )

    def _rosters(self, courses: set[str]) -> Mapping[str, str]:
        """The rosters before the push. They are read once, and again when they are old: reading
        them for every page would cost more than the enrolling."""
        if time.monotonic() - self._read_at > ROSTER_SECONDS:
            self._read_at = time.monotonic()
            self._read.clear()
            self._shown.clear()
        shown, self._unreadable = read_rosters(self.peer, sorted(courses - self._read))
        self._shown.update(shown)
        self._read |= courses - self._unreadable.keys()
        return self._shown

    def write(self, requests: Sequence[WriteRequest]) -> WriteResults:
        again = [each for each in requests if self._is_undone(each)]
        yield from self.peer.write_enrolments(again, Removal.SUSPEND)
        rest = [each for each in requests if not self._is_undone(each)]
        yield from self.peer.write_enrolments(rest, self.policy.removal)

    def _is_undone(self, request: WriteRequest) -> bool:
        return request.action is Action.REMOVE and request.key in self._reactivated

    def held_document(self, pending: PendingWrite, document: Document, done: Written) -> Document:
        """The document, with a mark if the centre had suspended this enrolment, or if it is
        removed once more."""
        held = pending.held_document or {}
        was_suspended = held.get("state") == SUSPENDED and not pending.created_by_us
        if was_suspended or held.get(REACTIVATED) or done.note == REACTIVATED:
            return {**document, REACTIVATED: True}
        if held.get(RETURNED) and document.get("state") == REMOVED:
            return {**document, RETURNED: True}
        return document

    def should_skip(self, pending: PendingWrite, action: Action) -> bool:
        if action is not Action.REMOVE or pending.link_id in self._reactivated:
            return False
        return not self._is_ours(pending) or self.policy.removal is Removal.KEEP

    def _is_ours(self, pending: PendingWrite) -> bool:
        """A creation with a lost response is ours, too, because preflight had found nobody."""
        creating = pending.sending and pending.acknowledged in (EMPTY, GONE_HASH)
        return pending.created_by_us or creating

    def owns(self, pending: PendingWrite, action: Action, done: Written) -> bool:
        """After an unenrolment nothing of ours is left: a later one is somebody else's."""
        if action is Action.REMOVE and (
            self.policy.removal is Removal.UNENROL or pending.link_id in self._moved
        ):
            return False
        return self._is_ours(pending) or super().owns(pending, action, done)

    def after_preflight(self, tx: Connection, preflight: Preflight) -> None:
        self._read_grades(tx, [found.external_id for found in preflight.found])

    def after_write(
        self, tx: Connection, done: Sequence[Written], failed: Sequence[WriteFailed]
    ) -> None:
        for key in {each.key for each in failed if each.error.code == ACCOUNT_GONE}:
            forget_account(tx, self.context, self._learner_ids[key], "")
        seen = [each.external_id for each in done if each.key not in self._unseen]
        self._read_grades(tx, seen)
        # If somebody undoes this, the roster has the same bytes again, and must be read.
        courses = {self.scope(each) for each in seen}
        source_digests.forget_digests(tx, self.system, self.kind, "shown", courses)

    def _read_grades(self, tx: Connection, external_ids: Sequence[str]) -> None:
        """A new enrolment has grades that were ignored before, so its course is read again."""
        courses = {self.scope(each) for each in external_ids}
        source_digests.forget_digests(tx, self.system, Kind.RESULT, "source", courses)

    def scope(self, external_id: str) -> str:
        return external_id.rpartition("/")[0]


_EXTRAS = frozenset({"offering", "account", "reactivate"}) | EXTRAS
