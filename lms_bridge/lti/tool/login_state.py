"""The signed state of a login, which its launch brings back.

Nothing is kept when a login begins, so that strangers cannot fill the database; a launch that was
checked in full is all that leaves a mark, that its login was used. The state travels in an address,
where others may read it: it holds no secret and nothing about a person, and of what may be long
the digest.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import orjson
from itsdangerous import BadSignature, Signer

PURPOSE = "lti-login"
"""Of the key that states are signed with; another one whenever their fields change."""
LONGEST_STORAGE = 100
"""Characters of the name of a platform's frame."""
_LONGEST = 1000
_COOKIE = "lti-"


def fresh() -> str:
    """A word that nobody can guess: 192 random bits."""
    return secrets.token_urlsafe(24)


def cookie_name(state: str, *, secure: bool) -> str:
    """The name of the cookie that binds a login to its browser.

    Each login has a cookie of its own, so that two tabs at once do not overwrite each other's. A
    state that the bridge made ends with its signature.
    """
    return f"{'__Host-' if secure else ''}{_COOKIE}{state[-16:]}"


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
    registration_id: int
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

    def is_for(self, target: str) -> bool:
        return self.target == digest(target)

    def sealed(self, signer: Signer) -> str:
        """As a text that nobody else can make, or change."""
        values = [getattr(self, name) for name in self.__slots__]
        return signer.sign(urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=")).decode()


def opened(state: str, signer: Signer, now: float) -> LoginState | None:
    """The login of a state that the bridge made and that is not over yet; else None."""
    if len(state) > _LONGEST or not state.isascii():
        return None
    try:
        content = signer.unsign(state)
    except BadSignature:
        return None
    padding = b"=" * (-len(content) % 4)
    login = LoginState(*orjson.loads(urlsafe_b64decode(content + padding)))
    return login if now < login.expires else None
