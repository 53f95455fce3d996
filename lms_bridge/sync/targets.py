"""The four kinds of target: offerings and results at the Academy, people and enrolments at a
centre."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import (
    Action,
    Done,
    Failed,
    Order,
    Outcomes,
    Removal,
    WritesEnrolments,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.domain.wanted import (
    enrolment_document,
    offering_document,
    result_document,
)
from lms_bridge.store import answers, enrolments, links, offerings, results
from lms_bridge.store.tables import EMPTY
from lms_bridge.store.target_links import Pending
from lms_bridge.sync.rosters import read_rosters
from lms_bridge.sync.target import Draft, Found, Look
from lms_bridge.sync.wants import GONE_HASH

LOOK_LASTS = 300.0
"""Seconds for which a look at a roster counts as the state before the bridge wrote anything."""


class Plain:
    """What most targets do: nothing is looked for, nothing is remembered, removals are sent."""

    def look(self, orders: Sequence[Order]) -> Look:
        return Look()

    def looked(self, tx: Connection, look: Look) -> None:
        return None

    def leaves(self, pending: Pending, action: Action) -> bool:
        return False

    def owns(self, pending: Pending, action: Action, done: Done) -> bool:
        return pending.made or (action is Action.CREATE and done.made)

    def kept(self, tx: Connection, done: Sequence[Done], failed: Sequence[Failed]) -> None:
        return None

    def scope(self, external_id: str) -> str:
        return external_id


@dataclass
class OfferingTarget(Plain):
    """The Academy's catalogue."""

    peer: WritesOfferings
    centre: str
    kind: Kind = Kind.OFFERING
    system: str = ACADEMY

    def drafts(self, tx: Connection, due: Sequence[Pending]) -> Mapping[int, Draft]:
        records = offerings.offerings(tx, [each.record_id for each in due])
        return {
            each.link_id: Draft(
                offering_document(records[each.record_id]),
                {"code": records[each.record_id].code},
            )
            for each in due
        }

    def write(self, orders: Sequence[Order]) -> Outcomes:
        return self.peer.write_offerings(orders)

    def kept(self, tx: Connection, done: Sequence[Done], failed: Sequence[Failed]) -> None:
        shown = {each.external_id for each in done}
        answers.forget(tx, self.system, self.kind, f"shown:{self.centre}", shown)


@dataclass
class ResultTarget(Plain):
    """The Academy's register of results. A result waits until the Academy knows the offering."""

    peer: WritesResults
    kind: Kind = Kind.RESULT
    system: str = ACADEMY

    def drafts(self, tx: Connection, due: Sequence[Pending]) -> Mapping[int, Draft]:
        stored = results.results(tx, [each.record_id for each in due])
        holders = enrolments.enrolments(tx, {enrolment_id for enrolment_id, _ in stored.values()})
        there = links.external_ids(
            tx, self.system, Kind.OFFERING, {each.offering_id for each in holders.values()}
        )
        drafts = {}
        for each in due:
            enrolment_id, record = stored[each.record_id]
            offering = there.get(holders[enrolment_id].offering_id)
            if offering is not None:
                extras = {"offering": offering, "account": record.learner}
                drafts[each.link_id] = Draft(
                    {**result_document(record), "offering": record.offering}, extras
                )
        return drafts

    def write(self, orders: Sequence[Order]) -> Outcomes:
        return self.peer.write_results(orders)


@dataclass
class EnrolmentTarget(Plain):
    """A centre's courses. An enrolment waits for its course and for its learner's account."""

    peer: WritesEnrolments
    system: str
    policy: Policy
    kind: Kind = Kind.ENROLMENT
    _looked: set[str] = field(default_factory=set)
    _shown: dict[str, str] = field(default_factory=dict)
    _unread: dict[str, BridgeError] = field(default_factory=dict)
    _looked_at: float = -math.inf

    def drafts(self, tx: Connection, due: Sequence[Pending]) -> Mapping[int, Draft]:
        stored = enrolments.enrolments(tx, [each.record_id for each in due])
        courses = {each.offering_id for each in stored.values()}
        records = offerings.offerings(tx, courses)
        there = links.external_ids(tx, self.system, Kind.OFFERING, courses)
        accounts = links.external_ids(
            tx, self.system, Kind.LEARNER, {each.learner_id for each in stored.values()}
        )
        drafts = {}
        for each in due:
            enrolment = stored[each.record_id]
            offering, account = (
                there.get(enrolment.offering_id),
                accounts.get(enrolment.learner_id),
            )
            if offering is not None and account is not None:
                drafts[each.link_id] = Draft(
                    enrolment_document(enrolment.record, records[enrolment.offering_id]),
                    {"offering": offering, "account": account},
                )
        return drafts

    def look(self, orders: Sequence[Order]) -> Look:
        """Who is on the rosters already was put there by somebody else."""
        rosters = self._rosters({str(order.wanted["offering"]) for order in orders})
        found = []
        refused = []
        for order in orders:
            unread = self._unread.get(str(order.wanted["offering"]))
            if unread is not None:
                refused.append(Failed(order.key, unread))
                continue
            external_id = f"{order.wanted['offering']}/{order.wanted['account']}"
            state = rosters.get(external_id)
            if state is not None:
                # Active is all that the bridge wants of an enrolment that is not its own; from
                # any other state the enrolment is brought back, still as somebody else's.
                document = {k: v for k, v in order.wanted.items() if k not in _EXTRAS}
                found.append(Found(order.key, external_id, {**document, "state": state}))
        return Look(tuple(found), tuple(refused))

    def _rosters(self, courses: set[str]) -> Mapping[str, str]:
        """The rosters as they were before the push: read once, not again for every page of orders,
        which would cost more than the enrolling. They are read anew once they have grown old."""
        if time.monotonic() - self._looked_at > LOOK_LASTS:
            self._looked_at = time.monotonic()
            self._looked.clear()
            self._shown.clear()
        shown, self._unread = read_rosters(self.peer, sorted(courses - self._looked))
        self._shown.update(shown)
        self._looked |= courses - self._unread.keys()
        return self._shown

    def write(self, orders: Sequence[Order]) -> Outcomes:
        return self.peer.write_enrolments(orders, self.policy.removal)

    def leaves(self, pending: Pending, action: Action) -> bool:
        if action is not Action.REMOVE:
            return False
        return not self._is_ours(pending) or self.policy.removal is Removal.KEEP

    def _is_ours(self, pending: Pending) -> bool:
        """A creation whose answer was lost followed a look that found nobody: it is ours, too."""
        creating = pending.sending and pending.acknowledged in (EMPTY, GONE_HASH)
        return pending.made or creating

    def owns(self, pending: Pending, action: Action, done: Done) -> bool:
        """Nothing is left of an enrolment that was ended for good: who is there later is somebody
        else's doing."""
        if action is Action.REMOVE and self.policy.removal is Removal.UNENROL:
            return False
        return self._is_ours(pending) or super().owns(pending, action, done)

    def looked(self, tx: Connection, look: Look) -> None:
        self._read_grades(tx, [found.external_id for found in look.found])

    def kept(self, tx: Connection, done: Sequence[Done], failed: Sequence[Failed]) -> None:
        self._read_grades(tx, [each.external_id for each in done])
        # Should somebody undo this, the roster is to the byte the one that was compared before.
        courses = {self.scope(each.external_id) for each in done}
        answers.forget(tx, self.system, self.kind, "shown", courses)

    def _read_grades(self, tx: Connection, external_ids: Sequence[str]) -> None:
        """A new place on a roster makes its course's grades interesting, read before or not."""
        courses = {self.scope(each) for each in external_ids}
        answers.forget(tx, self.system, Kind.RESULT, "source", courses)

    def scope(self, external_id: str) -> str:
        return external_id.rpartition("/")[0]


_EXTRAS = ("offering", "account")
