"""Offerings, rosters and results: read whole, the same again, and never shorter than they are."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from lms_bridge.domain.ports import (
    Reading,
    ReadsOfferings,
    ReadsResults,
    ShowsEnrolments,
)
from lms_bridge.schemas.enrolment import ResultSchema, RosterSchema
from lms_bridge.schemas.load import load
from lms_bridge.schemas.offering import OfferingSchema
from lms_bridge.testing.centre_side import CentreSide
from lms_bridge.testing.expect import (
    BY_FAULT,
    expect,
    expect_classed,
    expect_same,
    expect_whole_or_told,
    read,
    read_well,
)
from lms_bridge.testing.needs import needs
from lms_bridge.testing.peers import CentrePeer, Fault

READINGS: dict[str, type] = {
    "read_offerings": ReadsOfferings,
    "show_enrolments": ShowsEnrolments,
    "read_results": ReadsResults,
}


class CentreReading(CentreSide):
    def reading(self, name: str, system: object, offerings: list[str]) -> Callable[[], Reading]:
        able = self.able(system, READINGS[name])
        return (
            able.read_offerings
            if name == "read_offerings"
            else (lambda: getattr(able, name)(offerings))
        )

    @needs(name=READINGS)
    def test_reads_the_same_twice(self, name: str, peer: CentrePeer, system: object) -> None:
        start = self.reading(name, system, self.filled(peer))
        once, again = read_well(start), read_well(start)
        expect(once.records, "nothing was read")
        expect_same(again.by_id, once.by_id, "the second reading")
        bodies = [{a.scope: a.body for a in outcome.answers} for outcome in (once, again)]
        expect(bodies[0] == bodies[1], "unchanged records came in other bytes")
        if name != "read_results":  # their silence is never taken for a removal
            expect(all(answer.whole for answer in once.answers), "an answer is not whole")

    @needs(name=READINGS, fault=BY_FAULT)
    def test_readings_class_their_errors(
        self, name: str, fault: Fault, peer: CentrePeer, system: object
    ) -> None:
        start = self.reading(name, system, self.filled(peer))
        self.broken(peer, fault)
        expect_classed(read(start), fault, peer.secret)

    @needs(Fault.CUT, name=READINGS)
    def test_whole_or_an_error(self, name: str, peer: CentrePeer, system: object) -> None:
        start = self.reading(name, system, self.filled(peer))
        whole = read_well(start)
        self.broken(peer, Fault.CUT)
        expect_whole_or_told(read(start), whole, peer.secret)

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
        wanted = {f"{offerings[0]}/{who}": how for who, how in peer.roster(offerings[0]).items()}
        expect_same(states, wanted, "the rosters")
