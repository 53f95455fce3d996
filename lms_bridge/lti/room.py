"""What both sides share in one process: the keys, the one-time records, the others' key sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from itsdangerous import Signer

from lms_bridge.lti.keys import Keyring
from lms_bridge.lti.keysets import KeySets
from lms_bridge.lti.once import Once
from lms_bridge.lti.tool import state
from lms_bridge.lti.tool.used import UsedLogins
from lms_bridge.secrets import Vault
from lms_bridge.settings import Lti, Settings
from lms_bridge.store.database import Database
from lms_bridge.sync.work import utc_now


@dataclass(frozen=True)
class Room:
    """``address`` is the bridge's public address, without a slash at its end: its issuer.
    ``signer`` signs the states of logins."""

    database: Database
    settings: Lti
    address: str
    keyring: Keyring
    once: Once
    used: UsedLogins
    keysets: KeySets
    signer: Signer
    private_addresses: bool = False
    now: Callable[[], datetime] = utc_now

    def close(self) -> None:
        self.keysets.close()


def open_room(
    settings: Settings,
    database: Database,
    vault: Vault,
    *,
    now: Callable[[], datetime] = utc_now,
    keysets: KeySets | None = None,
) -> Room:
    """One room per process: it holds the parsed keys."""
    lti = settings.lti
    return Room(
        database=database,
        settings=lti,
        address=public_address(settings),
        keyring=Keyring(database, vault, now, keep_seconds=lti.key_keep_seconds),
        once=Once(database, now),
        used=UsedLogins(database, now),
        keysets=keysets or KeySets(),
        signer=vault.signer(state.PURPOSE),
        private_addresses=settings.network.private_addresses,
        now=now,
    )


def public_address(settings: Settings) -> str:
    """The bridge's address as others know it."""
    if settings.lti.address:
        return settings.lti.address.rstrip("/")
    host = settings.web.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.web.port}"
