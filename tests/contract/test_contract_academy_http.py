"""The connector academy_http keeps the contract, against the simulated platform."""

from collections.abc import Iterator, Mapping

import pytest

from connectors.academy_http import connector
from lms_bridge.domain.ports import (
    Access,
    Closes,
    FollowsRegistrations,
    Limits,
    Probes,
    ReadsRegistrations,
    ShowsOfferings,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.simulators.academy import Academy, FaultKind, serve
from lms_bridge.simulators.academy import Fault as PlatformFault
from lms_bridge.testing import AcademyContract, AcademyPeer, Fault
from lms_bridge.testing.samples import REFUSED

PLANNED = {
    Fault.DENIED: PlatformFault(FaultKind.STATUS, status=401),
    Fault.BUSY: PlatformFault(FaultKind.STATUS, status=503, retry_after="7"),
    Fault.PAGE: PlatformFault(FaultKind.PAGE),
    Fault.LOST: PlatformFault(FaultKind.LOST),
}
LIMITS = Limits(attempts=1, connect_seconds=2, read_seconds=5)


class SimulatedPeer(AcademyPeer):
    connector = connector

    def __init__(self, academy: Academy, address: str) -> None:
        self.academy, self.address = academy, address
        self.secret = academy.token

    def access(self) -> Access:
        return Access(
            "academy",
            self.address,
            self.secret,
            options={"page_size": 1},
            limits=LIMITS,
            private_addresses=True,
        )

    def break_next(self, fault: Fault) -> None:
        if fault is Fault.ROW:
            self.academy.refused.add(REFUSED)
        elif fault is Fault.CUT:
            self.academy.faults.next(PLANNED[Fault.LOST], after=1)
        else:
            self.academy.faults.next(PLANNED[fault], times=10)

    def mend(self) -> None:
        self.academy.faults.clear()

    def add_registration(
        self, centre: str, offering: str, learner: Mapping[str, str], status: str
    ) -> str:
        return self.academy.enrol(centre, offering, learner, status)

    def withdraw(self, registration: str) -> None:
        self.academy.withdraw(registration)

    def catalogue(self) -> Mapping[str, str]:
        held = self.academy.offerings.items()
        return {code: record["title"] for code, record in held if record["state"] == "active"}

    def results(self) -> Mapping[str, str]:
        return {"/".join(names): r["score"] for names, r in self.academy.results.items()}


class TestAcademyHttp(AcademyContract):
    capabilities = frozenset(
        {
            WritesOfferings,
            ShowsOfferings,
            ReadsRegistrations,
            FollowsRegistrations,
            WritesResults,
            Probes,
            Closes,
        }
    )
    faults = frozenset(Fault)

    @pytest.fixture
    def peer(self) -> Iterator[SimulatedPeer]:
        academy = Academy()
        with serve(academy) as address:
            yield SimulatedPeer(academy, address)


class TestAcademyHttpWithWholeBatches(TestAcademyHttp):
    """The same against a platform that takes a batch as a whole or not at all."""

    @pytest.fixture
    def peer(self) -> Iterator[SimulatedPeer]:
        academy = Academy(whole_batches=True)
        with serve(academy) as address:
            yield SimulatedPeer(academy, address)
