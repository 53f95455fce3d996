"""Learners: found by what identifies them, and made once."""

from __future__ import annotations

from lms_bridge.domain.ports import (
    FindsAccounts,
    WritesLearners,
)
from lms_bridge.testing.centre_side import HERS, HIS, CentreSide
from lms_bridge.testing.expect import (
    BY_FAULT,
    expect_classed,
    expect_discreet,
    expect_same,
    written,
    written_well,
)
from lms_bridge.testing.needs import needs
from lms_bridge.testing.peers import CentrePeer, Fault
from lms_bridge.testing.samples import learner, learner_order


class CentrePeople(CentreSide):
    @needs(FindsAccounts)
    def test_accounts_are_found(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, FindsAccounts)
        email = learner(HERS).email
        account = peer.add_account(HERS, email)
        by_id = able.accounts_by_stable_id([HERS, "SAMPLE-nobody"])
        found = [each.external_id for each in by_id.get(HERS, ())]
        expect_same((found, by_id.get("SAMPLE-nobody", ())), ([account], ()), "by stable id")
        by_email = able.accounts_by_email([email, "nobody@leak.example.org"])
        expect_same(list(by_email), [email], "the addresses that somebody has")

    @needs(WritesLearners)
    def test_learners_are_made_once(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesLearners)
        orders = [learner_order(1, HERS), learner_order(2, HIS)]
        made = written_well(lambda: able.write_learners(orders), orders)
        again = [learner_order(1, HERS, again=True), learner_order(2, HIS, again=True)]
        same = written_well(lambda: able.write_learners(again), again)
        ids = [
            {key: done.external_id for key, done in outcome.done.items()}
            for outcome in (made, same)
        ]
        expect_same(ids[1], ids[0], "accounts")
        expect_same([peer.accounts(HERS), peer.accounts(HIS)], [1, 1], "accounts with a stable id")

    @needs(WritesLearners, Fault.LOST)
    def test_a_lost_answer_makes_no_second_account(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesLearners)
        self.broken(peer, Fault.LOST)
        first = written(lambda: able.write_learners([learner_order(1, HERS)]))
        if first.error is not None:
            expect_discreet(first.error, peer.secret)
        peer.mend()
        order = learner_order(1, HERS, again=True)
        written_well(lambda: able.write_learners([order]), [order])
        expect_same(peer.accounts(HERS), 1, "accounts with the stable id")

    @needs(WritesLearners, fault=BY_FAULT)
    def test_learners_class_their_errors(
        self, fault: Fault, peer: CentrePeer, system: object
    ) -> None:
        able = self.able(system, WritesLearners)
        self.broken(peer, fault)
        orders = [learner_order(1, HERS)]
        expect_classed(written(lambda: able.write_learners(orders)), fault, peer.secret)
