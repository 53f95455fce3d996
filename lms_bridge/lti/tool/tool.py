"""The tool side for the views: begin a login, and finish it as a launch."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.http.origins import origin
from lms_bridge.lti import deployments, registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import DeploymentUnknown, LtiRefused
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.tool import login, message
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.login import BegunLogin, usable
from lms_bridge.lti.tool.login_state import cookie_name, opened
from lms_bridge.lti.tool.message import STORED_SECRET

LOGIN_PATH = "/lti/tool/login"
LAUNCH_PATH = "/lti/tool/launch"
JWKS_PATH = "/lti/tool/jwks"
REGISTER_PATH = "/lti/tool/register"
ICON_PATH = "/static/icon.svg"
REMEMBER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AskStorage:
    """The browser sent no cookie, so the secret must come from the platform's storage.

    ``platform`` is the exact origin to ask, ``storage`` the name of its frame.
    """

    state: str
    platform: str
    storage: str


class Tool:
    """Safe for threads; keeps nothing of a login in memory.

    Platforms are remembered for a second: switching one off takes that long at most.
    """

    def __init__(
        self,
        lti: LtiContext,
        *,
        remember_seconds: float = REMEMBER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lti = lti
        self._remember, self._clock = remember_seconds, clock
        self._known: dict[Hashable, tuple[LtiRegistration, float]] = {}

    @property
    def address(self) -> str:
        return self.lti.address

    @property
    def secure(self) -> bool:
        return self.address.startswith("https:")

    def begin(self, given: Mapping[str, str]) -> BegunLogin:
        """Begins a login. Raises LtiRefused."""
        try:
            return login.begin(given, self.find, self.lti, self.address + LAUNCH_PATH)
        except LtiRefused as error:
            error.connection = self._named(given)
            raise

    def _named(self, given: Mapping[str, str]) -> int:
        """The number of the platform that a login names; 0 if it names none."""
        issuer, client_id = given.get("iss", ""), given.get("client_id", "")
        if not issuer or not f"{issuer}{client_id}".isprintable():
            return 0
        found = self.find(issuer, client_id)
        return 0 if found is None else found.id

    def finish(self, given: Mapping[str, str], sent: Mapping[str, str]) -> Launch | AskStorage:
        """Makes a launch of the platform's answer and the browser's cookies. Raises LtiRefused."""
        message.check_answer(given)
        state = given["state"]
        cookie = sent.get(cookie_name(state, secure=self.secure))
        if cookie is None and not given.get(STORED_SECRET):
            ask = self._storage_of(state)
            if ask is not None:
                return ask
        try:
            return message.accepted(given, cookie or "", self._find_by_id, self.lti)
        except DeploymentUnknown as error:
            with self.lti.database.writing() as tx:
                deployments.count(tx, error.registration_id, error.deployment_id, self.lti.now())
            error.connection = error.registration_id
            raise
        except LtiRefused as error:
            begun = opened(state, self.lti.signer, self.lti.now().timestamp())
            error.connection = 0 if begun is None else begun.registration_id
            raise

    def registration_of(self, launch: Launch) -> LtiRegistration:
        """Raises LtiRefused where the platform was switched off meanwhile."""
        return usable(self.find(launch.issuer, launch.client_id))

    def _storage_of(self, state: str) -> AskStorage | None:
        begun = opened(state, self.lti.signer, self.lti.now().timestamp())
        if begun is None or not begun.storage:
            return None
        registration = usable(self._find_by_id(begun.registration_id))
        return AskStorage(state, origin(registration.authorization_endpoint), begun.storage)

    def find(self, issuer: str, client_id: str) -> LtiRegistration | None:
        """The platform, whatever its status. Only those that exist are remembered, so that a
        stranger cannot fill the memory."""
        return self._remembered(
            (issuer, client_id), lambda tx: registrations.find_by(tx, issuer, client_id)
        )

    def _find_by_id(self, registration_id: int) -> LtiRegistration | None:
        return self._remembered(registration_id, lambda tx: registrations.find(tx, registration_id))

    def _remembered(
        self, key: Hashable, find: Callable[[Connection], LtiRegistration | None]
    ) -> LtiRegistration | None:
        registration, until = self._known.get(key, (None, 0.0))
        if registration is not None and self._clock() < until:
            return registration
        with self.lti.database.reading() as tx:
            registration = find(tx)
        if registration is not None:
            self._known[key] = (registration, self._clock() + self._remember)
        return registration
