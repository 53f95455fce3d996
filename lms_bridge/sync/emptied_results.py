"""Results that a source empties: many of one course at once wait for a person's decision.

A centre that resets a course for its next edition deletes all its grades. The Academy is not to
lose the results of the last edition by that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind, Result
from lms_bridge.store import holds, links, results
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.holds import hold_removals
from lms_bridge.sync.pull import Snapshot


@dataclass(frozen=True, slots=True)
class ResultChange:
    """A known result that its source shows in another state, under the external id ``key``."""

    key: str
    before: Result
    after: Result

    @property
    def empties(self) -> bool:
        """Whether its score is gone, or nothing is left of it."""
        if self.after.score is not None:
            return False
        was_completed = self.before.completed and not self.after.completed
        return self.before.score is not None or bool(was_completed)

    @property
    def course(self) -> str:
        return _course(self.key)


def _course(key: str) -> str:
    return key.rpartition("/")[0]


def hold_emptied(
    tx: Connection, context: RunContext, snapshot: Snapshot, changes: Mapping[int, ResultChange]
) -> frozenset[int]:
    """The ids among ``changes``, {result id: change}, that stay as they are: those that a person
    chose to keep, and those of courses that lose more results than the policy lets go. A person is
    asked about each of these courses, and they are read again until somebody decided."""
    feed, centre = snapshot.feed, context.centre.code
    emptied = {id_: each for id_, each in changes.items() if each.empties}
    nothing: frozenset[int] = frozenset()
    approved, rejected = holds.decided(tx, centre, Kind.RESULT) if emptied else (nothing, nothing)
    asked = {id_: emptied[id_] for id_ in emptied.keys() - approved - rejected}
    held: dict[int, ResultChange] = {}
    for of_course, total in _beyond_policy(tx, context, asked):
        removals = {each.key: id_ for id_, each in of_course.items()}
        hold_removals(tx, context, (feed.system, Kind.RESULT), removals, total)
        held |= of_course
    for each in held.values():
        snapshot.forget(each.course)
    kept = frozenset(held) | (emptied.keys() & rejected)
    _close_settled(tx, context, snapshot, kept)
    return kept


def _beyond_policy(
    tx: Connection, context: RunContext, emptied: Mapping[int, ResultChange]
) -> list[tuple[dict[int, ResultChange], int]]:
    """Those of each course of which too many are emptied, and how many results it has."""
    held = []
    by_offering = Counter(each.before.offering for each in emptied.values())
    for offering, number in by_offering.items():
        known = results.count_filled(tx, offering)
        if context.policy.holds(number, known):
            of_course = {
                id_: each for id_, each in emptied.items() if each.before.offering == offering
            }
            held.append((of_course, known))
    return held


def _close_settled(
    tx: Connection, context: RunContext, snapshot: Snapshot, kept: Collection[int]
) -> None:
    """Closes holds whose results were all read, and are there again or were emptied. A decision
    stays for those of its results of which neither is so."""
    system, closed = snapshot.feed.system, {}
    for row in holds.about_removals(tx, context.centre.code, system, Kind.RESULT):
        keys = links.external_ids(tx, system, Kind.RESULT, row.record_ids)
        settled = {
            id_ for id_, key in keys.items() if _course(key) in snapshot.digests and id_ not in kept
        }
        if settled and settled == set(row.record_ids):
            closed[row.id] = holds.OUTDATED if row.status == holds.PENDING else holds.SETTLED
        elif settled and row.status != holds.PENDING:
            holds.narrow(tx, row.id, sorted(set(row.record_ids) - settled))
    holds.close(tx, closed, context.now())
