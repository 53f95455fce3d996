"""A browser at the pages of accounts: it fills in forms as their page shows them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lms_bridge.accounts.service import NewAccount, add_account
from lms_bridge.audit import COMMAND, Actor
from lms_bridge.domain.access import EVERYTHING, DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.roles import Grant, Role
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from tests.operators import COOKIE, own_field

ORIGIN = "http://localhost"
REGIONS = ["africa", "arab_states", "europe"]
BY = Actor("root", COMMAND, utc_now())
"""For acts whose time means nothing. A link of this time is over after a slow run of tests."""
PASSWORD = "four words of a sample"


def account(
    database: Database,
    email: str = "amina@example.org",
    role: Role | None = Role.COORDINATOR,
    reach: DataScope = EVERYTHING,
    name: str = "Sample Amina",
) -> UserAccount:
    """A new sample account."""
    grants = [Grant(role, reach)] if role else []
    return add_account(database, NewAccount(email, name, grants), REGIONS, by=BY)


def link(app: Flask, database: Database, of: UserAccount) -> str:
    """The path of a sign-in link."""
    limits = app.extensions["lms_bridge"].settings.sign_in
    with database.writing() as tx:
        by = replace(BY, at=utc_now())
        _, secret = sessions.make_link(tx, of.audit_name, limits, by, of.number)
    return f"{sessions.PATH}/{secret}"


def send(browser: FlaskClient, path: str, form: Mapping[str, str] | None = None) -> TestResponse:
    """Sends a form of one of the bridge's pages."""
    fields = {**own_field(browser), **(form or {})}
    return browser.post(path, data=fields, headers={"Origin": ORIGIN})


def signed_in(app: Flask, database: Database, of: UserAccount) -> FlaskClient:
    browser = app.test_client()
    assert send(browser, link(app, database, of)).status_code == 303
    return browser


def hidden(page: TestResponse, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, name
    return html.unescape(found[1])


def secret_of(browser: FlaskClient) -> str:
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value
