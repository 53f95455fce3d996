"""Registrations: read whole, the same again, followed, and never shorter than they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lms_bridge.domain.ports import (
    Answer,
    FollowsRegistrations,
    Reading,
    ReadsRegistrations,
)
from lms_bridge.schemas.enrolment import RegistrationSchema
from lms_bridge.schemas.load import load
from lms_bridge.testing.academy_side import ONE, PEOPLE, TWO, AcademySide
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
from lms_bridge.testing.peers import AcademyPeer, Fault
from lms_bridge.testing.samples import (
    CENTRE,
)


class AcademyReading(AcademySide):
    def registrations(self, peer: AcademyPeer, system: object) -> Callable[[], Reading]:
        able = self.able(system, ReadsRegistrations)
        offerings = {peer.hold_offering(code): code for code in (ONE, TWO)}
        return lambda: able.read_registrations(CENTRE, offerings)

    @needs(ReadsRegistrations)
    def test_registrations_load(self, peer: AcademyPeer, system: object) -> None:
        start = self.registrations(peer, system)
        wanted = self.registered(peer)[:2]
        once = read_well(start)
        expect_same(sorted(once.by_id), sorted(wanted), "registrations of the centre")
        expect(all(answer.whole for answer in once.answers), "an answer is not whole")
        for raw, name in zip(map(once.by_id.get, wanted), PEOPLE, strict=False):
            loaded = load(RegistrationSchema(), raw.fields if raw else {})
            found = (loaded["offering"], loaded["learner"].academy_id, loaded["status"])
            expect(found[0] in (ONE, peer.hold_offering(ONE)), f"odd offering {found[0]}")
            expect_same(found[1:], (name, "enrolled"), "a registration")

    @needs(ReadsRegistrations)
    def test_registrations_are_the_same_twice(self, peer: AcademyPeer, system: object) -> None:
        start = self.registrations(peer, system)
        self.registered(peer)
        once, again = read_well(start), read_well(start)
        expect_same(again.by_id, once.by_id, "the second reading")
        bodies = [{a.scope: a.body for a in outcome.answers} for outcome in (once, again)]
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
        expect_whole_or_told(read(start), whole, peer.secret)

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

    def cursor(self, answers: Sequence[Answer]) -> str:
        cursors = [answer.cursor for answer in answers]
        expect(cursors and cursors[-1], "the last answer has no cursor")
        expect(not any(cursors[:-1]), "an answer before the last one has a cursor")
        return cursors[-1]
