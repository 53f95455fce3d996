"""The connector academy_http keeps the contract, against the simulated platform."""

from collections.abc import Iterator, Mapping

import pytest

from lms_bridge.connectors.academy_http import connector
from lms_bridge.devtools.academy.app import serve
from lms_bridge.devtools.academy.state import SimulatedAcademy
from lms_bridge.devtools.faults import FaultKind
from lms_bridge.devtools.faults import SimulatedFault as PlatformFault
from lms_bridge.domain.ports import (
    Closes,
    FollowsRegistrations,
    Limits,
    Probes,
    ReadsRegistrations,
    ShowsOfferings,
    SystemAccess,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.peers import AcademyPeer, Fault
from lms_bridge.testing.samples import REFUSED

PLANNED = {
    Fault.DENIED: PlatformFault.http(401),
    Fault.BUSY: PlatformFault.http(503, "7"),
    Fault.PAGE: PlatformFault(FaultKind.LOGIN_PAGE),
    Fault.LOST: PlatformFault(FaultKind.CUT),
}
LIMITS = Limits(attempts=1, connect_seconds=120, read_seconds=120)


class SimulatedPeer(AcademyPeer):
    connector = connector

    def __init__(self, academy: SimulatedAcademy, address: str) -> None:
        self.academy, self.address = academy, address
        self.secret = academy.token

    def access(self) -> SystemAccess:
        return SystemAccess(
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
            self.academy.faults.next("*", PLANNED[Fault.LOST], after=1)
        else:
            self.academy.faults.next("*", PLANNED[fault], times=10)

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
        academy = SimulatedAcademy()
        with serve(academy) as address:
            yield SimulatedPeer(academy, address)


class TestAcademyHttpWithWholeBatches(TestAcademyHttp):
    """The same against a platform that takes a batch as a whole or not at all."""

    @pytest.fixture
    def peer(self) -> Iterator[SimulatedPeer]:
        academy = SimulatedAcademy(whole_batches=True)
        with serve(academy) as address:
            yield SimulatedPeer(academy, address)
