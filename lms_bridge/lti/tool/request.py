"""What PyLTI1p3 asks of a web framework, without one: parameters, cookies and a session."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from pylti1p3.cookie import CookieService
from pylti1p3.launch_data_storage.base import LaunchDataStorage
from pylti1p3.request import Request
from pylti1p3.session import SessionService

COOKIE = "lti-"


def fresh() -> str:
    """A word that nobody can guess: 192 random bits."""
    return secrets.token_urlsafe(24)


def cookie_name(state: str, *, secure: bool) -> str:
    """One cookie for each login, so that two tabs at once do not overwrite each other's: a state
    that the bridge made ends with its signature."""
    return f"{'__Host-' if secure else ''}{COOKIE}{state[-16:]}"


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
        del exp
        self.name, self.secret = cookie_name(name, secure=self._secure), str(value)


class Session(SessionService):
    """PyLTI1p3's session, which keeps nothing: what a login is goes along in its state."""

    def save_nonce(self, nonce: str) -> None:
        raise NotImplementedError  # the state holds it

    def set_data_storage(self, data_storage: LaunchDataStorage[object]) -> None:
        raise NotImplementedError  # there is none


SESSION = Session(Form({}, secure=True))
