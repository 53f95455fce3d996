"""Sign-in with a real OpenID provider, in a process of its own; and with answers that are not its
own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lms_bridge.accounts import service
from lms_bridge.domain.access import DataScope
from lms_bridge.store.accounts import change_account
from lms_bridge.store.database import Database
from tests.integration.accounts.browser import BY, account, send
from tests.integration.accounts.conftest import MakeApp
from tests.integration.web.filling import fill
from tests.peers.node_tools import oidc_provider

BACK = "http://127.0.0.1:8000/sign-in/provider/back"
SECRET = token_hex(16) + "+/="  # a secret whose form must be encoded


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider(BACK, SECRET) as address:
        yield address


@pytest.fixture
def provided(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str, issuer: str
) -> Flask:
    fill(sqlite_database)
    return make_app(
        sqlite_address,
        PROVIDER__ISSUER=issuer,
        PROVIDER__CLIENT_ID="bridge",
        PROVIDER__CLIENT_SECRET=SECRET,
        PROVIDER__NAME="Sample University",
    )


def begin(browser: FlaskClient) -> str:
    """The provider's address that the browser is sent to."""
    assert "Sample University" in browser.get("/sign-in").text
    page = send(browser, "/sign-in/provider")
    assert page.status_code == 200
    to = page.headers["Refresh"].removeprefix("0; url=")
    assert unescape(page.text).count(to) == 1
    return to


def sign_in_there(address: str, person: str) -> str:
    """Signs a person in on the provider's own pages; the address that it sends the browser to."""
    browser = requests.Session()
    page = browser.get(address, timeout=120)
    for form in ({"prompt": "login", "login": person, "password": "x"}, {"prompt": "consent"}):
        action = re.search(r'action="([^"]+)"', page.text)
        assert action is not None, page.text
        page = browser.post(unescape(action[1]), form, timeout=120, allow_redirects=False)
        while page.is_redirect:
            to = page.headers["Location"]
            if to.startswith(BACK):
                return to
            page = browser.get(
                requests.compat.urljoin(page.url, to), timeout=120, allow_redirects=False
            )
    raise AssertionError(page.text)


def come_back(browser: FlaskClient, address: str) -> TestResponse:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def test_a_person_signs_in_with_the_provider(provided: Flask, sqlite_database: Database) -> None:
    amina = account(sqlite_database, reach=DataScope(centre="AFR"))
    browser = provided.test_client()
    assert browser.get("/runs").status_code == 401
    to = begin(browser)
    asked = parse_qs(urlsplit(to).query)
    assert asked["code_challenge_method"] == ["S256"]
    back = sign_in_there(to, "amina")
    answer = come_back(browser, back)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs"), answer.text
    assert browser.get("/runs").status_code == 200
    # The answer works once, and in the browser that asked.
    assert come_back(browser, back).status_code == 403
    # From now on the provider's id finds the account, whatever its address.
    with sqlite_database.writing() as tx:
        change_account(tx, amina.number, email="other@example.org")
    again = provided.test_client()
    assert come_back(again, sign_in_there(begin(again), "amina")).status_code == 303


def test_an_address_that_the_provider_does_not_vouch_for_opens_nothing(
    provided: Flask, sqlite_database: Database
) -> None:
    account(sqlite_database, reach=DataScope(centre="AFR"))
    browser = provided.test_client()
    answer = come_back(browser, sign_in_there(begin(browser), "boris"))
    assert answer.status_code == 403
    assert "no account here" in answer.text
    assert browser.get("/account").status_code == 401


def test_a_disabled_account_is_not_signed_in(provided: Flask, sqlite_database: Database) -> None:
    amina = account(sqlite_database, reach=DataScope(centre="AFR"))
    service.disable_account(sqlite_database, amina.number, by=BY)
    browser = provided.test_client()
    answer = come_back(browser, sign_in_there(begin(browser), "amina"))
    assert answer.status_code == 403
    assert "disabled" in answer.text


def test_an_answer_in_another_browser_or_changed_opens_nothing(
    provided: Flask, sqlite_database: Database
) -> None:
    account(sqlite_database, reach=DataScope(centre="AFR"))
    browser, stranger = provided.test_client(), provided.test_client()
    back = sign_in_there(begin(browser), "amina")
    assert come_back(stranger, back).status_code == 403
    begin(stranger)  # another sign-in of the stranger's own
    assert come_back(stranger, back).status_code == 403
    for changed in (
        re.sub("state=[^&]+", "state=other", back),
        re.sub("code=[^&]+", "code=other", back),
        re.sub("code=[^&]+", "error=access_denied", back),
        re.sub("iss=[^&]+", "iss=https%3A%2F%2Fevil.example", back),
        BACK,
    ):
        fresh = provided.test_client()
        begin(fresh)
        answer = come_back(fresh, changed)
        assert answer.status_code == 403
        assert fresh.get("/account").status_code == 401


def test_a_provider_that_is_down_is_said_plainly(
    make_app: MakeApp, sqlite_address: str, sqlite_database: Database
) -> None:
    app = make_app(
        sqlite_address, PROVIDER__ISSUER="http://127.0.0.1:9", PROVIDER__CLIENT_ID="bridge"
    )
    browser = app.test_client()
    answer = send(browser, "/sign-in/provider")
    assert answer.status_code == 503
    assert "The other system that you sign in with does not answer at the moment." in answer.text
    assert "openid-configuration" not in answer.text  # that is for the log
    assert "By a password" in answer.text


def test_without_a_provider_there_is_no_button(app: Flask) -> None:
    browser = app.test_client()
    assert "Sign in with" not in browser.get("/sign-in").text
    assert send(browser, "/sign-in/provider").status_code == 404
    assert browser.get("/sign-in/provider/back?code=x&state=y").status_code == 403
