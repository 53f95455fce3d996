"""What the sample tool holds: the platforms that it knows, its resources, and who landed here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

from lms_bridge.devtools.lti.signatures import RemoteKeys, Signer
from lms_bridge.devtools.lti.site import NotAccepted, OneTimeValues, new_session

LOGIN = "/login"
LAUNCH = "/launch"
KEYS = "/keys"
DAY = 86_400


@dataclass(frozen=True, slots=True)
class RegisteredPlatform:
    """A platform as it is registered here."""

    issuer: str
    client_id: str
    deployment_id: str
    authentication_address: str
    token_address: str
    keys_address: str


@dataclass(frozen=True, slots=True)
class SampleResource:
    """Something to learn with, that can be chosen by deep linking."""

    code: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """A login on its way: what its answer has to fit."""

    platform: RegisteredPlatform
    nonce: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Landing:
    """One launch that was checked in full: who landed in which course, with which services."""

    platform: RegisteredPlatform
    person: str
    name: str
    roles: tuple[str, ...]
    course: str
    course_title: str
    link_title: str = ""
    resource: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    line_items: str = ""
    line_item: str = ""
    members: str = ""
    return_address: str = ""
    return_data: str | None = None

    @property
    def is_learner(self) -> bool:
        return any(role.endswith("#Learner") or role == "Learner" for role in self.roles)


RESOURCES = (
    SampleResource("course", "Sample course", "The whole course, with its results."),
    SampleResource("exercise", "Sample exercise", "An exercise that is graded."),
    SampleResource("reading", "Sample reading", "A text to read, without a grade."),
)


class ToolState:
    """``landings`` are kept in the order in which people landed."""

    def __init__(self, name: str, *, signer: Signer | None = None) -> None:
        self.name = name
        self.address = ""
        self.resources = {each.code: each for each in RESOURCES}
        self.landings: list[Landing] = []
        self.signer = signer or Signer()
        self.session: requests.Session = new_session()
        self.logins: OneTimeValues[StartedLogin] = OneTimeValues()
        self.visits: OneTimeValues[Landing] = OneTimeValues(DAY)
        self.lock = threading.Lock()
        self._platforms: dict[tuple[str, str], RegisteredPlatform] = {}
        self._keys: dict[str, RemoteKeys] = {}

    def register(self, platform: RegisteredPlatform) -> None:
        self._platforms[platform.issuer, platform.client_id] = platform

    def platform_of(self, issuer: str, client_id: str) -> RegisteredPlatform:
        """Without a client id, the only one of that issuer's."""
        found = [
            platform
            for (its_issuer, its_client), platform in self._platforms.items()
            if its_issuer == issuer and client_id in ("", its_client)
        ]
        if len(found) != 1:
            raise NotAccepted("The platform is not registered here.", 403)
        return found[0]

    def keys_of(self, platform: RegisteredPlatform) -> RemoteKeys:
        with self.lock:
            return self._keys.setdefault(
                platform.keys_address, RemoteKeys(self.session, platform.keys_address)
            )

    def land(self, landing: Landing) -> str:
        """Notes a landing, and gives the word of its visit."""
        with self.lock:
            self.landings.append(landing)
        return self.visits.put(landing)
