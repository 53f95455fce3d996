"""An operator who is signed in, for tests of what the operators' pages show and do."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_urlsafe

import requests
from flask.testing import FlaskClient
from sqlalchemy import insert

from lms_bridge.domain.clock import utc_now
from lms_bridge.store.account_tables import web_session
from lms_bridge.store.database import Database
from lms_bridge.web.csrf import TOKEN, token_of
from lms_bridge.web.sessions import digest_of

NAME = "Sample Operator"
COOKIE = "lms_bridge_session"


def signed_in(database: Database, name: str = NAME) -> dict[str, str]:
    """The cookies of a browser in which this operator has just signed in."""
    secret, now = token_urlsafe(32), utc_now()
    row = {
        "digest": digest_of(secret),
        "name": name,
        "created_at": now,
        "signed_in_at": now,
        "seen_at": now,
        "expires_at": now + timedelta(hours=1),
    }
    with database.writing() as tx:
        tx.execute(insert(web_session).values(row))
    return {COOKIE: secret}


def sign_in(client: FlaskClient, database: Database) -> FlaskClient:
    for name, value in signed_in(database).items():
        client.set_cookie(name, value)
    return client


def own_field(browser: FlaskClient | requests.Session) -> dict[str, str]:
    """The hidden field that each form of the pages has which this operator's browser shows."""
    if isinstance(browser, requests.Session):
        return {TOKEN: token_of(browser.cookies[COOKIE])}
    cookie = browser.get_cookie(COOKIE)
    return {} if cookie is None else {TOKEN: token_of(cookie.value)}
