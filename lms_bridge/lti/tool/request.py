"""What PyLTI1p3 asks of a web framework, without one: parameters, cookies and kept state.

Nothing here uses a Flask session: one login is one record, in storage that all workers share.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pylti1p3.cookie import CookieService
from pylti1p3.launch_data_storage.base import LaunchDataStorage
from pylti1p3.request import Request
from pylti1p3.session import SessionService

from lms_bridge.lti.once import Once

LOGIN = "tool-login"
"""The purpose under which logins are kept."""
COOKIE = "lti-"


def fresh() -> str:
    """A word that nobody can guess: 192 random bits."""
    return secrets.token_urlsafe(24)


def fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def cookie_name(state: str, *, secure: bool) -> str:
    """One cookie for each login, so that two tabs at once do not overwrite each other's."""
    return f"{'__Host-' if secure else ''}{COOKIE}{fingerprint(state)[:16]}"


class Form(Request):
    """The parameters of one request."""

    def __init__(self, given: Mapping[str, str], *, secure: bool) -> None:
        self._given, self._secure = given, secure

    @property
    def session(self) -> object:
        raise NotImplementedError  # there is none, on purpose

    def is_secure(self) -> bool:
        return self._secure

    def get_param(self, key: str) -> str:
        return self._given.get(key, "")


class Cookies(CookieService):
    """The cookie that binds a login to its browser: its value is a secret, never the state."""

    def __init__(self, sent: Mapping[str, str], *, secure: bool) -> None:
        self._sent, self._secure = sent, secure
        self.name = self.secret = ""

    def get_cookie(self, name: str) -> str | None:
        return self._sent.get(cookie_name(name, secure=self._secure))

    def set_cookie(self, name: str, value: str | int, exp: int | None = 3600) -> None:
        del value, exp  # PyLTI1p3 would put the state itself there
        self.name, self.secret = cookie_name(name, secure=self._secure), fresh()


@dataclass(frozen=True, slots=True)
class Kept:
    """One login, as it is kept until its launch. ``browser`` is the fingerprint of the cookie,
    ``storage`` the name of the platform's frame that keeps the same secret, if it has one."""

    nonce: str
    issuer: str
    client_id: str
    deployment: str
    target: str
    browser: str
    storage: str = ""

    def is_of(self, secret: str) -> bool:
        return hmac.compare_digest(self.browser, fingerprint(secret))


class Session(SessionService):
    """PyLTI1p3's session, over records that are taken once and atomically."""

    def __init__(self, once: Once, seconds: float) -> None:
        self._once, self._seconds = once, seconds
        self.nonce = ""

    def save_nonce(self, nonce: str) -> None:
        """Only noted: it is kept with everything else of the login, in one record."""
        self.nonce = nonce

    def keep(self, state: str, login: Kept) -> None:
        record = {name: getattr(login, name) for name in Kept.__slots__}
        self._once.put(LOGIN, fingerprint(state), record, self._seconds)

    def take(self, state: str) -> Kept | None:
        """The login of this state, which nobody can take a second time."""
        record = self._once.take(LOGIN, fingerprint(state))
        return None if record is None else Kept(**record)

    def look(self, state: str) -> Kept | None:
        """The login of this state, without taking it."""
        record = self._once.look(LOGIN, fingerprint(state))
        return None if record is None else Kept(**record)

    def set_data_storage(self, data_storage: LaunchDataStorage[object]) -> None:
        raise NotImplementedError  # there is no other storage
