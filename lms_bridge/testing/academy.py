"""The contract of the Academy's platform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest

from lms_bridge.domain.desired_state import offering_document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.ports import (
    FollowsRegistrations,
    Page,
    Pages,
    ReadsRegistrations,
    ShowsOfferings,
    WriteResults,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import RegistrationSchema
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
from lms_bridge.testing.peers import AcademyPeer, Fault
from lms_bridge.testing.samples import (
    CENTRE,
    REFUSED,
    learner_fields,
    offering,
    offering_request,
    removal_request,
    result_request,
)

ONE, TWO = "SAMPLE-one", "SAMPLE-two"
PEOPLE = ("SAMPLE-ann", "SAMPLE-ben", "SAMPLE-eve")
WRITES: dict[str, type] = {
    "write_offerings": WritesOfferings,
    "write_results": WritesResults,
}


class AcademySide(Contract):
    side: ClassVar[str] = "academy"

    @pytest.fixture
    def peer(self) -> AcademyPeer:
        raise NotImplementedError("override the fixture peer")

    def registered(self, peer: AcademyPeer) -> list[str]:
        """Three people in the first offering, the last one of another centre's."""
        return [
            peer.add_registration(
                centre, peer.hold_offering(code), learner_fields(name), "enrolled"
            )
            for centre, code, name in (
                (CENTRE, ONE, PEOPLE[0]),
                (CENTRE, ONE, PEOPLE[1]),
                ("ELSEWHERE", "ELSEWHERE-one", PEOPLE[2]),
            )
        ]

    def taught(self, peer: AcademyPeer) -> None:
        """The Academy knows the offering and its learners, as it must before any result."""
        if ReadsRegistrations in self.capabilities:
            self.registered(peer)
            one = peer.hold_offering(ONE)
            peer.add_registration(CENTRE, one, learner_fields(REFUSED), "enrolled")


class AcademyRegistrations(AcademySide):
    def registrations(self, peer: AcademyPeer, system: object) -> Callable[[], Pages]:
        able = self.able(system, ReadsRegistrations)
        offerings = {peer.hold_offering(code): code for code in (ONE, TWO)}
        return lambda: able.read_registrations(CENTRE, offerings)

    @needs(ReadsRegistrations)
    def test_registrations_load(self, peer: AcademyPeer, system: object) -> None:
        start = self.registrations(peer, system)
        desired = self.registered(peer)[:2]
        once = read_well(start)
        expect_same(sorted(once.by_id), sorted(desired), "registrations of the centre")
        expect(all(answer.whole for answer in once.answers), "an answer is not whole")
        for raw, name in zip(map(once.by_id.get, desired), PEOPLE, strict=False):
            loaded = load(RegistrationSchema(), raw.fields if raw else {})
            found = (loaded["offering"], loaded["learner"].academy_id, loaded["status"])
            expect(found[0] in (ONE, peer.hold_offering(ONE)), f"odd offering {found[0]}")
            expect_same(found[1:], (name, "enrolled"), "a registration")

    @needs(ReadsRegistrations)
    def test_registrations_are_the_same_twice(self, peer: AcademyPeer, system: object) -> None:
        start = self.registrations(peer, system)
        self.registered(peer)
        once, is_retry = read_well(start), read_well(start)
        expect_same(is_retry.by_id, once.by_id, "the second reading")
        bodies = [{a.scope: a.body for a in outcome.answers} for outcome in (once, is_retry)]
        expect(bodies[0] == bodies[1], "unchanged records came in other bytes")

    @needs(ReadsRegistrations)
    def test_no_registrations_are_no_error(self, peer: AcademyPeer, system: object) -> None:
        expect_same(read_well(self.registrations(peer, system)).records, [], "records")

    @needs(ReadsRegistrations, fault=BY_FAULT)
    def test_readings_class_their_errors(
        self, fault: Fault, peer: AcademyPeer, system: object
    ) -> None:
        start = self.registrations(peer, system)
        self.registered(peer)
        self.broken(peer, fault)
        expect_classed(read(start), fault, peer.secret)

    @needs(ReadsRegistrations, Fault.CUT)
    def test_whole_or_an_error(self, peer: AcademyPeer, system: object) -> None:
        start = self.registrations(peer, system)
        self.registered(peer)
        whole = read_well(start)
        self.broken(peer, Fault.CUT)
        expect_whole_or_marked(read(start), whole, peer.secret)

    @needs(FollowsRegistrations, ReadsRegistrations)
    def test_follows_changes(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, FollowsRegistrations, ReadsRegistrations)
        offerings = {peer.hold_offering(ONE): ONE}
        registration = self.registered(peer)[0]
        whole = read_well(self.registrations(peer, system))
        cursor = self.cursor(whole.answers)
        quiet = read_well(lambda: able.registrations_since(CENTRE, offerings, cursor))
        expect_same(quiet.records, [], "changes when nothing changed")
        peer.withdraw(registration)
        changed = read_well(
            lambda: able.registrations_since(CENTRE, offerings, self.cursor(quiet.answers))
        )
        expect_same(list(changed.by_id), [registration], "what changed")
        expect(not any(answer.whole for answer in changed.answers), "changes count as whole")
        status = load(RegistrationSchema(), changed.by_id[registration].fields)["status"]
        expect(status in ("withdrawn", "cancelled"), f"a withdrawal came as {status}")

    def cursor(self, answers: Sequence[Page]) -> str:
        cursors = [answer.cursor for answer in answers]
        expect(cursors and cursors[-1], "the last answer has no cursor")
        expect(not any(cursors[:-1]), "an answer before the last one has a cursor")
        return cursors[-1]


class AcademyWrites(AcademySide):
    @needs(WritesOfferings)
    def test_offerings_are_written_once(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WritesOfferings)
        for is_retry in (False, True):
            requests = [
                offering_request(key, offering(code, f"Title {code}"), is_retry=is_retry)
                for key, code in enumerate((ONE, TWO))
            ]
            outcome = written_well(partial(able.write_offerings, requests), requests)
        ids = [done.external_id for done in outcome.done.values()]
        expect(len(set(ids)) == 2, f"two offerings have the ids {ids}")
        self.shows(peer, {ONE: f"Title {ONE}", TWO: f"Title {TWO}"})

    @needs(WritesOfferings)
    def test_a_removed_offering_is_not_shown(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WritesOfferings)
        requests = [
            offering_request(1, offering(ONE, "A")),
            offering_request(2, offering(TWO, "B")),
        ]
        done = written_well(lambda: able.write_offerings(requests), requests).done
        removal = [removal_request(1, done[1].external_id)]
        for _ in range(2):
            written_well(lambda: able.write_offerings(removal), removal)
        self.shows(peer, {TWO: "B"})
        back = [replace(requests[0], external_id=done[1].external_id, is_retry=True)]
        written_well(lambda: able.write_offerings(back), back)
        self.shows(peer, {ONE: "A", TWO: "B"})

    @needs(ShowsOfferings, WritesOfferings)
    def test_shows_what_it_was_sent(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, ShowsOfferings, WritesOfferings)
        record = offering(ONE)
        request = offering_request(1, record)
        done = written_well(lambda: able.write_offerings([request]), [request]).done[1]
        shown = read_well(lambda: able.show_offerings([done.external_id])).by_id
        desired = offering_document(record)
        fields = shown[done.external_id].fields if done.external_id in shown else {}
        expect(fields, "the offering is not shown")
        common = {name: value for name, value in fields.items() if name in desired}
        expect_same(common, {name: desired[name] for name in common}, "what is shown")

    @needs(WritesResults)
    def test_results_are_written_once(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WritesResults)
        self.taught(peer)
        one = peer.hold_offering(ONE)
        for is_retry in (False, True):
            requests = [
                result_request(1, one, PEOPLE[0], "0", is_retry=is_retry),
                result_request(2, one, PEOPLE[1], "71.5", is_retry=is_retry),
            ]
            written_well(partial(able.write_results, requests), requests)
        held = peer.results()
        desired = {f"{one}/{PEOPLE[0]}": "0", f"{one}/{PEOPLE[1]}": "71.5"}
        if held is not None:
            expect_same(dict(held), desired, "results")

    def shows(self, peer: AcademyPeer, desired: dict[str, str]) -> None:
        held = peer.catalogue()
        if held is not None:
            expect_same(dict(held), desired, "the catalogue")


class AcademyFailures(AcademySide):
    @needs(Fault.ROW, name=WRITES)
    def test_one_bad_row_stops_no_other(self, name: str, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WRITES[name])
        self.taught(peer)
        self.broken(peer, Fault.ROW)
        if name == "write_offerings":
            codes = (ONE, REFUSED, TWO)
            requests = [offering_request(k, offering(code)) for k, code in enumerate(codes)]
        else:
            names = (PEOPLE[0], REFUSED, PEOPLE[1])
            requests = [
                result_request(k, peer.hold_offering(ONE), who, "50") for k, who in enumerate(names)
            ]
        outcome = written(lambda: getattr(able, name)(requests))
        expect(not outcome.raised, f"one bad row stopped all: {outcome.error!r}")
        expect_same((sorted(outcome.done), list(outcome.failed)), ([0, 2], [1]), "outcomes")
        expect(isinstance(outcome.failed[1], RecordRefused), f"{outcome.failed[1]!r} is the row's")
        expect_discreet(outcome.failed[1], peer.secret)

    @needs(name=WRITES, fault=BY_FAULT)
    def test_writings_class_their_errors(
        self, name: str, fault: Fault, peer: AcademyPeer, system: object
    ) -> None:
        start = self.writing(name, peer, system)
        self.broken(peer, fault)
        expect_classed(written(start), fault, peer.secret)

    @needs(Fault.LOST, name=WRITES)
    def test_a_lost_answer_doubles_nothing(
        self, name: str, peer: AcademyPeer, system: object
    ) -> None:
        start = self.writing(name, peer, system)
        self.broken(peer, Fault.LOST)
        first = written(start)
        if first.error is not None:
            expect_discreet(first.error, peer.secret)
        peer.mend()
        second = written(self.writing(name, peer, system, is_retry=True))
        expect(second.error is None, f"the second attempt failed: {second.error!r}")
        held = peer.catalogue() if name == "write_offerings" else peer.results()
        if held is not None:
            expect_same(len(held), 1, "records")

    def writing(
        self, name: str, peer: AcademyPeer, system: object, *, is_retry: bool = False
    ) -> Callable[[], WriteResults]:
        """One write request."""
        able = self.able(system, WRITES[name])
        if name == "write_offerings":
            offerings = [offering_request(1, offering(ONE), is_retry=is_retry)]
            return lambda: able.write_offerings(offerings)
        if not is_retry:
            self.taught(peer)
        results = [result_request(1, peer.hold_offering(ONE), PEOPLE[0], "50", is_retry=is_retry)]
        return lambda: able.write_results(results)


class AcademyContract(AcademyRegistrations, AcademyWrites, AcademyFailures):
    """Subclass it in a class whose name begins with ``Test``, declare ``capabilities`` and
    ``faults``, and override ``peer``."""
