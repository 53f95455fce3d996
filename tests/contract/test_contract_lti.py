"""The connectors of LTI keep the contract, over the bridge's own tables and a real roster service.

What the contract says of enrolling and of making accounts is not for them: a tool is served, and a
platform enrols its people itself; nor what it says of writings that fail: the catalogue is the
bridge's own. What they do in its place is in tests/integration/lti_connector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from lms_bridge.connectors.lti import academy, centre
from lms_bridge.domain.ports import (
    Closes,
    FindsAccounts,
    KnowsOfferingsByCode,
    Probes,
    ReadsOfferings,
    ReadsRegistrations,
    ShowsEnrolments,
    SystemAccess,
    WritesEnrolments,
    WritesLearners,
    WritesOfferings,
)
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store.database import Database
from lms_bridge.testing.academy import AcademyRegistrations, AcademyWrites
from lms_bridge.testing.centre import CentreLearners, CentreReads
from lms_bridge.testing.peers import AcademyPeer, CentrePeer, Fault
from tests.integration.lti_connector.world import Connected, room_on
from tests.peers.rosters import RosterPlatform, person, serving_rosters

FAULTS = {
    Fault.DENIED: "denied",
    Fault.BUSY: "busy",
    Fault.PAGE: "page",
    Fault.CUT: "cut",
}


class ToolPeer(CentrePeer):
    """A tool from which resources were chosen: all of it is in the bridge's own tables."""

    connector = centre

    def __init__(self, connected: Connected) -> None:
        self.connected, self.tool = connected, connected.connect_tool()
        self.number = 0

    def access(self) -> SystemAccess:
        return self.connected.access(self.connected.centre.code)

    def add_offering(self, title: str) -> str:
        self.number += 1
        code = f"lti-{self.number}"
        self.connected.choose(self.tool, code, title=title)
        return code

    def add_account(self, stable_id: str, email: str) -> str:
        return stable_id

    def enrol_by_hand(self, offering: str, account: str) -> None:
        """Nobody but the bridge enrols people here."""


class PlatformFaults:
    """The faults of a platform."""

    platform: RosterPlatform

    def break_next(self, fault: Fault) -> None:
        self.platform.fault = FAULTS[fault]

    def mend(self) -> None:
        self.platform.fault = ""


class PlatformPeer(PlatformFaults, CentrePeer):
    """A centre's platform: an offering is a course of it."""

    connector = centre

    def __init__(self, connected: Connected) -> None:
        self.connected, self.platform = connected, connected.platform
        self.registration = connected.connect_platform(connected.centre.code)
        self.platform.page_size = 1
        self.accounts_made: dict[str, dict[str, object]] = {}

    def access(self) -> SystemAccess:
        return self.connected.access(self.connected.centre.code, role="platform")

    def add_offering(self, title: str) -> str:
        code = f"SAMPLE-{len(self.platform.courses) + 1}"
        self.connected.launched(self.registration, self.connected.add_offering(code, title), code)
        return code

    def add_account(self, stable_id: str, email: str) -> str:
        """Accounts are seen only in courses: everybody is in one of their own, too."""
        account = f"u{len(self.accounts_made) + 1}"
        self.accounts_made[account] = person(
            account, lis_person_sourcedid=stable_id, email=email, family_name="Leakage-Sample"
        )
        self.platform.courses[self.add_offering("Everybody")].append(self.accounts_made[account])
        return account

    def enrol_by_hand(self, offering: str, account: str) -> None:
        self.platform.courses[offering].append(self.accounts_made[account])

    def roster(self, offering: str) -> Mapping[str, str]:
        return {str(each["user_id"]): "active" for each in self.platform.courses[offering]}


class LtiAcademyPeer(PlatformFaults, AcademyPeer):
    connector = academy

    def __init__(self, connected: Connected) -> None:
        self.connected, self.platform = connected, connected.platform
        self.registration: LtiRegistration = connected.connect_platform()
        self.platform.page_size = 1
        self.ids: dict[str, int] = {}

    def access(self) -> SystemAccess:
        return self.connected.access()

    def hold_offering(self, code: str) -> str:
        if code not in self.ids:
            self.ids[code] = self.connected.add_offering(code)
            self.connected.launched(self.registration, self.ids[code], code)
        return code

    def add_registration(
        self, centre: str, offering: str, learner: Mapping[str, str], status: str
    ) -> str:
        course = self.platform.courses[offering]
        account = f"u{learner['id']}"
        more = {name: learner[name] for name in ("given_name", "family_name", "email")}
        course.append(person(account, **more, lis_person_sourcedid=learner["id"]))
        return f"{offering}/{account}"

    def withdraw(self, registration: str) -> None:
        offering, _, account = registration.partition("/")
        for each in self.platform.courses[offering]:
            if each["user_id"] == account:
                each["status"] = "Inactive"

    def catalogue(self) -> None:
        """The catalogue is the bridge's own page."""

    def results(self) -> None:
        """Results go to gradebooks."""


@pytest.fixture
def connected(sqlite_database: Database) -> Iterator[Connected]:
    lti = room_on(sqlite_database)
    with serving_rosters() as platform:
        made = Connected(lti, platform)
        made.add_centre()
        yield made
    lti.close()


class TestLtiTool(CentreReads):
    capabilities = frozenset(
        {ReadsOfferings, KnowsOfferingsByCode, WritesEnrolments, Probes, Closes}
    )
    faults: ClassVar[frozenset[Fault]] = frozenset()

    @pytest.fixture
    def peer(self, connected: Connected) -> ToolPeer:
        return ToolPeer(connected)


class TestLtiPlatform(CentreReads):
    capabilities = frozenset(
        {
            ShowsEnrolments,
            FindsAccounts,
            WritesLearners,
            WritesEnrolments,
            KnowsOfferingsByCode,
            Probes,
            Closes,
        }
    )
    faults = frozenset(FAULTS)
    test_accounts_are_found = CentreLearners.test_accounts_are_found

    @pytest.fixture
    def peer(self, connected: Connected) -> PlatformPeer:
        return PlatformPeer(connected)


class TestLtiAcademy(AcademyRegistrations, AcademyWrites):
    capabilities = frozenset({ReadsRegistrations, WritesOfferings, Probes, Closes})
    faults = frozenset(FAULTS)

    @pytest.fixture
    def peer(self, connected: Connected) -> LtiAcademyPeer:
        return LtiAcademyPeer(connected)
