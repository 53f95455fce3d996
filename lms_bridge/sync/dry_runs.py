"""A dry run: reads everything first, applies it in a transaction that is undone, and tells what
would be sent. It looks up whose accounts are there already, too: reading changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import GONE_HASH
from lms_bridge.domain.errors import BridgeError, RetryLater, StopRun
from lms_bridge.domain.ports import Action, WriteRequest
from lms_bridge.store.target_links import PendingWrite
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.holds import hold_conflicts
from lms_bridge.sync.learners import LearnerTarget
from lms_bridge.sync.pull import Snapshot
from lms_bridge.sync.push import (
    NEVER_HELD,
    PAGE,
    changed_fields,
    due_writes,
    is_new,
    needs_approval,
    write_request,
)
from lms_bridge.sync.steps import Step, read_step
from lms_bridge.sync.targets import EnrolmentTarget, Payload, Target

SENT, FOUND, WAITS, HELD = "would be sent", "would be found", "would wait", "would be held"
_MOST = 1_000_000


def dry_run_steps(context: RunContext, steps: list[Step]) -> None:
    snapshots: list[tuple[Step, Snapshot]] = []
    acts = [step.act for step in steps if step.act is not None]
    for step in steps:
        try:
            if step.compare is not None and (act := step.compare(context)) is not None:
                acts.append(act)
            snapshot = read_step(context, step)
        except (StopRun, RetryLater) as error:
            context.errors.append((step.name, error))
            continue
        if snapshot is not None and snapshot.has_changes:
            snapshots.append((step, snapshot))
    with context.database.apart() as database, database.trying() as tx:
        for step, snapshot in snapshots:
            if step.apply is not None:
                step.apply(tx, context, snapshot)
        for act in acts:
            act(tx, context)
        hold_conflicts(tx, context)
        plans = [_plan(tx, context, step.target) for step in steps if step.target is not None]
        context.keep_audit(tx)
    ready: set[int] = set()
    for plan in plans:
        _look_up(context, plan)
        _note(context, plan, ready)
    with context.database.reading() as tx:
        context.keep_audit(tx)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What would be sent to a target. ``awaiting`` {link id: learner} of enrolments that only wait
    for an account. ``looked_up`` {link id: the state, and why it waits} of accounts."""

    target: Target
    due: Sequence[PendingWrite]
    payloads: Mapping[int, Payload]
    held: Collection[int]
    awaiting: Mapping[int, int]
    looked_up: dict[int, tuple[str, BridgeError | None]] = field(default_factory=dict)


def _plan(tx: Connection, context: RunContext, target: Target) -> _Plan:
    due = due_writes(tx, context, target, most=_MOST)
    payloads = target.payloads(tx, due)
    held = set(needs_approval(tx, context, target))
    if held:
        context.held.append(0)
    awaiting = dict(target.awaiting) if isinstance(target, EnrolmentTarget) else {}
    return _Plan(target, due, payloads, held, awaiting)


def _look_up(context: RunContext, plan: _Plan) -> None:
    """Looks for the accounts of people who are new to the centre's LMS."""
    if not isinstance(plan.target, LearnerTarget):
        return
    requests = [write_request(each, plan.payloads[each.link_id]) for each in plan.due]
    try:
        for part in chunks(filter(is_new, requests), PAGE):
            _keep(plan, part)
    except (StopRun, RetryLater) as error:
        context.errors.append(("people looked up", error))


def _keep(plan: _Plan, requests: Sequence[WriteRequest]) -> None:
    seen = plan.target.preflight(requests)
    plan.looked_up.update((each.key, (FOUND, None)) for each in seen.found)
    plan.looked_up.update((each.key, (WAITS, each.error)) for each in seen.refused)


def _note(context: RunContext, plan: _Plan, ready: set[int]) -> None:
    """Notes what would be sent. ``ready`` are learners who would have their accounts."""
    for pending in plan.due:
        payload = plan.payloads.get(pending.link_id)
        state, error = plan.looked_up.get(pending.link_id, (SENT if payload else WAITS, None))
        if plan.awaiting.get(pending.link_id) in ready:
            state = SENT
        if pending.record_id in plan.held:
            state = HELD
        if isinstance(plan.target, LearnerTarget) and state != WAITS:
            ready.add(pending.record_id)
        context.note(
            plan.target.kind,
            plan.target.system,
            write_request(pending, payload).action if payload else _action(pending),
            state,
            record_id=pending.record_id,
            external_id=pending.external_id,
            fields=changed_fields(pending, payload) if payload else None,
            error=error,
        )


def _action(pending: PendingWrite) -> Action:
    """What would be done with a record that cannot be sent yet."""
    if pending.desired == GONE_HASH:
        return Action.REMOVE
    return Action.CREATE if pending.acknowledged in NEVER_HELD else Action.UPDATE
