"""One running demo for all walks of a process, and a new profile of a browser for each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from werkzeug.routing import Map

from lms_bridge.bootstrap import assemble
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from lms_bridge.store.database import Database
from tests.functional.cli.test_demo import _start, _until
from tests.integration.browser.chromium import found

SECONDS = 60.0


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its data."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo(demo_folder: Path) -> Iterator[str]:
    """The address of the demo's page."""
    process = _start(demo_folder, "--port", "0")
    try:
        yield _until(process, "Open http").split()[1]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while it runs, nothing else in the process can use asyncio."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """A profile of one's own; the parameter says how it differs from the usual one."""
    made = browser.new_context(**getattr(request, "param", {}))
    made.set_default_timeout(SECONDS * 1000)
    yield made
    made.close()


@pytest.fixture
def route_map(sqlite_address: str) -> Iterator[Map]:
    """All addresses of the bridge."""
    settings = load({"LMS_BRIDGE_STORE__ADDRESS": sqlite_address})
    database = Database(sqlite_address)
    bridge = assemble(settings, database, Vault(Fernet.generate_key().decode()))
    yield create_app(bridge).url_map
    bridge.close()
