"""The contract of a centre's LMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from lms_bridge.domain.desired_state import learner_document
from lms_bridge.domain.ports import (
    Action,
    FindsAccounts,
    Pages,
    ReadsOfferings,
    ReadsResults,
    Removal,
    ShowsAccounts,
    ShowsEnrolments,
    WritesEnrolments,
    WritesLearners,
    Written,
)
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema, ResultSchema, RosterSchema
from lms_bridge.testing.contract import Contract, needs
from lms_bridge.testing.expect import (
    BY_FAULT,
    expect,
    expect_classed,
    expect_discreet,
    expect_same,
    expect_whole_or_marked,
    read,
    read_well,
    written,
    written_well,
)
from lms_bridge.testing.peers import CentrePeer, Fault
from lms_bridge.testing.samples import enrolment_request, learner, learner_request

HERS, HIS = "SAMPLE-hers", "SAMPLE-his"
READS: dict[str, type] = {
    "read_offerings": ReadsOfferings,
    "show_enrolments": ShowsEnrolments,
    "read_results": ReadsResults,
}


class CentreSide(Contract):
    side: ClassVar[str] = "centre"

    @pytest.fixture
    def peer(self) -> CentrePeer:
        raise NotImplementedError("override the fixture peer")

    def filled(self, peer: CentrePeer) -> list[str]:
        """Three offerings; the first has two people on its roster, put there by hand."""
        offerings = [peer.add_offering(f"Course {number}") for number in range(1, 4)]
        if not self.capabilities & {ShowsEnrolments, ReadsResults, WritesEnrolments}:
            return offerings
        for name, score in ((HERS, "0"), (HIS, "71.5")):
            account = peer.add_account(name, learner(name).email)
            peer.enrol_by_hand(offerings[0], account)
            if ReadsResults in self.capabilities:
                peer.add_result(offerings[0], account, score)
        return offerings

    def account(self, peer: CentrePeer) -> str:
        return peer.add_account(HERS, learner(HERS).email)


class CentreReads(CentreSide):
    def reading(self, name: str, system: object, offerings: list[str]) -> Callable[[], Pages]:
        able = self.able(system, READS[name])
        return (
            able.read_offerings
            if name == "read_offerings"
            else (lambda: getattr(able, name)(offerings))
        )

    @needs(name=READS)
    def test_reads_the_same_twice(self, name: str, peer: CentrePeer, system: object) -> None:
        start = self.reading(name, system, self.filled(peer))
        once, is_retry = read_well(start), read_well(start)
        expect(once.records, "nothing was read")
        expect_same(is_retry.by_id, once.by_id, "the second reading")
        bodies = [{a.scope: a.body for a in outcome.answers} for outcome in (once, is_retry)]
        expect(bodies[0] == bodies[1], "unchanged records came in other bytes")
        if name != "read_results":  # their silence is never taken for a removal
            expect(all(answer.whole for answer in once.answers), "an answer is not whole")

    @needs(name=READS, fault=BY_FAULT)
    def test_readings_class_their_errors(
        self, name: str, fault: Fault, peer: CentrePeer, system: object
    ) -> None:
        start = self.reading(name, system, self.filled(peer))
        self.broken(peer, fault)
        expect_classed(read(start), fault, peer.secret)

    @needs(Fault.CUT, name=READS)
    def test_whole_or_an_error(self, name: str, peer: CentrePeer, system: object) -> None:
        start = self.reading(name, system, self.filled(peer))
        whole = read_well(start)
        self.broken(peer, Fault.CUT)
        expect_whole_or_marked(read(start), whole, peer.secret)

    @needs(ReadsOfferings)
    def test_offerings_load(self, peer: CentrePeer, system: object) -> None:
        offerings = self.filled(peer)
        records = read_well(self.reading("read_offerings", system, offerings)).by_id
        expect_same(sorted(records), sorted(offerings), "offerings")
        titles = [load(OfferingSchema(), records[name].fields)["title"] for name in offerings]
        expect_same(titles, ["Course 1", "Course 2", "Course 3"], "titles")

    @needs(ReadsOfferings)
    def test_no_offerings_are_no_error(self, peer: CentrePeer, system: object) -> None:
        expect_same(read_well(self.reading("read_offerings", system, [])).records, [], "records")

    @needs(ReadsResults)
    def test_results_load(self, peer: CentrePeer, system: object) -> None:
        offerings = self.filled(peer)
        outcome = read_well(self.reading("read_results", system, offerings))
        scopes = {answer.scope for answer in outcome.answers}
        expect(set(offerings) <= scopes, f"an offering has no answer: {scopes}")
        scores = []
        for external_id, raw in outcome.by_id.items():
            expect(external_id.startswith(f"{offerings[0]}/"), f"odd id {external_id}")
            result = load(ResultSchema(), raw.fields)
            if result["score"] is not None:
                low, high = result["scale_min"], result["scale_max"]
                scores.append((result["score"] - low) / (high - low) * 100)
        expect_same(sorted(scores), [Decimal(0), Decimal("71.5")], "scores (zero is one)")

    @needs(ShowsEnrolments)
    def test_rosters_show_everybody(self, peer: CentrePeer, system: object) -> None:
        offerings = self.filled(peer)
        outcome = read_well(self.reading("show_enrolments", system, offerings))
        states = {
            external_id: load(RosterSchema(), raw.fields)["state"]
            for external_id, raw in outcome.by_id.items()
        }
        desired = {f"{offerings[0]}/{who}": how for who, how in peer.roster(offerings[0]).items()}
        expect_same(states, desired, "the rosters")


class CentreLearners(CentreSide):
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
        requests = [learner_request(1, HERS), learner_request(2, HIS)]
        made = written_well(lambda: able.write_learners(requests), requests)
        is_retry = [learner_request(1, HERS, is_retry=True), learner_request(2, HIS, is_retry=True)]
        same = written_well(lambda: able.write_learners(is_retry), is_retry)
        ids = [
            {key: done.external_id for key, done in outcome.done.items()}
            for outcome in (made, same)
        ]
        expect_same(ids[1], ids[0], "accounts")
        expect_same([peer.accounts(HERS), peer.accounts(HIS)], [1, 1], "accounts with a stable id")

    @needs(ShowsAccounts)
    def test_shows_accounts(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, ShowsAccounts)
        account = peer.add_account(HERS, learner(HERS).email)
        shown = read_well(lambda: able.show_accounts({account: learner_document(learner(HERS))}))
        expect_same(shown.by_id[account].fields["state"], "active", "the state of an account")

    @needs(WritesLearners, Fault.LOST)
    def test_a_lost_answer_makes_no_second_account(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesLearners)
        self.broken(peer, Fault.LOST)
        first = written(lambda: able.write_learners([learner_request(1, HERS)]))
        if first.error is not None:
            expect_discreet(first.error, peer.secret)
        peer.mend()
        request = learner_request(1, HERS, is_retry=True)
        written_well(lambda: able.write_learners([request]), [request])
        expect_same(peer.accounts(HERS), 1, "accounts with the stable id")

    @needs(WritesLearners, fault=BY_FAULT)
    def test_learners_class_their_errors(
        self, fault: Fault, peer: CentrePeer, system: object
    ) -> None:
        able = self.able(system, WritesLearners)
        self.broken(peer, fault)
        requests = [learner_request(1, HERS)]
        expect_classed(written(lambda: able.write_learners(requests)), fault, peer.secret)


class CentreEnrolments(CentreSide):
    @needs(WritesEnrolments)
    def test_enrols_once_and_takes_back(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        for is_retry in (False, True):
            done = self.enrolled(able, course, account, is_retry=is_retry)
        expect_same(dict(peer.roster(course)), {account: "active"}, "the roster")
        request = enrolment_request(1, course, account, action=Action.REMOVE)
        for _ in range(2):
            written_well(lambda: able.write_enrolments([request], Removal.SUSPEND), [request])
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
        out = enrolment_request(1, course, account, action=Action.REMOVE)
        written_well(lambda: able.write_enrolments([out], removal), [out])
        back = replace(
            enrolment_request(1, course, account, is_retry=True), external_id=out.external_id
        )
        written_well(lambda: able.write_enrolments([back], removal), [back])
        expect_same(dict(peer.roster(course)), {account: "active"}, "the roster")

    @needs(WritesEnrolments)
    def test_unenrols_where_that_is_wanted(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        self.enrolled(able, course, account)
        request = enrolment_request(1, course, account, action=Action.REMOVE)
        for _ in range(2):
            written_well(lambda: able.write_enrolments([request], Removal.UNENROL), [request])
        expect_same(dict(peer.roster(course)), {}, "the roster")

    @needs(WritesEnrolments)
    def test_leaves_everybody_else_alone(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        other = peer.add_account(HIS, learner(HIS).email)
        peer.enrol_by_hand(course, other)
        self.enrolled(able, course, account)
        request = enrolment_request(1, course, account, action=Action.REMOVE)
        written_well(lambda: able.write_enrolments([request], Removal.UNENROL), [request])
        expect_same(dict(peer.roster(course)), {other: "active"}, "the roster")

    @needs(WritesEnrolments)
    def test_one_who_is_there_is_not_the_bridges(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        peer.enrol_by_hand(course, account)
        done = self.enrolled(able, course, account)
        expect(not done.created_by_us, "an enrolment made by hand counts as the bridge's own")

    @needs(WritesEnrolments, Fault.LOST)
    def test_a_lost_answer_enrols_nobody_twice(self, peer: CentrePeer, system: object) -> None:
        able = self.able(system, WritesEnrolments)
        course, account = peer.add_offering("Course"), self.account(peer)
        self.broken(peer, Fault.LOST)
        request = enrolment_request(1, course, account)
        written(lambda: able.write_enrolments([request], Removal.SUSPEND))
        peer.mend()
        done = self.enrolled(able, course, account, is_retry=True)
        expect(done.created_by_us, "the bridge's own enrolment counts as somebody else's")
        expect_same(dict(peer.roster(course)), {account: "active"}, "the roster")

    @needs(WritesEnrolments, fault=BY_FAULT)
    def test_enrolments_class_their_errors(
        self, fault: Fault, peer: CentrePeer, system: object
    ) -> None:
        able = self.able(system, WritesEnrolments)
        requests = [enrolment_request(1, peer.add_offering("Course"), self.account(peer))]
        self.broken(peer, fault)
        outcome = written(lambda: able.write_enrolments(requests, Removal.SUSPEND))
        expect_classed(outcome, fault, peer.secret)

    def enrolled(self, able: Any, course: str, account: str, *, is_retry: bool = False) -> Written:
        requests = [enrolment_request(1, course, account, is_retry=is_retry)]
        outcome = written_well(lambda: able.write_enrolments(requests, Removal.SUSPEND), requests)
        return outcome.done[1]


class CentreContract(CentreReads, CentreLearners, CentreEnrolments):
    """Subclass it in a class whose name begins with ``Test``, declare ``capabilities`` and
    ``faults``, and override ``peer``."""
