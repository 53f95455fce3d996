"""The bridge over real HTTP, with a platform of our own beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from lms_bridge.bootstrap import assemble
from lms_bridge.bridge import Bridge
from lms_bridge.lti import registrations
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.lti.tool.frame import Hosted
from lms_bridge.lti.tool.tool import Tool
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import nonce, registration
from tests.peers.browser import Browser, Fields, Page
from tests.peers.platform import Platform, running
from tests.peers.serving import free_socket, serving


@dataclass
class Site:
    """A served bridge."""

    address: str
    bridge: Bridge
    tool: Tool

    def login(self, browser: Browser, given: dict[str, str], **options: Any) -> Page:
        return browser.post(f"{self.address}/lti/tool/login", given, follow=False, **options)

    def launch(self, browser: Browser, form: Fields) -> Page:
        return browser.post(f"{self.address}/lti/tool/launch", form)

    def kept(self) -> int:
        """Whatever launches leave: marks of used logins, and other nonces."""
        with self.bridge.database.reading() as tx:
            return tx.scalar(select(func.count()).select_from(nonce)) or 0

    def registrations_kept(self) -> int:
        with self.bridge.database.reading() as tx:
            return tx.scalar(select(func.count()).select_from(registration)) or 0


def registration_of(platform: Platform, **more: Any) -> LtiRegistration:
    given: dict[str, Any] = {
        "side": Side.PLATFORM,
        "name": "A centre's LMS",
        "centre": "AFR",
        "issuer": platform.address,
        "client_id": platform.client_id,
        "deployment_ids": (platform.deployment,),
        "authorization_endpoint": f"{platform.address}/auth",
        "token_endpoint": f"{platform.address}/token",
        "jwks_uri": f"{platform.address}/jwks",
        "status": Status.ACTIVE,
        "private_addresses": True,
        **more,
    }
    return LtiRegistration(**given)


def add_registration(bridge: Bridge, new: LtiRegistration) -> LtiRegistration:
    with bridge.database.writing() as tx:
        return registrations.add(tx, new)


def fetch_keys(site: Site) -> None:
    """Fetches the keys of all connections, as a bridge does some time after its start."""
    with site.bridge.database.reading() as tx:
        found = registrations.all_registrations(tx)
    for each in found:
        site.tool.lti.keysets.fetch(site.tool.lti.keys_of(each))


@contextmanager
def site_on(database: str, *, private_addresses: bool = True) -> Iterator[Site]:
    """Serves a bridge over the database of that address."""
    listening = free_socket()
    own = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = load({"LMS_BRIDGE_STORE__ADDRESS": database, "LMS_BRIDGE_LTI__ADDRESS": own})
    network = replace(settings.network, private_addresses=private_addresses)
    settings = replace(settings, network=network)
    opened = Database(database)
    bridge = assemble(settings, opened, Vault(Fernet.generate_key().decode()))
    app = create_app(bridge)
    app.testing = False
    hosted = app.extensions["lti_tool"]
    assert isinstance(hosted, Hosted)
    try:
        with serving(app, listening):
            yield Site(own, bridge, hosted.tool)
    finally:
        bridge.close()


NewSite = Callable[..., Site]


@pytest.fixture
def new_site(sqlite_address_maker: Callable[[], str]) -> Iterator[NewSite]:
    """Serves bridges, each over a database of its own."""
    with ExitStack() as stack:

        def make(*, private_addresses: bool = True, address: str = "") -> Site:
            database = address or sqlite_address_maker()
            return stack.enter_context(site_on(database, private_addresses=private_addresses))

        yield make


@pytest.fixture
def site(new_site: NewSite) -> Site:
    return new_site()


@pytest.fixture
def platform() -> Iterator[Platform]:
    with running(Platform()) as made:
        yield made


@pytest.fixture
def registered(site: Site, platform: Platform) -> Platform:
    """The platform, known to the bridge and active."""
    add_registration(site.bridge, registration_of(platform))
    return platform


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()
