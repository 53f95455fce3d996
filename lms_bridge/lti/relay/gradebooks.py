"""Gradebooks: results are sent as scores to the platforms from which learners came.

The gradebook of one platform is one target of ``lms_bridge.sync``, with the same retries, holds and
audit as every other target. Source: Assignment and Grade Services 2.0, sections 3.2 and 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import result_document
from lms_bridge.domain.errors import RecordRefused, StopRun
from lms_bridge.domain.model import Kind, Offering, Result, gradebook_system
from lms_bridge.domain.ports import Limits, WriteFailed, WriteRequest, WriteResults, Written
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.tool.grade_service import (
    NOT_FOUND,
    PlatformLineItem,
    SentScore,
    find_or_create,
    line_items,
    post_score,
)
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.service_client import ServiceClient, ServiceClients
from lms_bridge.lti.vocabulary import LINE_ITEM, LINE_ITEM_READ
from lms_bridge.store import enrolments, launch_origins, offerings, results
from lms_bridge.store.launch_origins import KnownLineItem, LaunchOrigin
from lms_bridge.store.target_links import PendingWrite
from lms_bridge.sync.targets import Payload, PlainTarget, Preflight

TAG = "lms-bridge"
CourseKey = tuple[int, str]
"""An offering's id, and the address of the line items of the platform's course."""


class LineItemLookup:
    """Finds or creates the line items of one platform.

    ``new`` are those that no launch contained: {course: (address before, address)}. If a course
    refuses, the bridge remembers this and tries it only once. Other courses are not affected.
    """

    def __init__(self, client: ServiceClient) -> None:
        self.client = client
        self.new: dict[CourseKey, tuple[str, str]] = {}
        self._found: dict[CourseKey, tuple[str, str]] = {}
        self._refused: dict[CourseKey, RecordRefused] = {}

    def of(self, origin: LaunchOrigin, offering: Offering) -> str:
        """The address of the line item for an origin's score.

        Raises:
            RecordRefused: no launch contained one, and none can be found or created.
            RetryLater: the platform does not answer now.
        """
        found = self._found.get(_course(origin))
        if found is not None and origin.line_item in found:
            return found[1]
        return origin.line_item or self._lookup(origin, offering)

    def replacement(self, origin: LaunchOrigin, offering: Offering, lost: str) -> str:
        """The address that replaces a line item which returned 404. It is the same address if that
        is still listed, and "" if the platform lists none.

        Raises:
            RecordRefused, RetryLater: as above.
        """
        if not origin.line_items or not _may_list(origin):
            return ""
        try:
            listed = line_items(self.client, _grading(origin))
        except StopRun as error:
            raise _refusal(error) from None
        if any(each.address == lost for each in listed):
            return lost
        return self._lookup(origin, offering)

    def _lookup(self, origin: LaunchOrigin, offering: Offering) -> str:
        course = _course(origin)
        if course in self._refused:
            raise self._refused[course]
        try:
            address = self._find(origin, offering)
        except StopRun as error:
            self._refused[course] = _refusal(error)
            raise self._refused[course] from None
        except RecordRefused as error:
            self._refused[course] = error
            raise
        self._found[course] = self.new[course] = (origin.line_item, address)
        return address

    def _find(self, origin: LaunchOrigin, offering: Offering) -> str:
        desired = PlatformLineItem(offering.title[:255], resource_id=offering.code, tag=TAG)
        if LINE_ITEM in origin.scopes or not origin.scopes:
            return find_or_create(self.client, _grading(origin), desired).address
        listed = (
            line_items(
                self.client, _grading(origin), resource_id=desired.resource_id, tag=desired.tag
            )
            if _may_list(origin)
            else []
        )
        if not listed:
            raise RecordRefused(
                "line-item-missing",
                "The platform's course has no column for this offering, and lets the bridge make "
                "none.",
                "Let the tool manage line items there, or give the link a grade column.",
            )
        return listed[0].address


def _course(origin: LaunchOrigin) -> CourseKey:
    return origin.offering_id, origin.line_items


def _grading(origin: LaunchOrigin) -> Grading:
    return Grading(origin.line_items, origin.line_item, frozenset(origin.scopes))


def _may_list(origin: LaunchOrigin) -> bool:
    return not origin.scopes or bool({LINE_ITEM, LINE_ITEM_READ} & set(origin.scopes))


def _refusal(error: StopRun) -> RecordRefused:
    return RecordRefused(error.code, f"The column is not available: {error.message}", error.remedy)


LIMITS = Limits(connect_seconds=5.0, read_seconds=15.0, attempts=2, backoff_most_seconds=5.0)
"""Short, because a platform that does not answer delays the others of the same run."""
_SECOND = timedelta(seconds=1)


def gradebooks(
    lti: LtiContext, connections: ServiceClients, centre: str
) -> dict[str, GradebookTarget]:
    """The gradebooks of a centre's results, by names for people."""
    with lti.database.reading() as tx:
        found = [registrations.find(tx, id_) for id_ in launch_origins.platforms_of(tx, centre)]
    return {
        f"{each.name or each.issuer} (connection {each.id})": GradebookTarget(
            lti, connections, each
        )
        for each in found
        if each is not None
    }


@dataclass(frozen=True, slots=True)
class _Entry:
    """A score to send: the result, its offering, its line item, and its timestamp."""

    record: Result
    offering: Offering
    line_item: KnownLineItem
    at: datetime


class GradebookTarget(PlainTarget):
    """The gradebook of one platform. A score has the time of the grade, but at least a second after
    the last one sent: platforms read times to the second, and ignore a score that is not newer."""

    kind = Kind.RESULT

    def __init__(
        self, lti: LtiContext, connections: ServiceClients, registration: LtiRegistration
    ) -> None:
        self.system = gradebook_system(registration.id)
        self._lti, self._registration = lti, registration
        self._lookup = LineItemLookup(connections.to(registration))
        self._entries: dict[int, _Entry] = {}

    def payloads(self, tx: Connection, due: Sequence[PendingWrite]) -> Mapping[int, Payload]:
        """A result waits while its learner has no line item in the gradebook."""
        stored = results.results(tx, [each.record_id for each in due])
        holders = enrolments.enrolments(tx, {enrolment_id for enrolment_id, _ in stored.values()})
        pairs = {id_: (each.offering_id, each.learner_id) for id_, each in holders.items()}
        line_items = launch_origins.line_items_of(tx, self._registration.id, pairs.values())
        records = offerings.offerings(tx, {offering_id for offering_id, _ in pairs.values()})
        payloads = {}
        for each in due:
            enrolment_id, record = stored[each.record_id]
            line_item = line_items.get(pairs[enrolment_id])
            origin = line_item.origin if line_item else None
            if line_item and origin and (origin.line_item or origin.line_items):
                offering = records[origin.offering_id]
                at = self._time(record, line_item.scored_at)
                self._entries[each.link_id] = _Entry(record, offering, line_item, at)
                payloads[each.link_id] = Payload(result_document(record))
        return payloads

    def _time(self, record: Result, last: datetime | None) -> datetime:
        times = [at for at in (record.graded_at, record.completed_at) if at is not None]
        at = max(times, default=self._lti.now()).replace(microsecond=0)
        return at if last is None or at > last else last + _SECOND

    def after_preflight(self, tx: Connection, preflight: Preflight) -> None:
        """Stores the timestamps before sending. A score may arrive without a response, and the next
        one must not have the same time."""
        launch_origins.stamped(tx, {each.line_item.id: each.at for each in self._entries.values()})

    def write(self, requests: Sequence[WriteRequest]) -> WriteResults:
        entries, self._entries = self._entries, {}
        for request in requests:
            entry = entries[request.key]
            try:
                self._send(entry)
            except RecordRefused as error:
                yield WriteFailed(request.key, error)
            else:
                yield Written(request.key, f"{entry.record.offering}/{entry.record.learner}")

    def _send(self, entry: _Entry) -> None:
        origin, lookup = entry.line_item.origin, self._lookup
        score = score_of(entry.record, origin.subject, entry.at)
        address = lookup.of(origin, entry.offering)
        try:
            post_score(lookup.client, address, score)
        except RecordRefused as error:
            if error.code != NOT_FOUND:
                raise
            other = lookup.replacement(origin, entry.offering, address)
            if other in ("", address):
                raise
            post_score(lookup.client, other, score)

    def after_write(
        self, tx: Connection, done: Sequence[Written], failed: Sequence[WriteFailed]
    ) -> None:
        """Stores the line items that were found or created."""
        found, self._lookup.new = self._lookup.new, {}
        for (offering_id, container), addresses in found.items():
            launch_origins.found_line_item(
                tx, self._registration.id, offering_id, container, *addresses
            )


def score_of(record: Result, person: str, at: datetime) -> SentScore:
    """A result on a scale that begins at zero.

    Raises:
        RecordRefused: the result's scale has no length.
    """
    span = record.scale_max - record.scale_min
    if span <= 0:
        raise RecordRefused("score-scale", "The result's scale ends where it begins.")
    given = None if record.score is None else max(record.score - record.scale_min, 0 * span)
    return SentScore(person, given, span, at, completed=bool(record.completed))
