"""Holds: what waits for a person's decision, and what happens after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Flow, Kind, centre_system, system_label
from lms_bridge.domain.ports import Action
from lms_bridge.store import (
    account_links,
    centres,
    enrolments,
    holds,
    learners,
    links,
    retries,
    run_requests,
    source_links,
    target_links,
)
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.pull import Snapshot


def hold_removals(
    tx: Connection,
    context: RunContext,
    where: tuple[str, Kind],
    removals: Mapping[str, int],
    total: int,
) -> None:
    """Holds removals, {external id: record id}, out of a total. The audit lists each of them
    once."""
    system, kind = where
    if _hold(tx, context, system, kind, holds.REMOVALS, removals.values(), total):
        state = "would be held" if context.dry else "held"
        for key, record_id in removals.items():
            context.note(kind, system, Action.REMOVE, state, record_id=record_id, external_id=key)


def hold_conflicts(tx: Connection, context: RunContext) -> None:
    """Makes one hold of all conflicts of a kind. Until a person decides, the target keeps its own
    version."""
    if context.conflicts:
        context.keep_audit(tx)  # so that the lines about these conflicts can name their hold
    for (system, kind), record_ids in context.conflicts.items():
        total = target_links.count_held(tx, system, kind, context.centre.code)
        _hold(tx, context, system, kind, holds.CONFLICT, record_ids, total)
        if not context.dry:
            holds.name_hold(tx, context.run_id, system, kind, context.held[-1])
    context.conflicts.clear()


def _hold(
    tx: Connection,
    context: RunContext,
    system: str,
    kind: Kind,
    reason: str,
    record_ids: Collection[int],
    total: int,
) -> bool:
    """Returns whether the hold is new. A dry run stores none."""
    if context.dry:
        context.held.append(0)
        return True
    number, is_new = holds.ask(
        tx,
        centre=context.centre.code,
        system=system,
        kind=kind,
        reason=reason,
        record_ids=record_ids,
        out_of=max(total, len(record_ids)),
        run_id=context.run_id,
        at=context.now(),
    )
    context.held.append(number)
    return is_new


def closed_by_source(tx: Connection, context: RunContext, snapshot: Snapshot) -> dict[int, str]:
    """{hold id: new status} of the holds that a whole snapshot settles.

    The source took its removals back, or a person chose to keep records that are now kept. If
    these records vanish again, that is a new question.
    """
    feed = snapshot.feed
    if not snapshot.whole or snapshot.skipped:
        return {}
    vanished = {known.record_id for known in snapshot.vanished.values()}
    closed = {}
    for row in holds.about_removals(tx, context.centre.code, feed.system, feed.kind):
        others = set(row.record_ids) - vanished
        if row.status == holds.PENDING:
            closed[row.id] = holds.OUTDATED
        elif (row.status == holds.REJECTED and len(others) < len(row.record_ids)) or (
            source_links.any_shown(tx, feed.system, feed.kind, others)
        ):
            closed[row.id] = holds.SETTLED
    return closed


_CONSEQUENCES = {
    (holds.REMOVALS, True): "The next run ends {these}.",
    (holds.REMOVALS, False): "The bridge keeps {these}. It asks again only after a return.",
    (holds.CONFLICT, True): "The next run sends what the bridge holds of {these} again.",
    (holds.CONFLICT, False): "{system} keeps its values of {these} until the source changes.",
}
_EMPTIES = "The next run empties {these}."
_REST = "The other changes of that reading were held, too, and follow in the same run."
_REST_OF_FILE = "The file's other rows were held, too: import or push it again after that run."


def consequence(row: Row[Any], *, approve: bool) -> str:
    """What happens if a person approves or rejects a hold, in words."""
    number = len(row.record_ids)
    these = f"this {row.kind}" if number == 1 else f"these {number} {row.kind}s"
    empties = approve and (row.kind, row.reason) == (Kind.RESULT, holds.REMOVALS)
    text = _EMPTIES if empties else _CONSEQUENCES[row.reason, approve]
    text = text.format(these=these, system=system_label(row.system))
    rests = {FILES: _REST_OF_FILE, centre_system(row.centre): _REST}
    is_schedule = row.reason == holds.REMOVALS and row.kind == Kind.OFFERING
    return f"{text} {rests[row.system]}" if is_schedule and row.system in rests else text


def decide_hold(tx: Connection, hold_id: int, *, approve: bool, by: str, at: datetime) -> Row[Any]:
    """Approves or rejects a hold, and returns it as it was. The next run carries the decision out.

    The bridge makes approved removals. It holds rejected ones again only if the records come back
    and vanish once more. After an approved conflict the bridge sends its record again; after
    a rejected one the target keeps its version.

    Raises:
        NotFound: there is no such hold.
        Refused: it was decided already, or is outdated.
    """
    row = holds.hold_row(tx, hold_id)
    if row is None:
        raise NotFound("no-such-hold", f"There is no hold {hold_id}.", "See `hold list`.")
    if not holds.decide(tx, hold_id, holds.APPROVED if approve else holds.REJECTED, by, at):
        raise Refused("hold-not-pending", f"Hold {hold_id} is {row.status}, not pending.")
    kind = Kind(row.kind)
    if row.reason == holds.CONFLICT and approve:
        target_links.send_again(tx, row.system, kind, row.record_ids)
    _request_sending(tx, row.centre, [kind], at, by)
    return row


_FLOWS = {
    Kind.OFFERING: Flow.OFFERINGS,
    Kind.LEARNER: Flow.ENROLMENTS,
    Kind.ENROLMENT: Flow.ENROLMENTS,
    Kind.RESULT: Flow.RESULTS,
}


def request_run(
    tx: Connection, centre: str, kinds: Collection[Kind], at: datetime, by: str
) -> None:
    """Asks the clock for a run at once that carries out what a person decided."""
    wanted = {_FLOWS[kind] for kind in kinds}
    flows = [flow for flow in Flow if flow in wanted]
    if flows:
        run_requests.request_run(tx, [centre], flows, at, by, by_person=True)


def _request_sending(
    tx: Connection, centre: str, kinds: Collection[Kind], at: datetime, by: str
) -> None:
    """The same. What can be sent to the catalogue at once does not wait until the LMS is read."""
    if Kind.OFFERING in kinds:
        run_requests.request_run(tx, [centre], (Flow.OFFERINGS,), at, by, sends_only=True)
    request_run(tx, centre, kinds, at, by)


def match_person(tx: Connection, centre: str, academy_id: str, account: str | None) -> int:
    """Links a waiting learner to an account of the centre's LMS, or (None) has one created.
    Returns the learner's id.

    Raises:
        NotFound: the learner does not wait at this centre.
        Refused: the account belongs to another learner.
    """
    system = centre_system(centre)
    found = learners.learners_by_academy_id(tx, [academy_id]).get(academy_id)
    centres.lock(tx, centre)  # two people may give one account to two learners
    if found is None or not holds.waits(tx, centre, found[0]):
        raise NotFound(
            "not-waiting",
            f'Nobody with the Academy id "{academy_id}" waits at {centre}.',
            "See `person unmatched`.",
        )
    learner_id = found[0]
    of_learner = enrolments.ids_of_learner(tx, learner_id)
    retries.try_again(tx, system, Kind.ENROLMENT, of_learner)
    if account is None:
        account_links.forget(tx, system, learner_id)
        holds.decide_to_create(tx, centre, learner_id)
    else:
        owner = links.by_external_id(tx, system, Kind.LEARNER, [account]).get(account)
        if owner is not None and owner.record_id != learner_id:
            raise Refused(
                "account-taken", f"Account {account} is linked to another learner already."
            )
        target_links.adopt(tx, system, Kind.LEARNER, learner_id, account)
        holds.unqueue_people(tx, centre, [learner_id])
    return learner_id


def resend(
    tx: Connection, centre: str, kind: Kind, record_ids: list[int], *, by: str, at: datetime
) -> None:
    """Lets the next run retry records that wait after a failure, and asks for that run."""
    for system in target_links.systems_of(tx, centre, kind, record_ids):
        retries.try_again(tx, system, kind, record_ids)
    if record_ids:
        _request_sending(tx, centre, [kind], at, by)


def retry_failing(tx: Connection, centre: str, *, by: str, at: datetime) -> int:
    """Lets everything that waits after a failure at a centre be sent at once, and asks for that
    run. Returns how many records there are."""
    kinds = retries.try_all_again(tx, centre)
    _request_sending(tx, centre, [Kind(kind) for kind in kinds], at, by)
    return sum(kinds.values())
