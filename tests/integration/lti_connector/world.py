"""A bridge whose centre, or Academy, speaks only LTI: its tables, and its connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import insert

from lms_bridge.connectors.lti import academy as academy_lti
from lms_bridge.connectors.lti import centre as lti
from lms_bridge.domain.model import ACADEMY, Centre, Offering, centre_system
from lms_bridge.domain.ports import Limits, SystemAccess
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext, open_lti
from lms_bridge.lti.platform import chosen_resources
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Side, Status
from lms_bridge.lti.system_connections import SystemConnections
from lms_bridge.lti.vocabulary import SCOPES
from lms_bridge.secrets import Vault
from lms_bridge.settings import load
from lms_bridge.store import centres, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import course
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.run import Runner
from tests.fakes.nights import Nights, sample_centre
from tests.peers.rosters import RosterPlatform

LIMITS = Limits(attempts=1, connect_seconds=120, read_seconds=120, break_after=100)
START = datetime(2026, 3, 2, tzinfo=UTC)


def room_on(database: Database) -> LtiContext:
    settings = load({"LMS_BRIDGE_LTI__ADDRESS": "https://bridge.example.org"})
    return open_lti(settings, database, Vault(Fernet.generate_key().decode()))


@dataclass
class Connected:
    """What an operator, a centre and launches have brought about in the database."""

    lti: LtiContext
    platform: RosterPlatform
    centre: Centre = field(default_factory=sample_centre)

    @property
    def database(self) -> Database:
        return self.lti.database

    def add_centre(self) -> None:
        with self.database.writing() as tx:
            centres.add(tx, self.centre, b"")

    def connect_platform(self, owner: str = "", **more: Any) -> LtiRegistration:
        """Of a centre, or of the Academy (an empty owner)."""
        at = self.platform.address
        given: dict[str, Any] = {
            "name": "Sample platform",
            "centre": owner,
            "issuer": at,
            "client_id": "client-1",
            "token_endpoint": f"{at}/token",
            "authorization_endpoint": f"{at}/auth",
            "jwks_uri": f"{at}/jwks",
            "deployment_ids": ("1",),
            "scopes": SCOPES,
            "status": Status.ACTIVE,
            "private_addresses": True,
            "person_id": PersonId.SOURCED_ID,
            **more,
        }
        return self._add(LtiRegistration(Side.PLATFORM, **given))

    def connect_tool(self, **more: Any) -> LtiRegistration:
        at = self.platform.address  # only its key set is asked for
        given: dict[str, Any] = {
            "name": "Sample tool",
            "centre": self.centre.code,
            "client_id": "tool-1",
            "deployment_ids": ("1",),
            "jwks_uri": f"{at}/jwks",
            "initiate_login_uri": f"{at}/login",
            "redirect_uris": (f"{at}/launch",),
            "target_link_uri": f"{at}/launch",
            "deep_link_uri": f"{at}/launch",
            "scopes": SCOPES,
            "status": Status.ACTIVE,
            "private_addresses": True,
            **more,
        }
        return self._add(LtiRegistration(Side.TOOL, **given))

    def _add(self, registration: LtiRegistration) -> LtiRegistration:
        with self.database.writing() as tx:
            return registrations.add(tx, registration)

    def change(self, registration: LtiRegistration, **changed: Any) -> None:
        with self.database.writing() as tx:
            registrations.change(tx, replace(registration, **changed))

    def add_offering(self, code: str, title: str = "Spectrum", **fields: Any) -> int:
        """An offering that came by another way than the LMS."""
        given = {"starts_at": START, **fields}
        with self.database.writing() as tx:
            record = Offering(code, self.centre.code, code, title, **given)
            return offerings.add_offerings(tx, [record])[0]

    def launched(
        self, registration: LtiRegistration, offering_id: int, at: str, *, memberships: bool = True
    ) -> str:
        """An offering was launched from that course of the platform."""
        self.platform.courses.setdefault(at, [])
        values = {
            "registration_id": registration.id,
            "offering_id": offering_id,
            "context": at,
            "title": "",
            "memberships": self.platform.members(at) if memberships else "",
            "at": START,
        }
        with self.database.writing() as tx:
            tx.execute(insert(course).values(**values))
        return at

    def choose(self, registration: LtiRegistration, code: str, **item: Any) -> None:
        """A resource of a tool was chosen to become an offering."""
        kept = {
            **dict.fromkeys(("title", "description", "address", "target", "label", "tag"), ""),
            "resource_id": "",
            "maximum": None,
            "starts_at": "",
            "ends_at": "",
            "custom": {},
            **item,
        }
        with self.database.writing() as tx:
            chosen_resources.store(tx, registration.id, {code: kept}, START)

    # ---- the connectors ----------------------------------------------------------------

    def access(self, owner: str = "", **options: object) -> SystemAccess:
        system = centre_system(owner) if owner else ACADEMY
        lti = SystemConnections(self.lti, owner, LIMITS)
        return SystemAccess(system, "", "", options=options, limits=LIMITS, lti=lti)

    def open_centre(self, role: str) -> Any:
        return lti.open(self.access(self.centre.code, role=role))

    def open_academy(self) -> Any:
        return academy_lti.open(self.access())


@dataclass
class LtiNights(Nights):
    """Nights between systems that are opened for each run, as the bridge does it."""

    open_centre: Callable[[], Any] = lambda: None
    open_academy: Callable[[], Any] | None = None

    def runner(self) -> Runner:
        def peers(centre: Centre) -> Peers:
            academy = self.open_academy() if self.open_academy else self.academy
            return Peers(self.open_centre(), academy)

        return replace(super().runner(), open_peers=peers)
