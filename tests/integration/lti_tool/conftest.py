"""The bridge over real HTTP, with a platform of our own beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from lms_bridge.bootstrap import Bridge
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.tool.tool import Tool
from lms_bridge.secrets import Vault
from lms_bridge.settings import load
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import once, party, used_login
from lms_bridge.sync.heartbeat import Heartbeat
from lms_bridge.web import create_app
from lms_bridge.web.lti_tool.hosting import Hosted
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
        """Whatever launches leave: one-time records, and marks of used logins."""
        with self.bridge.database.reading() as tx:
            return sum(
                tx.scalar(select(func.count()).select_from(each)) or 0
                for each in (once, used_login)
            )

    def parties_kept(self) -> int:
        with self.bridge.database.reading() as tx:
            return tx.scalar(select(func.count()).select_from(party)) or 0


def party_of(platform: Platform, **more: Any) -> Party:
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
    return Party(**given)


def add_party(bridge: Bridge, new: Party) -> Party:
    with bridge.database.writing() as tx:
        return parties.add(tx, new)


NewSite = Callable[..., Site]


@pytest.fixture
def new_site(sqlite_address_maker: Callable[[], str]) -> Iterator[NewSite]:
    """Serves bridges, each over a database of its own."""
    with ExitStack() as stack:

        def make(*, private_addresses: bool = True, address: str = "") -> Site:
            listening = free_socket()
            own = f"http://127.0.0.1:{listening.getsockname()[1]}"
            database = address or sqlite_address_maker()
            settings = load({"LMS_BRIDGE_STORE__ADDRESS": database, "LMS_BRIDGE_LTI__ADDRESS": own})
            network = replace(settings.network, private_addresses=private_addresses)
            settings = replace(settings, network=network)
            opened = Database(database)
            bridge = Bridge(
                settings, opened, Vault(Fernet.generate_key().decode()), Heartbeat(opened)
            )
            stack.callback(bridge.close)
            app = create_app(bridge)
            app.testing = False
            stack.enter_context(serving(app, listening))
            hosted = app.extensions["lti_tool"]
            assert isinstance(hosted, Hosted)
            return Site(own, bridge, hosted.tool)

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
    add_party(site.bridge, party_of(platform))
    return platform


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()
