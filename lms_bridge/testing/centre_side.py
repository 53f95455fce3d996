"""What the tests of a centre's side share: a peer with courses and people in it."""

from __future__ import annotations

from typing import ClassVar

import pytest

from lms_bridge.domain.ports import (
    ReadsResults,
    ShowsEnrolments,
    WritesEnrolments,
)
from lms_bridge.testing.common import Contract
from lms_bridge.testing.peers import CentrePeer
from lms_bridge.testing.samples import learner

HERS, HIS = "SAMPLE-hers", "SAMPLE-his"


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
