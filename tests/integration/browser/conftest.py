"""A browser for all tests here, and sites for each."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from playwright.sync_api import BrowserContext, Page

from tests.integration.browser import certificates, chromium
from tests.integration.browser.certificates import Certificates
from tests.integration.browser.world import BRIDGE, CENTRE, HOSTS, PROBE, STRICT, World, world


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Ends with its module: while it runs, nothing else in the process can use asyncio."""
    folder = tmp_path_factory.mktemp("profile") / "chromium"
    with chromium.running(folder, STRICT, BRIDGE, CENTRE, PROBE) as context:
        yield context


@pytest.fixture
def tab(browser: BrowserContext) -> Iterator[Page]:
    """A new tab in a browser that remembers nothing."""
    browser.clear_cookies()
    page = browser.new_page()
    yield page
    for each in browser.pages:
        if each is not page:
            each.close()
    page.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"), *HOSTS)


@pytest.fixture
def trusted(certificate: Certificates, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    """This process finds the sites by their names, too, and trusts their authority."""
    resolve = socket.getaddrinfo

    def found(host: Any, *more: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name in HOSTS else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate.authority))
    return certificate


NewWorld = Callable[..., World]


@pytest.fixture
def new_world(trusted: Certificates, sqlite_address_maker: Callable[[], str]) -> Iterator[NewWorld]:
    with ExitStack() as stack:

        def make(**options: Any) -> World:
            return stack.enter_context(world(sqlite_address_maker(), trusted, **options))

        yield make


@pytest.fixture
def sites(new_world: NewWorld) -> World:
    return new_world()
