"""Sending one page of orders: look, note, send, keep (docs/reconciliation.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import Document, difference, digest
from lms_bridge.domain.errors import BridgeError, RetryLater
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Action, Done, Failed, Order
from lms_bridge.domain.wanted import GONE, REMOVED
from lms_bridge.store import holds, target_links
from lms_bridge.store.target_links import UNKNOWN, Pending
from lms_bridge.sync.target import Draft, Look, Target
from lms_bridge.sync.wants import GONE_HASH
from lms_bridge.sync.work import Work, kept_text

KEEP_AFTER_OUTCOMES, KEEP_AFTER_SECONDS = 500, 2.0

KEPT: Document = {**GONE, "kept": True}

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(days=1)
MOST_DOUBLINGS = 16
"""Of the first wait: beyond the longest wait, and far below the longest that can be told."""


@dataclass
class _Sending:
    """A page of orders on their way."""

    pending: dict[int, Pending]
    drafts: Mapping[int, Draft]
    orders: dict[int, Order]
    done: list[Done] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)


def fields_of(pending: Pending, draft: Draft | None) -> dict[str, tuple[Any, Any]]:
    return difference(pending.held_document or {}, draft.document) if draft else {}


def order_of(pending: Pending, draft: Draft) -> Order:
    held = pending.held_document or {}
    if draft.document.get("state") == REMOVED:
        action = Action.REMOVE
    elif pending.acknowledged in (b"", GONE_HASH) or held.get("state") == REMOVED:
        action = Action.CREATE
    else:
        action = Action.UPDATE
    return Order(
        key=pending.link_id,
        action=action,
        external_id=pending.external_id,
        wanted={**draft.document, **draft.extras},
        # After a lost answer nobody knows what the target holds: every field is sent.
        changed=tuple(difference({} if pending.sending else held, draft.document)),
        # What is known to be gone, and was not ours, is looked for like anything new.
        again=pending.sending or pending.made or pending.acknowledged not in (b"", GONE_HASH),
    )


def send_page(
    work: Work,
    target: Target,
    due: Sequence[Pending],
    drafts: Mapping[int, Draft],
    sent: int,
) -> int:
    """Sends one page and gives the number of its orders."""
    sendable = {each.link_id: each for each in due if each.link_id in drafts}
    if not sendable:
        return 0
    orders = {key: order_of(pending, drafts[key]) for key, pending in sendable.items()}
    page = _Sending(sendable, drafts, orders)
    left = _left_alone(work, target, page)
    look = target.look([order for order in orders.values() if _is_new(order)])
    settled = left | {f.key for f in look.found} | {f.key for f in look.refused}
    going = [_sure(order) for key, order in orders.items() if key not in settled]
    with work.writing() as tx:
        _keep_left(tx, work, target, page, left)
        _keep_look(tx, work, target, page, look)
        target_links.sending(tx, [order.key for order in going])
    if not going:
        return len(settled)
    total = sent + len(orders)
    kept_at = time.monotonic()
    try:
        for outcome in target.write(going):
            _answered(page, outcome)
            waiting = len(page.done) + len(page.failed)
            if waiting >= KEEP_AFTER_OUTCOMES or time.monotonic() - kept_at > KEEP_AFTER_SECONDS:
                _keep(work, target, page)
                kept_at = time.monotonic()
                work.progress(
                    work.centre.code, f"{target.kind}s sent", sent + len(page.answered), total
                )
    finally:
        _keep(work, target, page)
    return len(orders)


def _is_creation(order: Order) -> bool:
    return order.action is Action.CREATE


def _is_new(order: Order) -> bool:
    return _is_creation(order) and not order.again


def _sure(order: Order) -> Order:
    """After the look, whatever a connector finds of a new record is the bridge's own doing."""
    if not _is_new(order):
        return order
    # Not by ``replace``, which takes six times as long: there may be thousands.
    return Order(order.key, order.action, order.external_id, order.wanted, order.changed, True)


def _answered(page: _Sending, outcome: Done | Failed) -> None:
    page.answered.add(outcome.key)
    if isinstance(outcome, Done):
        page.done.append(outcome)
    else:
        page.failed.append(outcome)


def _left_alone(work: Work, target: Target, page: _Sending) -> frozenset[int]:
    """Orders that are not carried out: for what is not the bridge's own, or as the centre's
    policy has it; and removals that a person refused."""
    known = {k: order.action for k, order in page.orders.items() if not _is_creation(order)}
    if not known:
        return frozenset()
    with work.database.reading() as tx:
        _, rejected = holds.decided(tx, work.centre.code, target.kind)
    return frozenset(
        key
        for key, action in known.items()
        if target.leaves(page.pending[key], action)
        or (action is Action.REMOVE and page.pending[key].record_id in rejected)
    )


def _keep_left(
    tx: Connection, work: Work, target: Target, page: _Sending, left: frozenset[int]
) -> None:
    rows = []
    for key in left:
        pending, document = page.pending[key], page.drafts[key].document
        shown = KEPT if page.orders[key].action is Action.REMOVE else document
        rows.append(
            _acknowledgement(
                target, pending, digest(document), shown, pending.external_id, pending.made
            )
        )
        _note(work, target, page, key, "left alone")
    target_links.acknowledged(tx, rows)


def _keep_look(tx: Connection, work: Work, target: Target, page: _Sending, look: Look) -> None:
    target_links.acknowledged(
        tx,
        [
            _acknowledgement(
                target,
                page.pending[found.key],
                digest(found.document),
                found.document,
                found.external_id,
                False,
            )
            for found in look.found
        ],
    )
    target_links.failed(tx, [_failed_row(work, page, refusal) for refusal in look.refused])
    target.looked(tx, look)
    for found in look.found:
        _note(work, target, page, found.key, "found there")
    for refusal in look.refused:
        _note(work, target, page, refusal.key, "waits", refusal.error)


def _keep(work: Work, target: Target, page: _Sending) -> None:
    """Keeps the outcomes that are known by now: links and audit in one transaction."""
    done, failed = page.done, page.failed
    if not done and not failed:
        return
    page.done, page.failed = [], []
    with work.writing() as tx:
        target_links.acknowledged(tx, [_done_row(target, page, outcome) for outcome in done])
        target_links.failed(tx, [_failed_row(work, page, outcome) for outcome in failed])
        target.kept(tx, done, failed)
        for outcome in done:
            _note(work, target, page, outcome.key, "acknowledged")
        for refusal in failed:
            _note(work, target, page, refusal.key, "failed", refusal.error)


def _note(
    work: Work,
    target: Target,
    page: _Sending,
    key: int,
    state: str,
    error: BridgeError | None = None,
) -> None:
    pending = page.pending[key]
    work.note(
        target.kind,
        target.system,
        page.orders[key].action,
        state,
        record_id=pending.record_id,
        external_id=pending.external_id,
        fields=fields_of(pending, page.drafts[key]) if state == "acknowledged" else None,
        error=error,
    )


def _done_row(target: Target, page: _Sending, done: Done) -> dict[str, Any]:
    pending = page.pending[done.key]
    document: Document = page.drafts[done.key].document
    action = page.orders[done.key].action
    if target.kind is Kind.LEARNER and action is Action.CREATE and pending.sending:
        # It may be the account of an earlier attempt that was found, with the data of that time.
        document = UNKNOWN
    made = target.owns(pending, action, done)
    return _acknowledgement(target, pending, digest(document), document, done.external_id, made)


def _acknowledgement(
    target: Target,
    pending: Pending,
    new_hash: bytes,
    document: Document,
    external_id: str,
    made: bool,
) -> dict[str, Any]:
    return {
        "link_id": pending.link_id,
        "new_hash": new_hash,
        "document": dict(document),
        "new_external_id": external_id,
        "new_scope": target.scope(external_id),
        "is_made": made,
    }


def _failed_row(work: Work, page: _Sending, failed: Failed) -> dict[str, Any]:
    error = failed.error
    doublings = min(page.pending[failed.key].attempts, MOST_DOUBLINGS)
    wait = min(FIRST_WAIT * 2**doublings, LONGEST_WAIT)
    if isinstance(error, RetryLater):
        wait = timedelta(seconds=error.after or 0.0)
    return {
        "link_id": failed.key,
        # An earlier attempt that may have arrived stays in doubt until one is acknowledged.
        "may_have_arrived": page.pending[failed.key].sending
        or (isinstance(error, RetryLater) and error.applied),
        "again_at": work.now() + wait,
        "complaint": kept_text(error),
    }
