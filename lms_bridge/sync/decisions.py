"""What people decide: about held plans, about conflicts, about who is who."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Kind, centre_system
from lms_bridge.store import holds, learners, links, target_links
from lms_bridge.store.database import Database


def decide_hold(database: Database, hold_id: int, *, approve: bool, by: str, at: datetime) -> None:
    """Approves or rejects what waits for a person. The next run carries it out.

    Approved removals are made; rejected ones are not asked about again unless the records come
    back and vanish once more. An approved conflict is resolved for the bridge's record, a rejected
    one for what the target holds.

    Raises:
        NotFound: there is no such hold.
        Refused: it was decided already, or the question no longer stands.
    """
    with database.writing() as tx:
        keep_verdict(tx, hold_id, approve=approve, by=by, at=at)


def keep_verdict(tx: Connection, hold_id: int, *, approve: bool, by: str, at: datetime) -> Row[Any]:
    """The same as a part of a transaction. Gives the hold as it was."""
    verdict = holds.APPROVED if approve else holds.REJECTED
    row = holds.hold_row(tx, hold_id)
    if row is None:
        raise NotFound("no-such-hold", f"There is no hold {hold_id}.", "See `hold list`.")
    if not holds.decide(tx, hold_id, verdict, by, at):
        raise Refused("hold-not-pending", f"Hold {hold_id} is {row.status}, not pending.")
    if row.reason == holds.CONFLICT and approve:
        target_links.send_again(tx, row.system, Kind(row.kind), row.record_ids)
    return row


def match_person(database: Database, centre: str, academy_id: str, account: str | None) -> None:
    """Says which account of a centre's LMS is a learner's, or (None) that one is to be created.

    Raises:
        NotFound: the learner does not wait at this centre.
        Refused: the account is another learner's.
    """
    with database.writing() as tx:
        keep_match(tx, centre, academy_id, account)


def keep_match(tx: Connection, centre: str, academy_id: str, account: str | None) -> int:
    """The same as a part of a transaction. Gives the learner's id."""
    system = centre_system(centre)
    found = learners.learners_by_academy_id(tx, [academy_id]).get(academy_id)
    waiting = {row.learner_id for row in holds.waiting_people(tx, centre)}
    if found is None or found[0] not in waiting:
        raise NotFound(
            "not-waiting",
            f'Nobody with the Academy id "{academy_id}" waits at {centre}.',
            "See `person unmatched`.",
        )
    learner_id = found[0]
    if account is None:
        target_links.create_at_next_run(tx, system, learner_id)
    else:
        taken = links.by_external_id(tx, system, Kind.LEARNER, [account])
        if account in taken and taken[account].record_id != learner_id:
            raise Refused(
                "account-taken", f"Account {account} is linked to another learner already."
            )
        target_links.adopt(tx, system, Kind.LEARNER, learner_id, account)
    holds.unqueue_people(tx, centre, [learner_id])
    return learner_id


def resend(database: Database, centre: str, kind: Kind, record_ids: list[int]) -> None:
    """Lets records that wait after a failure be tried at the next run."""
    with database.writing() as tx:
        keep_resend(tx, centre, kind, record_ids)


def keep_resend(tx: Connection, centre: str, kind: Kind, record_ids: list[int]) -> None:
    """The same as a part of a transaction."""
    for system in target_links.systems_of(tx, centre, kind, record_ids):
        target_links.try_again(tx, system, kind, record_ids)
