"""Pushing to a target: whatever differs from what it acknowledged is sent.

Nothing is queued: what is still to be sent is derived from two hashes, so a crash at any point is
cured by the next run. Before an order leaves, its link says so; after a lost answer the next order
therefore tells the connector to look before it creates.
"""

from __future__ import annotations

from sqlalchemy import Connection

from lms_bridge.domain.ports import Action
from lms_bridge.store import holds, links, target_links
from lms_bridge.store.target_links import Pending
from lms_bridge.sync.sending import fields_of, order_of, send_page
from lms_bridge.sync.take import hold_removals
from lms_bridge.sync.target import Target
from lms_bridge.sync.wants import GONE_HASH
from lms_bridge.sync.work import Work

PAGE = 10_000
"""Orders that are given to a connector at once: enough to keep all its calls busy."""


def push(work: Work, target: Target) -> None:
    """Sends everything that is due to a target.

    Raises:
        StopRun, RetryLater: the target cannot be written to now. What it acknowledged before is
            kept; the rest is sent by a later run.
    """
    with work.database.reading() as tx:
        due = _due(tx, work, target, after=0, most=1)
        closed = _overtaken(tx, work, target)
    if closed:
        with work.writing() as tx:
            holds.close(tx, closed)
    if not due:
        return
    held = _guard(work, target)
    after = 0
    sent = 0
    while True:
        with work.database.reading() as tx:
            due = _due(tx, work, target, after=after, most=PAGE)
            if not due:
                return
            after = due[-1].link_id
            due = [each for each in due if each.record_id not in held]
            drafts = target.drafts(tx, due)
        sent += send_page(work, target, due, drafts, sent)


def _due(tx: Connection, work: Work, target: Target, *, after: int, most: int) -> list[Pending]:
    return target_links.pending(
        tx, target.system, target.kind, work.centre.code, work.now(), after=after, most=most
    )


def _to_ask(tx: Connection, work: Work, target: Target) -> list[int]:
    """The records whose removal needs a person's approval that it does not have."""
    centre = work.centre.code
    leaving = target_links.pending_removals(tx, target.system, target.kind, centre, GONE_HASH)
    if not leaving:
        return []
    approved, rejected = holds.decided(tx, centre, target.kind)
    asked = [id_ for _, id_ in leaving if id_ not in approved and id_ not in rejected]
    total = target_links.count_held(tx, target.system, target.kind, centre, GONE_HASH)
    return asked if work.policy.holds(len(asked), total) else []


def _overtaken(tx: Connection, work: Work, target: Target) -> dict[int, str]:
    """{hold id: new status} of the questions whose removals are no longer to be made: some of the
    records are wanted once more."""
    rows = holds.about_removals(tx, work.centre.code, target.system, target.kind)
    return {
        row.id: holds.OUTDATED if row.status == holds.PENDING else holds.SETTLED
        for row in rows
        if target_links.any_wanted(tx, target.system, target.kind, row.record_ids, GONE_HASH)
    }


def _guard(work: Work, target: Target) -> frozenset[int]:
    """The records whose removal has to wait for a person, who is asked."""
    with work.database.reading() as tx:
        asked = _to_ask(tx, work, target)
        ids = links.external_ids(tx, target.system, target.kind, asked)
    if asked:
        removals = {ids.get(record_id, str(record_id)): record_id for record_id in asked}
        with work.writing() as tx:
            hold_removals(tx, work, target.system, target.kind, removals)
    return frozenset(asked)


def plan_push(tx: Connection, work: Work, target: Target) -> None:
    """A dry run's part: notes what would be sent, and sends nothing."""
    due = _due(tx, work, target, after=0, most=1_000_000)
    drafts = target.drafts(tx, due)
    held = frozenset(_to_ask(tx, work, target))
    if held:
        work.held.append(0)
    for pending in due:
        draft = drafts.get(pending.link_id)
        state = "would be sent" if draft else "would wait"
        if pending.record_id in held:
            state = "would be held"
        work.note(
            target.kind,
            target.system,
            order_of(pending, draft).action if draft else _waiting_action(pending),
            state,
            record_id=pending.record_id,
            external_id=pending.external_id,
            fields=fields_of(pending, draft),
        )


def _waiting_action(pending: Pending) -> Action:
    """What is to be done with a record whose order cannot be made yet."""
    if pending.wanted == GONE_HASH:
        return Action.REMOVE
    return Action.CREATE if pending.acknowledged in (b"", GONE_HASH) else Action.UPDATE
