"""Gradebooks: results go as scores to the platforms from which their learners came.

One platform's gradebook is one target of ``lms_bridge.sync``, so that what is still to be sent,
back-off, holds and the audit are those of every other target. Source: Assignment and Grade
Services 2.0, sections 3.2 and 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Kind, Offering, Result, gradebook_system
from lms_bridge.domain.ports import Done, Failed, Limits, Order, Outcomes
from lms_bridge.domain.wanted import result_document
from lms_bridge.lti import parties
from lms_bridge.lti.chain.columns import Columns
from lms_bridge.lti.parties import Party
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.connections import Connections
from lms_bridge.lti.tool.services.scores import NOT_FOUND, Score, post_score
from lms_bridge.store import enrolments, lti_visits, offerings, results
from lms_bridge.store.lti_visits import Column
from lms_bridge.store.target_links import Pending
from lms_bridge.sync.target import Draft, Look
from lms_bridge.sync.targets import Plain

LIMITS = Limits(connect_seconds=5.0, read_seconds=15.0, attempts=2, backoff_most_seconds=5.0)
"""A platform that does not answer holds up the others of the same run for so long."""
_SECOND = timedelta(seconds=1)


def gradebooks(room: Room, connections: Connections, centre: str) -> dict[str, GradebookTarget]:
    """The gradebooks that results of a centre's offerings go to, by names for people."""
    with room.database.reading() as tx:
        found = [parties.find(tx, id_) for id_ in lti_visits.platforms_of(tx, centre)]
    return {
        f"{party.name or party.issuer} (connection {party.id})": GradebookTarget(
            room, connections, party
        )
        for party in found
        if party is not None
    }


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is to be written: the result, its offering, its column, and the time it carries."""

    record: Result
    offering: Offering
    column: Column
    at: datetime


class GradebookTarget(Plain):
    """The gradebook of one platform. A score carries the grade's own time. A later one of the same
    time has to be told from it, and platforms read times to the second: it is dated a second
    later than the last one that may have arrived."""

    kind = Kind.RESULT

    def __init__(self, room: Room, connections: Connections, party: Party) -> None:
        self.system = gradebook_system(party.id)
        self._room, self._party = room, party
        self._columns = Columns(connections.to(party))
        self._entries: dict[int, _Entry] = {}

    def drafts(self, tx: Connection, due: Sequence[Pending]) -> Mapping[int, Draft]:
        """Results wait whose learner has no column in the gradebook any more."""
        stored = results.results(tx, [each.record_id for each in due])
        holders = enrolments.enrolments(tx, {enrolment_id for enrolment_id, _ in stored.values()})
        pairs = {id_: (each.offering_id, each.learner_id) for id_, each in holders.items()}
        columns = lti_visits.columns_of(tx, self._party.id, pairs.values())
        records = offerings.offerings(tx, {offering_id for offering_id, _ in pairs.values()})
        drafts = {}
        for each in due:
            enrolment_id, record = stored[each.record_id]
            column = columns.get(pairs[enrolment_id])
            if column is not None and (column.visit.line_item or column.visit.line_items):
                offering = records[column.visit.offering_id]
                at = self._time(record, column.scored_at)
                self._entries[each.link_id] = _Entry(record, offering, column, at)
                drafts[each.link_id] = Draft(result_document(record))
        return drafts

    def _time(self, record: Result, last: datetime | None) -> datetime:
        times = [at for at in (record.graded_at, record.completed_at) if at is not None]
        at = max(times, default=self._room.now()).replace(microsecond=0)
        return at if last is None or at > last else last + _SECOND

    def looked(self, tx: Connection, look: Look) -> None:
        """Before they leave: a score that may arrive although nobody hears of it has a time that
        the next one must not carry."""
        lti_visits.stamped(tx, {each.column.id: each.at for each in self._entries.values()})

    def write(self, orders: Sequence[Order]) -> Outcomes:
        entries, self._entries = self._entries, {}
        for order in orders:
            entry = entries[order.key]
            try:
                self._send(entry)
            except RecordRefused as error:
                yield Failed(order.key, error)
            else:
                yield Done(order.key, f"{entry.record.offering}/{entry.record.learner}")

    def _send(self, entry: _Entry) -> None:
        visit, columns = entry.column.visit, self._columns
        score = score_of(entry.record, visit.subject, entry.at)
        address = columns.of(visit, entry.offering)
        try:
            post_score(columns.connector, address, score)
        except RecordRefused as error:
            if error.code != NOT_FOUND:
                raise
            other = columns.another(visit, entry.offering, address)
            if other in ("", address):
                raise
            post_score(columns.connector, other, score)

    def kept(self, tx: Connection, done: Sequence[Done], failed: Sequence[Failed]) -> None:
        """What was found at the platform need not be looked for again."""
        found, self._columns.news = self._columns.news, {}
        for (offering_id, line_items), addresses in found.items():
            lti_visits.found_line_item(tx, self._party.id, offering_id, line_items, *addresses)


def score_of(record: Result, person: str, at: datetime) -> Score:
    """A result as a platform's gradebook takes it: from zero upwards.

    Raises:
        RecordRefused: the result's scale has no length.
    """
    span = record.scale_max - record.scale_min
    if span <= 0:
        raise RecordRefused("score-scale", "The result's scale ends where it begins.")
    given = None if record.score is None else max(record.score - record.scale_min, 0 * span)
    return Score(person, given, span, at, completed=record.completed)
