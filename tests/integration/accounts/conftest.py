"""The application over a filled database, with settings that a test names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from lms_bridge.bootstrap import assemble
from lms_bridge.bridge import Bridge
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import PREFIX, load
from lms_bridge.store.database import Database
from tests.integration.web.filling import fill

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    made: list[Bridge] = []

    def make(address: str, **settings: str) -> Flask:
        environment = {f"{PREFIX}STORE__ADDRESS": address}
        environment |= {f"{PREFIX}{name}": text for name, text in settings.items()}
        key = Fernet.generate_key().decode()
        made.append(assemble(load(environment), Database(address), Vault(key)))
        app = create_app(made[-1])
        app.testing = False  # errors are answered, as they are in earnest
        return app

    yield make
    for bridge in made:
        bridge.close()


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: Database, sqlite_address: str) -> Flask:
    fill(sqlite_database)
    return make_app(sqlite_address)
