"""What the tests of the Academy's side share: a peer with people in it."""

from __future__ import annotations

from typing import ClassVar

import pytest

from lms_bridge.domain.ports import ReadsRegistrations
from lms_bridge.testing.common import Contract
from lms_bridge.testing.peers import AcademyPeer
from lms_bridge.testing.samples import CENTRE, REFUSED, learner_fields

ONE, TWO = "SAMPLE-one", "SAMPLE-two"
PEOPLE = ("SAMPLE-ann", "SAMPLE-ben", "SAMPLE-eve")


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
