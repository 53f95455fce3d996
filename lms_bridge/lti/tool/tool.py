"""The tool side as the web sees it: begin a login, finish it as a launch, answer, call services."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.configuration import Platforms
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.login import Begun, Login, usable
from lms_bridge.lti.tool.message import STORED_SECRET, Message, check_answer
from lms_bridge.lti.tool.reading import origin
from lms_bridge.lti.tool.request import Cookies, Form
from lms_bridge.lti.tool.state import opened

LOGIN_PATH = "/lti/tool/login"
LAUNCH_PATH = "/lti/tool/launch"
JWKS_PATH = "/lti/tool/jwks"
REGISTER_PATH = "/lti/tool/register"
ICON_PATH = "/static/icon.svg"
REMEMBER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AskStorage:
    """The browser sent no cookie: the platform's storage has to be asked for the secret.

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
        room: Room,
        *,
        remember_seconds: float = REMEMBER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.room = room
        self._remember, self._clock = remember_seconds, clock
        self._known: dict[Hashable, tuple[Party, float]] = {}

    @property
    def address(self) -> str:
        return self.room.address

    @property
    def secure(self) -> bool:
        return self.address.startswith("https:")

    def begin(self, given: Mapping[str, str]) -> Begun:
        """Begins a login. Raises LtiRefused."""
        room = self.room
        login = Login(
            Form(given, secure=self.secure),
            self._platforms(),
            self._cookies({}),
            address=self.address,
            signer=room.signer,
            expires=int(room.now().timestamp() + room.settings.login_seconds),
        )
        return login.begin(self.address + LAUNCH_PATH)

    def finish(self, given: Mapping[str, str], sent: Mapping[str, str]) -> Launch | AskStorage:
        """Makes a launch of the platform's answer and the browser's cookies. Raises LtiRefused."""
        form, cookies = Form(given, secure=self.secure), self._cookies(sent)
        check_answer(form)
        state = form.get_param("state")
        if cookies.get_cookie(state) is None and not form.get_param(STORED_SECRET):
            ask = self._storage_of(state)
            if ask is not None:
                return ask
        return Message(form, self._platforms(), cookies, self.room).launch()

    def party_of(self, launch: Launch) -> Party:
        """Raises LtiRefused where the platform was switched off meanwhile."""
        return usable(self.find(launch.issuer, launch.client_id))

    def _storage_of(self, state: str) -> AskStorage | None:
        login = opened(state, self.room.signer, self.room.now().timestamp())
        if login is None or not login.storage:
            return None
        party = usable(self._find_by_id(login.party_id))
        return AskStorage(state, origin(party.authorization_endpoint), login.storage)

    def find(self, issuer: str, client_id: str) -> Party | None:
        """The platform, whatever its status. Only those that exist are remembered, so that a
        stranger cannot fill the memory."""
        return self._remembered(
            (issuer, client_id), lambda tx: parties.find_by(tx, issuer, client_id)
        )

    def _find_by_id(self, party_id: int) -> Party | None:
        return self._remembered(party_id, lambda tx: parties.find(tx, party_id))

    def _remembered(
        self, key: Hashable, find: Callable[[Connection], Party | None]
    ) -> Party | None:
        party, until = self._known.get(key, (None, 0.0))
        if party is not None and self._clock() < until:
            return party
        with self.room.database.reading() as tx:
            party = find(tx)
        if party is not None:
            self._known[key] = (party, self._clock() + self._remember)
        return party

    def _platforms(self) -> Platforms:
        return Platforms(self.find, self._find_by_id)

    def _cookies(self, sent: Mapping[str, str]) -> Cookies:
        return Cookies(sent, secure=self.secure)
