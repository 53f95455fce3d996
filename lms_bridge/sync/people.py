"""People at a centre: who has which account there, whose is created, and who has to wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.identity import Decision, Match, decide
from lms_bridge.domain.model import Kind, Learner
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import (
    Account,
    Action,
    Done,
    Failed,
    FindsAccounts,
    Order,
    Outcomes,
    WritesLearners,
)
from lms_bridge.domain.wanted import learner_document
from lms_bridge.store import holds, learners, links
from lms_bridge.store.database import Database
from lms_bridge.store.target_links import Pending
from lms_bridge.sync.target import Draft, Found, Look
from lms_bridge.sync.work import Work


@dataclass
class LearnerTarget:
    """The accounts of a centre's LMS."""

    peer: object
    work: Work
    kind: Kind = Kind.LEARNER
    system: str = ""
    _learner_ids: dict[int, int] = field(default_factory=dict)
    _decisions: dict[int, Decision] = field(default_factory=dict)
    _claimed: set[str] = field(default_factory=set)
    """Accounts that this run has matched by their addresses."""

    def __post_init__(self) -> None:
        self.system = self.work.centre.system

    @property
    def policy(self) -> Policy:
        return self.work.policy

    @property
    def database(self) -> Database:
        return self.work.database

    def drafts(self, tx: Connection, due: Sequence[Pending]) -> Mapping[int, Draft]:
        records = learners.learners(tx, [each.record_id for each in due])
        self._learner_ids.update((each.link_id, each.record_id) for each in due)
        return {each.link_id: Draft(learner_document(records[each.record_id])) for each in due}

    def look(self, orders: Sequence[Order]) -> Look:
        """Matches people with the accounts that exist; who matches nobody may be created."""
        if not isinstance(self.peer, FindsAccounts):
            return Look() if isinstance(self.peer, WritesLearners) else self._as_they_are(orders)
        people = {order.key: _learner(order.wanted) for order in orders}
        accounts = self._accounts(self.peer, people)
        found, refused = [], []
        for order in orders:
            decision = self._decide(people[order.key], *accounts[order.key])
            self._decisions[order.key] = decision
            if decision.match is Match.FOUND:
                found.append(Found(order.key, decision.account, order.wanted))
            elif decision.match is Match.UNSURE or not self.policy.create_accounts:
                refused.append(Failed(order.key, _undecided(decision)))
        return Look(tuple(found), tuple(refused))

    def _as_they_are(self, orders: Sequence[Order]) -> Look:
        """A system without accounts of its own knows people by their Academy ids."""
        return Look(tuple(Found(o.key, str(o.wanted["academy_id"]), o.wanted) for o in orders))

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
        decision = decide(learner, by_id, by_email, trust_email=self.policy.trust_email)
        if decision.match is not Match.FOUND or decision.reason == "stable-id":
            return decision
        with self.database.reading() as tx:
            taken = links.by_external_id(tx, self.system, Kind.LEARNER, [decision.account])
        if taken or decision.account in self._claimed:
            return Decision(
                Match.UNSURE,
                "account-taken",
                suggestions=((decision.account, "linked to another learner"),),
            )
        self._claimed.add(decision.account)
        return decision

    def looked(self, tx: Connection, look: Look) -> None:
        self._queue(tx, {each.key: self._decisions[each.key] for each in look.refused})
        holds.unqueue_people(
            tx, self.work.centre.code, [self._learner_ids[each.key] for each in look.found]
        )

    def _queue(self, tx: Connection, decisions: Mapping[int, Decision]) -> None:
        holds.queue_person(
            tx,
            [
                {
                    "centre": self.work.centre.code,
                    "learner_id": self._learner_ids[key],
                    "suggestions": [list(each) for each in decision.suggestions],
                    "reason": decision.reason[:60],
                    "since": self.work.now(),
                }
                for key, decision in decisions.items()
            ],
        )

    def write(self, orders: Sequence[Order]) -> Outcomes:
        if not isinstance(self.peer, WritesLearners):
            return iter(())
        return self.peer.write_learners(orders)

    def leaves(self, pending: Pending, action: Action) -> bool:
        """A person's account is never removed, and its data are the centre's own unless the
        bridge created it."""
        return action is Action.REMOVE or not (pending.made and self.policy.update_accounts)

    def owns(self, pending: Pending, action: Action, done: Done) -> bool:
        return pending.made or (action is Action.CREATE and done.made)

    def kept(self, tx: Connection, done: Sequence[Done], failed: Sequence[Failed]) -> None:
        self._queue(
            tx,
            {
                each.key: Decision(Match.UNSURE, each.error.code)
                for each in failed
                if isinstance(each.error, RecordRefused)
            },
        )
        holds.unqueue_people(
            tx, self.work.centre.code, [self._learner_ids[each.key] for each in done]
        )

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
