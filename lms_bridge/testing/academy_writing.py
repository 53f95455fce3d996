"""Offerings and results: written once, taken back, and shown as they were sent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lms_bridge.domain.ports import ShowsOfferings, WritesOfferings, WritesResults
from lms_bridge.domain.wanted import offering_document
from lms_bridge.testing.academy_side import ONE, PEOPLE, TWO, AcademySide
from lms_bridge.testing.expect import expect, expect_same, read_well, written_well
from lms_bridge.testing.needs import needs
from lms_bridge.testing.peers import AcademyPeer
from lms_bridge.testing.samples import offering, offering_order, removal_order, result_order


class AcademyWriting(AcademySide):
    @needs(WritesOfferings)
    def test_offerings_are_written_once(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WritesOfferings)
        for again in (False, True):
            orders = [
                offering_order(key, offering(code, f"Title {code}"), again=again)
                for key, code in enumerate((ONE, TWO))
            ]
            outcome = written_well(partial(able.write_offerings, orders), orders)
        ids = [done.external_id for done in outcome.done.values()]
        expect(len(set(ids)) == 2, f"two offerings have the ids {ids}")
        self.shows(peer, {ONE: f"Title {ONE}", TWO: f"Title {TWO}"})

    @needs(WritesOfferings)
    def test_a_removed_offering_is_not_shown(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WritesOfferings)
        orders = [offering_order(1, offering(ONE, "A")), offering_order(2, offering(TWO, "B"))]
        done = written_well(lambda: able.write_offerings(orders), orders).done
        removal = [removal_order(1, done[1].external_id)]
        for _ in range(2):
            written_well(lambda: able.write_offerings(removal), removal)
        self.shows(peer, {TWO: "B"})
        back = [replace(orders[0], external_id=done[1].external_id, again=True)]
        written_well(lambda: able.write_offerings(back), back)
        self.shows(peer, {ONE: "A", TWO: "B"})

    @needs(ShowsOfferings, WritesOfferings)
    def test_shows_what_it_was_sent(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, ShowsOfferings, WritesOfferings)
        record = offering(ONE)
        order = offering_order(1, record)
        done = written_well(lambda: able.write_offerings([order]), [order]).done[1]
        shown = read_well(lambda: able.show_offerings([done.external_id])).by_id
        wanted = offering_document(record)
        fields = shown[done.external_id].fields if done.external_id in shown else {}
        expect(fields, "the offering is not shown")
        common = {name: value for name, value in fields.items() if name in wanted}
        expect_same(common, {name: wanted[name] for name in common}, "what is shown")

    @needs(WritesResults)
    def test_results_are_written_once(self, peer: AcademyPeer, system: object) -> None:
        able = self.able(system, WritesResults)
        self.taught(peer)
        one = peer.hold_offering(ONE)
        for again in (False, True):
            orders = [
                result_order(1, one, PEOPLE[0], "0", again=again),
                result_order(2, one, PEOPLE[1], "71.5", again=again),
            ]
            written_well(partial(able.write_results, orders), orders)
        held = peer.results()
        wanted = {f"{one}/{PEOPLE[0]}": "0", f"{one}/{PEOPLE[1]}": "71.5"}
        if held is not None:
            expect_same(dict(held), wanted, "results")

    def shows(self, peer: AcademyPeer, wanted: dict[str, str]) -> None:
        held = peer.catalogue()
        if held is not None:
            expect_same(dict(held), wanted, "the catalogue")
