"""The desk of sample centres, and browsers of its people."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.roles import Role
from lms_bridge.store.database import Database
from tests import databases
from tests.integration.accounts.browser import account, signed_in
from tests.integration.accounts.conftest import make_app as make_app
from tests.integration.web.filling import fill

database_address = databases.sqlite_unless_both
Browser = Callable[..., FlaskClient]


@pytest.fixture
def desk_app(make_app: Callable[..., Flask], database: Database, database_address: str) -> Flask:
    fill(database)
    return make_app(database_address, SIGN_IN__SECOND_FACTOR="false", API__WAIT_SECONDS="0")


@pytest.fixture
def browser(desk_app: Flask, database: Database) -> Browser:
    """Gives a browser in which somebody of a centre is signed in."""

    def made(centre: str = "AFR", role: Role = Role.COORDINATOR) -> FlaskClient:
        email = f"{role}.{centre}@example.org".lower()
        person = account(database, email, role, DataScope(centre=centre))
        return signed_in(desk_app, database, person)

    return made
