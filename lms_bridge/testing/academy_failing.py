"""Writings that fail: told by their class, to the one row they concern, and doubling nothing."""

from __future__ import annotations

from collections.abc import Callable

from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.ports import Outcomes, WritesOfferings, WritesResults
from lms_bridge.testing.academy_side import ONE, PEOPLE, TWO, AcademySide
from lms_bridge.testing.expect import (
    BY_FAULT,
    expect,
    expect_classed,
    expect_discreet,
    expect_same,
    written,
)
from lms_bridge.testing.needs import needs
from lms_bridge.testing.peers import AcademyPeer, Fault
from lms_bridge.testing.samples import REFUSED, offering, offering_order, result_order

WRITINGS: dict[str, type] = {
    "write_offerings": WritesOfferings,
    "write_results": WritesResults,
}


class AcademyFailing(AcademySide):
    @needs(Fault.ROW, name=WRITINGS)
    def test_one_bad_row_stops_no_other(self, name: str, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WRITINGS[name])
        self.taught(peer)
        self.broken(peer, Fault.ROW)
        if name == "write_offerings":
            codes = (ONE, REFUSED, TWO)
            orders = [offering_order(k, offering(code)) for k, code in enumerate(codes)]
        else:
            names = (PEOPLE[0], REFUSED, PEOPLE[1])
            orders = [
                result_order(k, peer.hold_offering(ONE), who, "50") for k, who in enumerate(names)
            ]
        outcome = written(lambda: getattr(able, name)(orders))
        expect(not outcome.raised, f"one bad row stopped all: {outcome.error!r}")
        expect_same((sorted(outcome.done), list(outcome.failed)), ([0, 2], [1]), "outcomes")
        expect(isinstance(outcome.failed[1], RecordRefused), f"{outcome.failed[1]!r} is the row's")
        expect_discreet(outcome.failed[1], peer.secret)

    @needs(name=WRITINGS, fault=BY_FAULT)
    def test_writings_class_their_errors(
        self, name: str, fault: Fault, peer: AcademyPeer, system: object
    ) -> None:
        start = self.writing(name, peer, system)
        self.broken(peer, fault)
        expect_classed(written(start), fault, peer.secret)

    @needs(Fault.LOST, name=WRITINGS)
    def test_a_lost_answer_doubles_nothing(
        self, name: str, peer: AcademyPeer, system: object
    ) -> None:
        start = self.writing(name, peer, system)
        self.broken(peer, Fault.LOST)
        first = written(start)
        if first.error is not None:
            expect_discreet(first.error, peer.secret)
        peer.mend()
        second = written(self.writing(name, peer, system, again=True))
        expect(second.error is None, f"the second attempt failed: {second.error!r}")
        held = peer.catalogue() if name == "write_offerings" else peer.results()
        if held is not None:
            expect_same(len(held), 1, "records")

    def writing(
        self, name: str, peer: AcademyPeer, system: object, *, again: bool = False
    ) -> Callable[[], Outcomes]:
        """One order, ready to be carried out."""
        able = self.able(system, WRITINGS[name])
        if name == "write_offerings":
            offerings = [offering_order(1, offering(ONE), again=again)]
            return lambda: able.write_offerings(offerings)
        if not again:
            self.taught(peer)
        results = [result_order(1, peer.hold_offering(ONE), PEOPLE[0], "50", again=again)]
        return lambda: able.write_results(results)
