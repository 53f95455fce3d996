"""Learners' browsers over the filled database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import learners
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from tests.integration.accounts.conftest import make_app as make_app
from tests.integration.web.filling import fill
from tests.operators import COOKIE

Browser = Callable[[str], FlaskClient]


@pytest.fixture
def app(make_app: Callable[..., Flask], database: Database, database_address: str) -> Flask:
    fill(database)
    return make_app(database_address)


@pytest.fixture
def browser_of(app: Flask, database: Database) -> Browser:
    """The browser of a learner, by the Academy's id, whom the Academy's platform vouched for."""

    def make(academy_id: str) -> FlaskClient:
        limits = app.extensions["lms_bridge"].settings.sign_in
        with database.writing() as tx:
            number, _ = learners.learners_by_academy_id(tx, [academy_id])[academy_id]
            _, secret = sessions.open_session(
                tx, f"learner {number}", None, limits, utc_now(), half=False, learner=number
            )
        browser = app.test_client()
        browser.set_cookie(COOKIE, secret)
        return browser

    return make
