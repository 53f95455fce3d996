"""Enrolments: made once, taken back, and nobody else touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lms_bridge.domain.ports import (
    Action,
    Done,
    Removal,
    WritesEnrolments,
)
from lms_bridge.testing.centre_side import HIS, CentreSide
from lms_bridge.testing.expect import (
    BY_FAULT,
    expect,
    expect_classed,
    expect_same,
    written,
    written_well,
)
from lms_bridge.testing.needs import needs
from lms_bridge.testing.peers import CentrePeer, Fault
from lms_bridge.testing.samples import enrolment_order, learner


class CentreEnrolling(CentreSide):
    @needs(WritesEnrolments)
    def test_enrols_once_and_takes_back(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        for again in (False, True):
            done = self.enrolled(able, course, account, again=again)
        expect_same(dict(peer.roster(course)), {account: "active"}, "the roster")
        order = enrolment_order(1, course, account, action=Action.REMOVE)
        for _ in range(2):
            written_well(lambda: able.write_enrolments([order], Removal.SUSPEND), [order])
        expect_same(dict(peer.roster(course)), {account: "suspended"}, "the roster")
        expect(done.external_id == f"{course}/{account}", f"odd id {done.external_id}")

    @needs(WritesEnrolments)
    @pytest.mark.parametrize("removal", [Removal.SUSPEND, Removal.UNENROL])
    def test_who_was_taken_out_comes_back(
        self, removal: Removal, peer: CentrePeer, system: object
    ) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        self.enrolled(able, course, account)
        out = enrolment_order(1, course, account, action=Action.REMOVE)
        written_well(lambda: able.write_enrolments([out], removal), [out])
        back = replace(enrolment_order(1, course, account, again=True), external_id=out.external_id)
        written_well(lambda: able.write_enrolments([back], removal), [back])
        expect_same(dict(peer.roster(course)), {account: "active"}, "the roster")

    @needs(WritesEnrolments)
    def test_unenrols_where_that_is_wanted(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        self.enrolled(able, course, account)
        order = enrolment_order(1, course, account, action=Action.REMOVE)
        for _ in range(2):
            written_well(lambda: able.write_enrolments([order], Removal.UNENROL), [order])
        expect_same(dict(peer.roster(course)), {}, "the roster")

    @needs(WritesEnrolments)
    def test_leaves_everybody_else_alone(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        other = peer.add_account(HIS, learner(HIS).email)
        peer.enrol_by_hand(course, other)
        self.enrolled(able, course, account)
        order = enrolment_order(1, course, account, action=Action.REMOVE)
        written_well(lambda: able.write_enrolments([order], Removal.UNENROL), [order])
        expect_same(dict(peer.roster(course)), {other: "active"}, "the roster")

    @needs(WritesEnrolments)
    def test_one_who_is_there_is_not_the_bridges(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        peer.enrol_by_hand(course, account)
        done = self.enrolled(able, course, account)
        expect(not done.made, "an enrolment made by hand counts as the bridge's own")

    @needs(WritesEnrolments, Fault.LOST)
    def test_a_lost_answer_enrols_nobody_twice(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        self.broken(peer, Fault.LOST)
        order = enrolment_order(1, course, account)
        written(lambda: able.write_enrolments([order], Removal.SUSPEND))
        peer.mend()
        done = self.enrolled(able, course, account, again=True)
        expect(done.made, "the bridge's own enrolment counts as somebody else's")
        expect_same(dict(peer.roster(course)), {account: "active"}, "the roster")

    @needs(WritesEnrolments, fault=BY_FAULT)
    def test_enrolments_class_their_errors(
        self, fault: Fault, peer: CentrePeer, system: object
    ) -> None:
        able = self.able(system, WritesEnrolments)
        orders = [enrolment_order(1, peer.add_offering("Course"), self.account(peer))]
        self.broken(peer, fault)
        outcome = written(lambda: able.write_enrolments(orders, Removal.SUSPEND))
        expect_classed(outcome, fault, peer.secret)

    def enrolled(self, able: Any, course: str, account: str, *, again: bool = False) -> Done:
        orders = [enrolment_order(1, course, account, again=again)]
        outcome = written_well(lambda: able.write_enrolments(orders, Removal.SUSPEND), orders)
        return outcome.done[1]
