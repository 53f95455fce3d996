"""Learners' accounts at a centre: which one is whose, which are created, and who waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import GONE, GONE_HASH, learner_document
from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.matching import Decision, Match, decide
from lms_bridge.domain.model import Kind, Learner
from lms_bridge.domain.policy import OnUnneeded
from lms_bridge.domain.ports import (
    ACCOUNT_GONE,
    Account,
    Action,
    FindsAccounts,
    WriteFailed,
    WriteRequest,
    WriteResults,
    WritesLearners,
    Written,
)
from lms_bridge.store import enrolments, holds, learners, links, retries
from lms_bridge.store.target_links import PendingWrite
from lms_bridge.sync.accounts import forget_account
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.targets import FoundRecord, Payload, PlainTarget, Preflight


@dataclass
class LearnerTarget(PlainTarget):
    """The accounts of a centre's LMS."""

    peer: object
    context: RunContext
    kind: Kind = Kind.LEARNER
    system: str = ""
    _learner_ids: dict[int, int] = field(default_factory=dict)
    _decisions: dict[int, Decision] = field(default_factory=dict)
    _to_create: set[int] = field(default_factory=set)
    """Links of learners whom a person declared to have no account there."""
    _claimed: set[str] = field(default_factory=set)
    """Accounts that this run matched by e-mail address."""
    _waited: set[int] = field(default_factory=set)
    """Links of learners who waited. Their enrolments may wait, too, and need not any more."""

    def __post_init__(self) -> None:
        self.system = self.context.centre.system

    def payloads(self, tx: Connection, due: Sequence[PendingWrite]) -> Mapping[int, Payload]:
        records = learners.learners(tx, [each.record_id for each in due])
        # Of these requests alone: those of a whole first import would be much to remember.
        self._learner_ids = {each.link_id: each.record_id for each in due}
        self._decisions = {}
        self._waited.update(each.link_id for each in due if each.attempts)
        decided = holds.to_create(tx, self.context.centre.code)
        self._to_create = {each.link_id for each in due if each.record_id in decided}
        return {
            each.link_id: Payload(dict(GONE))
            if each.desired == GONE_HASH
            else Payload(
                learner_document(records[each.record_id]),
                {"decided": "create"} if each.record_id in decided else {},
            )
            for each in due
        }

    def preflight(self, requests: Sequence[WriteRequest]) -> Preflight:
        """Matches learners with existing accounts. Who matches none may get a new account."""
        if not isinstance(self.peer, FindsAccounts):
            return (
                Preflight()
                if isinstance(self.peer, WritesLearners)
                else self._by_academy_id(requests)
            )
        requests = [request for request in requests if request.key not in self._to_create]
        people = {request.key: _learner(request.desired) for request in requests}
        accounts = self._accounts(self.peer, people)
        found, refused = [], []
        for request in requests:
            decision = self._decide(people[request.key], *accounts[request.key])
            self._decisions[request.key] = decision
            if decision.match is Match.FOUND:
                found.append(FoundRecord(request.key, decision.account, request.desired))
            elif decision.match is Match.UNSURE or not self.context.policy.create_accounts:
                refused.append(WriteFailed(request.key, _undecided(decision)))
        return Preflight(tuple(found), tuple(refused))

    def _by_academy_id(self, requests: Sequence[WriteRequest]) -> Preflight:
        """A system without accounts of its own uses the Academy's ids."""
        return Preflight(
            tuple(
                FoundRecord(request.key, str(request.desired["academy_id"]), request.desired)
                for request in requests
            )
        )

    def _accounts(
        self, peer: FindsAccounts, people: Mapping[int, Learner]
    ) -> dict[int, tuple[Sequence[Account], Sequence[Account]]]:
        """{key: (accounts with the stable id, accounts with the e-mail address)}"""
        by_id = peer.accounts_by_stable_id([each.academy_id for each in people.values()])
        rest = [each.email for each in people.values() if not by_id.get(each.academy_id)]
        by_email = peer.accounts_by_email(list(dict.fromkeys(rest))) if rest else {}
        return {
            key: (by_id.get(each.academy_id, ()), by_email.get(each.email, ()))
            for key, each in people.items()
        }

    def _decide(
        self, learner: Learner, by_id: Sequence[Account], by_email: Sequence[Account]
    ) -> Decision:
        decision = decide(learner, by_id, by_email, trust_email=self.context.policy.trust_email)
        if decision.match is not Match.FOUND or decision.reason == "stable-id":
            return decision
        with self.context.database.reading() as tx:
            taken = links.by_external_id(tx, self.system, Kind.LEARNER, [decision.account])
        if taken or decision.account in self._claimed:
            return Decision(
                Match.UNSURE,
                "account-taken",
                suggestions=((decision.account, "linked to another learner"),),
            )
        self._claimed.add(decision.account)
        return decision

    def after_preflight(self, tx: Connection, preflight: Preflight) -> None:
        self._queue(tx, {each.key: self._decisions[each.key] for each in preflight.refused})
        self._has_account(tx, [each.key for each in preflight.found])

    def _queue(self, tx: Connection, decisions: Mapping[int, Decision]) -> None:
        holds.queue_person(
            tx,
            [
                {
                    "centre": self.context.centre.code,
                    "learner_id": self._learner_ids[key],
                    "suggestions": [list(each) for each in decision.suggestions],
                    "reason": decision.reason[:60],
                    "since": self.context.now(),
                }
                for key, decision in decisions.items()
            ],
        )

    def write(self, requests: Sequence[WriteRequest]) -> WriteResults:
        if not isinstance(self.peer, WritesLearners):
            return iter(())
        return self.peer.write_learners(requests)

    def should_skip(self, pending: PendingWrite, action: Action) -> bool:
        """The bridge changes only accounts that it created. It suspends those that nothing needs,
        if the policy says so, and deletes none."""
        policy = self.context.policy
        allowed = policy.update_accounts
        if action is Action.REMOVE:
            allowed = policy.unneeded is OnUnneeded.SUSPEND
        return not (pending.created_by_us and allowed)

    def after_write(
        self, tx: Connection, done: Sequence[Written], failed: Sequence[WriteFailed]
    ) -> None:
        self._queue(
            tx,
            {
                each.key: Decision(Match.UNSURE, each.error.code, suggestions=each.accounts)
                for each in failed
                if isinstance(each.error, RecordRefused)
            },
        )
        gone = {self._learner_ids[each.key] for each in failed if each.error.code == ACCOUNT_GONE}
        for learner_id in gone:
            forget_account(tx, self.context, learner_id, "")
        holds.unqueue_people(tx, self.context.centre.code, gone)
        self._has_account(tx, [each.key for each in done])

    def _has_account(self, tx: Connection, keys: Sequence[int]) -> None:
        """These learners' accounts are known: their enrolments are due."""
        ready = [self._learner_ids[key] for key in keys]
        holds.unqueue_people(tx, self.context.centre.code, ready)
        for learner_id in (self._learner_ids[key] for key in keys if key in self._waited):
            of_learner = enrolments.ids_of_learner(tx, learner_id)
            retries.try_again(tx, self.system, Kind.ENROLMENT, of_learner)

    def scope(self, external_id: str) -> str:
        return ""


def _learner(document: Document) -> Learner:
    return Learner(**{name: str(document[name]) for name in Learner.__slots__})


def _undecided(decision: Decision) -> RecordRefused:
    return RecordRefused(
        f"unmatched-{decision.reason}",
        "It is not certain which account of this centre belongs to the learner.",
        "See `lms-bridge person unmatched`, and decide with `lms-bridge person match`.",
    )
