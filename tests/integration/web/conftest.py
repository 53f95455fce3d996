"""Pages over a filled database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient

from lms_bridge.bootstrap import assemble
from lms_bridge.bridge import Bridge
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from lms_bridge.store.database import Database
from tests.integration.lti_platform.world import World, world_on
from tests.integration.web.filling import fill
from tests.operators import sign_in

NewApp = Callable[..., Flask]


@pytest.fixture
def new_app() -> Iterator[NewApp]:
    """Makes applications over an address, with settings of the section ``web`` changed."""
    made: list[Bridge] = []

    def make(address: str, **web: Any) -> Flask:
        settings = load({"LMS_BRIDGE_STORE__ADDRESS": address})
        settings = replace(settings, web=replace(settings.web, **web))
        database = Database(address)
        vault = Vault(Fernet.generate_key().decode())
        made.append(assemble(settings, database, vault))
        app = create_app(made[-1])
        app.testing = False  # errors are answered, as they are in earnest
        return app

    yield make
    for bridge in made:
        bridge.close()


@pytest.fixture
def client(new_app: NewApp, sqlite_database: Database, sqlite_address: str) -> FlaskClient:
    """An operator's browser."""
    fill(sqlite_database)
    return sign_in(new_app(sqlite_address).test_client(), sqlite_database)


@pytest.fixture
def either(new_app: NewApp, database: Database, database_address: str) -> FlaskClient:
    """The same; the tests run over both kinds of database."""
    fill(database)
    return sign_in(new_app(database_address).test_client(), database)


@pytest.fixture
def empty(new_app: NewApp, sqlite_database: Database, sqlite_address: str) -> FlaskClient:
    """The same over a database without anything in it."""
    return sign_in(new_app(sqlite_address).test_client(), sqlite_database)


@pytest.fixture
def stranger(client: FlaskClient) -> FlaskClient:
    """A browser in which nobody is signed in."""
    return client.application.test_client()


@pytest.fixture
def world(sqlite_address: str) -> Iterator[World]:
    """A bridge served over real HTTP, with a tool that it knows."""
    with world_on(sqlite_address) as made:
        yield made


@pytest.fixture
def either_world(database_address: str) -> Iterator[World]:
    """The same; the tests run over both kinds of database."""
    with world_on(database_address) as made:
        yield made
