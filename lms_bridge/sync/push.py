"""Pushes to a target: sends each record that differs from what the target acknowledged.

There is no queue. Two hashes show what to send, so the next run repairs a crash at any point.
Before a request leaves, its link is marked. If its response is lost, the next request makes the
connector look before it creates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import GONE, GONE_HASH, REMOVED
from lms_bridge.domain.document import Document, difference, digest
from lms_bridge.domain.errors import AccessDenied, BridgeError, RetryLater
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Action, WriteFailed, WriteRequest, Written
from lms_bridge.http.deadline import check_time
from lms_bridge.store import catalogue_changes, holds, links, retries, target_links
from lms_bridge.store.target_links import DENIED, LATER, UNKNOWN, PendingWrite
from lms_bridge.sync.context import RunContext, each_in, kept_text
from lms_bridge.sync.editions import SHARES
from lms_bridge.sync.holds import hold_removals
from lms_bridge.sync.targets import Payload, Preflight, Target

PAGE = 10_000
"""Requests that a connector gets at once: enough to keep all its calls busy."""
KEEP_AFTER_OUTCOMES, KEEP_AFTER_SECONDS = 500, 2.0
NOTE_AT_ONCE = 2_500
"""Requests that one transaction notes, so that others need not wait long to write."""
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(days=1)
HELD_OTHERWISE = "held otherwise"
"""The audit's state of fields that a target cannot hold as they were sent."""
MOST_DOUBLINGS = 16
"""Of the first wait. More would pass the longest wait by far, and in the end overflow."""

KEPT: Document = {**GONE, "kept": True}
NEVER_HELD = (b"", GONE_HASH)


def push(context: RunContext, target: Target) -> None:
    """Sends everything that is due to a target.

    Raises:
        StopRun, RetryLater: the target cannot be written to now. What it acknowledged is kept, and
            a later run sends the rest.
    """
    context.targets.add((target.system, target.kind))
    with context.database.reading() as tx:
        due = due_writes(tx, context, target, most=1)
        examples = {} if context.tries_all else _denied_examples(tx, context, target)
        closed = _closed_by_desired_state(tx, context, target)
    if closed:
        with context.writing() as tx:
            holds.close(tx, closed, context.now())
    if not due and not examples:
        return
    held = _hold_removals(context, target)
    if examples:
        _try_examples(context, target, examples, held)
    after = sent = 0
    in_doubt: list[int] = []
    while True:
        check_time()
        with context.database.reading() as tx:
            due = due_writes(tx, context, target, after=after, most=PAGE)
            if not due:
                break
            after = due[-1].link_id
            due = [each for each in due if each.record_id not in held]
            payloads = target.payloads(tx, due)
        sent += send_page(context, target, due, payloads, sent)
        in_doubt += [each.link_id for each in due if each.sending]
    for keys in chunks(in_doubt, NOTE_AT_ONCE):
        _send_unknown(context, target, keys)


def _send_unknown(context: RunContext, target: Target, keys: Collection[int]) -> None:
    """Sends those of these records again of which nobody knows what the target holds, although it
    acknowledged them: it may be an account of an earlier attempt."""
    with context.database.reading() as tx:
        due = [
            each
            for each in target_links.pending_of(tx, keys)
            if each.acknowledged == digest(UNKNOWN) and not each.sending
        ]
        payloads = target.payloads(tx, due)
    send_page(context, target, due, payloads, 0)


def due_writes(
    tx: Connection, context: RunContext, target: Target, *, after: int = 0, most: int
) -> list[PendingWrite]:
    where = target.system, target.kind, context.centre.code
    return target_links.pending(
        tx, *where, context.now(), after=after, most=most, tries_all=context.tries_all
    )


def _denied_examples(tx: Connection, context: RunContext, target: Target) -> dict[int, str]:
    where = target.system, target.kind, context.centre.code
    return retries.denied_examples(tx, *where, context.now())


def _try_examples(
    context: RunContext, target: Target, examples: Mapping[int, str], held: Collection[int]
) -> None:
    """Of many records that wait for one right, each run tries one. If it passes, somebody gave the
    right, and the others are due in this very run."""
    where = target.system, target.kind, context.centre.code
    with context.database.reading() as tx:
        due = [each for each in target_links.pending_of(tx, examples) if each.record_id not in held]
        payloads = target.payloads(tx, due)
    send_page(context, target, due, payloads, 0)
    tried = {key: code for key, code in examples.items() if key in payloads}
    with context.writing() as tx:
        retries.release_denied(tx, *where, tried)


def _closed_by_desired_state(tx: Connection, context: RunContext, target: Target) -> dict[int, str]:
    """{hold id: new status} of holds about removals of which the target is to keep some again."""
    rows = holds.about_removals(tx, context.centre.code, target.system, target.kind)
    return {
        row.id: holds.OUTDATED if row.status == holds.PENDING else holds.SETTLED
        for row in rows
        if target_links.any_desired(tx, target.system, target.kind, row.record_ids)
    }


def _hold_removals(context: RunContext, target: Target) -> frozenset[int]:
    """Holds removals if the policy requires it. Returns the ids of records that wait."""
    with context.database.reading() as tx:
        waiting = needs_approval(tx, context, target)
        ids = links.external_ids(tx, target.system, target.kind, waiting)
    if waiting:
        removals = {ids.get(record_id, str(record_id)): record_id for record_id in waiting}
        where = target.system, target.kind
        with context.writing() as tx:
            total = target_links.count_held(tx, *where, context.centre.code)
            hold_removals(tx, context, where, removals, total)
    return frozenset(waiting)


def needs_approval(tx: Connection, context: RunContext, target: Target) -> list[int]:
    """The records whose removal needs a person's approval and does not have it."""
    centre = context.centre.code
    removals = target_links.pending_removals(tx, target.system, target.kind, centre)
    if not removals:
        return []
    approved, rejected = holds.decided(tx, centre, target.kind)
    undecided = [id_ for _, id_ in removals if id_ not in approved and id_ not in rejected]
    total = target_links.count_held(tx, target.system, target.kind, centre)
    return undecided if context.policy.holds(len(undecided), total) else []


def write_request(pending: PendingWrite, payload: Payload) -> WriteRequest:
    held = pending.held_document or {}
    if payload.document.get("state") == REMOVED:
        action = Action.REMOVE
    elif pending.acknowledged in NEVER_HELD or held.get("state") == REMOVED:
        action = Action.CREATE
    else:
        action = Action.UPDATE
    return WriteRequest(
        key=pending.link_id,
        action=action,
        external_id=pending.external_id,
        desired={**payload.document, **payload.extras},
        # After a lost response nobody knows what the target holds, so every field is sent.
        changed=tuple(difference({} if pending.sending else held, payload.document)),
        # A record that is gone and was not ours gets a preflight like a new one.
        is_retry=pending.sending or pending.created_by_us or pending.acknowledged not in NEVER_HELD,
    )


def changed_fields(pending: PendingWrite, payload: Payload) -> dict[str, tuple[Any, Any]]:
    return difference(pending.held_document or {}, payload.document)


def send_page(
    context: RunContext,
    target: Target,
    due: Sequence[PendingWrite],
    payloads: Mapping[int, Payload],
    sent: int,
) -> int:
    """Sends one page: preflight, note, send, keep. Returns the number of its requests.

    ``sent`` is the number of earlier requests, for the progress.
    """
    pending = {each.link_id: each for each in due if each.link_id in payloads}
    if not pending:
        return 0
    requests = {key: write_request(each, payloads[key]) for key, each in pending.items()}
    page = _Page(context, target, pending, payloads, requests)
    skipped = page.skipped()
    with page.lending():
        preflight = target.preflight([each for each in requests.values() if is_new(each)])
    changed = page.changed_meanwhile()
    preflight, skipped = preflight.without(changed), skipped - changed
    settled = skipped | preflight.keys | changed
    going = [each for key, each in requests.items() if key not in settled]
    going = [each if _is_unsure(target.kind, each) else _after_preflight(each) for each in going]
    if len(settled) > KEEP_AFTER_OUTCOMES:
        page.keep_many(skipped, preflight)
        skipped, preflight = frozenset(), Preflight()
    *others, last = [*chunks((request.key for request in going), NOTE_AT_ONCE)] or [[]]
    for keys in others:
        with context.writing() as tx:
            target_links.sending(tx, keys)
    with context.writing() as tx:
        page.keep_skipped(tx, skipped)
        page.keep_preflight(tx, preflight)
        target_links.sending(tx, last)
    if going:
        page.send(going, sent)
    return len(requests)


def is_new(request: WriteRequest) -> bool:
    return request.action is Action.CREATE and not request.is_retry


def _is_unsure(kind: Kind, request: WriteRequest) -> bool:
    """Whether preflight cannot show everything. A look-up of people does not find every account,
    and the roster of an edition does not hold everybody in its course."""
    return kind is Kind.LEARNER or SHARES in request.desired


def _after_preflight(request: WriteRequest) -> WriteRequest:
    """If preflight found nothing, a later match is our own earlier attempt: a retry."""
    if not is_new(request):
        return request
    # ``replace`` takes six times as long, and there may be thousands.
    return WriteRequest(
        request.key, request.action, request.external_id, request.desired, request.changed, True
    )


@dataclass
class _Page:
    """A page of requests, by the ids of their links, and the outcomes not stored yet."""

    context: RunContext
    target: Target
    pending: Mapping[int, PendingWrite]
    payloads: Mapping[int, Payload]
    requests: Mapping[int, WriteRequest]
    written: list[Written] = field(default_factory=list)
    failed: list[WriteFailed] = field(default_factory=list)

    @property
    def lending(self) -> Callable[[], AbstractContextManager[None]]:
        """Around waits for the target. Only a run that reads sends to the LMS, and may lend."""
        is_own = self.target.system == self.context.centre.system
        return self.context.lending if is_own else nullcontext

    def changed_meanwhile(self) -> frozenset[int]:
        """What others decided about during the preflight. The next run sends what is due then."""
        if not any(map(is_new, self.requests.values())) or self.lending is nullcontext:
            return frozenset()
        with self.context.database.reading() as tx:
            found = (target_links.pending_of(tx, part) for part in chunks(self.pending))
            same = {each.link_id for part in found for each in part if self._is_same(each)}
        return frozenset(self.pending.keys() - same)

    def _is_same(self, now: PendingWrite) -> bool:
        then = self.pending[now.link_id]
        return then.desired == now.desired and then.acknowledged == now.acknowledged

    def skipped(self) -> frozenset[int]:
        """Requests for records that are not the bridge's own, those that the centre's policy
        excludes, and removals that a person rejected."""
        known = {
            key: request.action
            for key, request in self.requests.items()
            if request.action is not Action.CREATE
        }
        if not known:
            return frozenset()
        with self.context.database.reading() as tx:
            _, rejected = holds.decided(tx, self.context.centre.code, self.target.kind)
        return frozenset(
            key
            for key, action in known.items()
            if self.target.should_skip(self.pending[key], action)
            or (action is Action.REMOVE and self.pending[key].record_id in rejected)
        )

    def keep_many(self, skipped: Collection[int], preflight: Preflight) -> None:
        """The two below, some hundreds in one transaction."""
        for keys in chunks(skipped, KEEP_AFTER_OUTCOMES):
            with self.context.writing() as tx:
                self.keep_skipped(tx, keys)
        parts = [Preflight(tuple(part)) for part in chunks(preflight.found, KEEP_AFTER_OUTCOMES)]
        refused = chunks(preflight.refused, KEEP_AFTER_OUTCOMES)
        parts += [Preflight(refused=tuple(part)) for part in refused]
        for part in parts:
            with self.context.writing() as tx:
                self.keep_preflight(tx, part)

    def keep_skipped(self, tx: Connection, skipped: Collection[int]) -> None:
        rows = []
        for key in skipped:
            pending, document = self.pending[key], self.payloads[key].document
            held = KEPT if self.requests[key].action is Action.REMOVE else document
            row = self._acknowledgement(key, held, pending.external_id, pending.created_by_us)
            rows.append({**row, "new_hash": digest(document)})
            self._note(key, "left alone")
        self._acknowledge(tx, rows)

    def keep_preflight(self, tx: Connection, preflight: Preflight) -> None:
        self._acknowledge(
            tx,
            [
                self._acknowledgement(each.key, each.document, each.external_id, False)
                for each in preflight.found
            ],
        )
        retries.failed(tx, [self._failure(each) for each in preflight.refused])
        self.target.after_preflight(tx, preflight)
        for found in preflight.found:
            self._note(found.key, "found there")
        for refused in preflight.refused:
            self._note(refused.key, "waits", refused.error)

    def send(self, going: Sequence[WriteRequest], sent: int) -> None:
        """Sends the requests, and stores the outcomes while they arrive."""
        context = self.context
        total, done = sent + len(self.requests), 0
        kept_at = time.monotonic()
        try:
            for outcome in each_in(self.lending, self.target.write(going)):
                if isinstance(outcome, Written):
                    self.written.append(outcome)
                else:
                    self.failed.append(outcome)
                done += 1
                waiting = len(self.written) + len(self.failed)
                if (
                    waiting >= KEEP_AFTER_OUTCOMES
                    or time.monotonic() - kept_at > KEEP_AFTER_SECONDS
                ):
                    self._keep_outcomes()
                    kept_at = time.monotonic()
                    stage = f"{self.target.kind}s sent"
                    context.progress(context.centre.code, stage, sent + done, total)
        finally:
            self._keep_outcomes()

    def _keep_outcomes(self) -> None:
        """Stores links and audit of the outcomes so far in one transaction."""
        written, self.written = self.written, []
        failed, self.failed = self.failed, []
        if not written and not failed:
            return
        with self.context.writing() as tx:
            self._acknowledge(tx, [self._written_row(each) for each in written])
            retries.failed(tx, [self._failure(each) for each in failed])
            self.target.after_write(tx, written, failed)
            for outcome in written:
                self._note(outcome.key, "acknowledged")
                if outcome.held:
                    self._note_held(outcome)
            for failure in failed:
                self._note(failure.key, "failed", failure.error)

    def _acknowledge(self, tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        target_links.acknowledged(tx, rows)
        records = (self.pending[row["link_id"]].record_id for row in rows)
        catalogue_changes.note_records(tx, self.target.system, self.target.kind, records)

    def _written_row(self, written: Written) -> dict[str, Any]:
        pending, action = self.pending[written.key], self.requests[written.key].action
        document: Document = self.payloads[written.key].document
        if self.target.kind is Kind.LEARNER and action is Action.CREATE and pending.sending:
            # It may be the account of an earlier attempt, with the data of that time.
            document = UNKNOWN
        created_by_us = self.target.owns(pending, action, written)
        row = self._acknowledgement(written.key, document, written.external_id, created_by_us)
        return {**row, "document": dict(self.target.held_document(pending, document, written))}

    def _acknowledgement(
        self, key: int, document: Document, external_id: str, created_by_us: bool
    ) -> dict[str, Any]:
        return {
            "link_id": key,
            "old_hash": self.pending[key].acknowledged,
            "new_hash": digest(document),
            "document": dict(document),
            "new_external_id": external_id,
            "new_scope": self.target.scope(external_id),
            "is_created_by_us": created_by_us,
        }

    def _failure(self, failed: WriteFailed) -> dict[str, Any]:
        error, pending = failed.error, self.pending[failed.key]
        wait = min(FIRST_WAIT * 2 ** min(pending.attempts, MOST_DOUBLINGS), LONGEST_WAIT)
        why = ""
        if isinstance(error, RetryLater):
            wait, why = timedelta(seconds=error.after or 0.0), LATER
        elif isinstance(error, AccessDenied):
            why = DENIED
        return {
            "link_id": failed.key,
            # An earlier attempt may have arrived. It stays in doubt until one is acknowledged.
            "may_have_arrived": pending.sending
            or failed.arrived
            or (isinstance(error, RetryLater) and error.applied),
            "again_at": self.context.now() + wait,
            "at": self.context.now(),
            "why": why,
            "code": error.code[:60],
            "complaint": kept_text(error),
        }

    def _note_held(self, written: Written) -> None:
        """Names the fields that the target holds otherwise than they were sent."""
        document = self.payloads[written.key].document
        self.context.note(
            self.target.kind,
            self.target.system,
            "send",
            HELD_OTHERWISE,
            record_id=self.pending[written.key].record_id,
            external_id=written.external_id,
            fields=difference({name: document.get(name) for name in written.held}, written.held),
        )

    def _note(self, key: int, state: str, error: BridgeError | None = None) -> None:
        pending = self.pending[key]
        is_sent = state == "acknowledged"
        self.context.note(
            self.target.kind,
            self.target.system,
            self.requests[key].action,
            state,
            record_id=pending.record_id,
            external_id=pending.external_id,
            fields=changed_fields(pending, self.payloads[key]) if is_sent else None,
            error=error,
        )
