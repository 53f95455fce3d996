"""What both sides of LTI share in one process: keys, nonces and the key sets of other systems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from itsdangerous import Signer

from lms_bridge.domain.clock import utc_now
from lms_bridge.lti.key_sets import KeySets, KeysOf
from lms_bridge.lti.keys import Keyring
from lms_bridge.lti.lms_probe import LmsProbe
from lms_bridge.lti.nonces import Nonces
from lms_bridge.lti.outside_waits import OutsideWaits
from lms_bridge.lti.refusals import RefusalLog
from lms_bridge.lti.registrations import LtiRegistration, Side
from lms_bridge.lti.tool import login_state
from lms_bridge.secrets import Vault
from lms_bridge.settings import LtiSettings, Settings
from lms_bridge.store.database import Database


@dataclass(frozen=True)
class LtiContext:
    """``address`` is the bridge's public address, without a slash at its end: its issuer.
    ``signer`` signs the states of logins. ``outside`` bounds the requests that wait for others."""

    database: Database
    settings: LtiSettings
    address: str
    keyring: Keyring
    nonces: Nonces
    keysets: KeySets
    outside: OutsideWaits
    signer: Signer
    refusals: RefusalLog
    probe: LmsProbe
    private_addresses: bool = False
    now: Callable[[], datetime] = utc_now

    def keys_of(self, registration: LtiRegistration) -> KeysOf:
        """A tool chooses its address: the setting alone allows it no private one."""
        private = self.private_addresses and registration.side is Side.PLATFORM
        return self.keysets.of(registration, private_addresses=private)

    def close(self) -> None:
        self.refusals.close()
        self.keysets.close()
        self.probe.close()


def open_lti(
    settings: Settings,
    database: Database,
    vault: Vault,
    *,
    now: Callable[[], datetime] = utc_now,
    keysets: KeySets | None = None,
) -> LtiContext:
    """Opens the one context of a process, which keeps the parsed keys."""
    lti, outside = settings.lti, OutsideWaits(settings.web.threads)
    return LtiContext(
        database=database,
        settings=lti,
        address=settings.public_address,
        keyring=Keyring(database, vault, now, keep_seconds=lti.key_keep_seconds),
        nonces=Nonces(database, now),
        keysets=keysets or KeySets(waits=outside),
        outside=outside,
        signer=vault.signer(login_state.PURPOSE),
        refusals=RefusalLog(database, days=lti.refusal_days, kept=lti.refusals_per_code, now=now),
        probe=LmsProbe(outside, now=now),
        private_addresses=settings.network.private_addresses,
        now=now,
    )
