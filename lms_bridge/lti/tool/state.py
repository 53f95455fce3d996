"""What a login leaves for its launch: a state that only the bridge can make and read.

Nothing is kept when a login begins, so that strangers cannot fill the database; a launch that was
checked in full is all that leaves a mark, that its login was used. The state travels in an address:
of what may be long it holds digests.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import orjson

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.secrets import Vault

LONGEST_STORAGE = 100
"""Characters of the name of a platform's frame."""
_LONGEST = 1000


def digest(text: str) -> str:
    """128 bits that stand for a text; for an empty one nothing."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32] if text else ""


@dataclass(frozen=True, slots=True)
class LoginState:
    """One login, until ``expires`` (seconds since 1970).

    ``nonce`` is its own name, too. ``browser``, ``deployment`` and ``target`` are digests of the
    cookie's secret, of the deployment, if the login named one, and of the page that it wants.
    ``storage`` is the name of the platform's frame that keeps the same secret, if there is one.
    """

    nonce: str
    party_id: int
    expires: int
    browser: str
    deployment: str
    target: str
    storage: str = ""

    def is_of(self, secret: str) -> bool:
        """Whether the browser that has this secret began the login."""
        return hmac.compare_digest(self.browser, digest(secret))

    def is_from(self, deployment: str) -> bool:
        """Whether the login named this deployment, or none."""
        return self.deployment in ("", digest(deployment))

    def wants(self, target: str) -> bool:
        return self.target == digest(target)

    def sealed(self, vault: Vault) -> str:
        """As a text that nobody else can read or change."""
        values = [getattr(self, name) for name in self.__slots__]
        return vault.lock(orjson.dumps(values).decode()).decode()


def opened(state: str, vault: Vault, now: float) -> LoginState | None:
    """The login of a state that the bridge made and that is not over yet; else None."""
    if len(state) > _LONGEST or not state.isascii():
        return None
    try:
        login = LoginState(*orjson.loads(vault.unlock(state.encode())))
    except SettingsInvalid:
        return None
    return login if now < login.expires else None
