"""Checks of centres on their pages, against a simulated Moodle over HTTP."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import lms_bridge.web
from lms_bridge.devtools.moodle.server import RunningServer, serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.roles import Role
from lms_bridge.jobs.centre_checks import TOO_LONG, Checks, check_centre
from lms_bridge.store import centre_checks, centres
from lms_bridge.store.database import Database
from lms_bridge.web.filters import HTMX
from tests.databases import BOTH
from tests.integration.accounts.browser import account, send, signed_in

PATH = "/centres/AFR/check"


@pytest.fixture
def moodle() -> Iterator[RunningServer]:
    with serve(MoodleState()) as running:
        yield running


def connect(client: FlaskClient, database: Database, address: str, secret: str) -> None:
    vault = client.application.extensions["lms_bridge"].vault
    with database.writing() as tx:
        found = centres.find(tx, "AFR")
        assert found is not None
        centres.change(tx, replace(found, address=address), vault.lock(secret))


def checks_of(client: FlaskClient) -> Checks:
    found: Checks = client.application.extensions["lms_bridge_checks"]
    return found


@BOTH
def test_a_check_shows_what_is_missing_and_what_helps(
    either: FlaskClient, database: Database, moodle: RunningServer
) -> None:
    assert "Nobody checked this centre yet" in either.get(PATH).text
    connect(either, database, moodle.url, "wrong")
    assert send(either, PATH).headers["Location"] == PATH
    assert checks_of(either).wait_idle(60)
    page = either.get(PATH).text
    assert "These flows will not work" in page
    assert "hx-get" not in page
    assert "Missing: 4" in either.get("/centres/AFR").text
    connect(either, database, moodle.url, SERVICE_TOKEN)
    send(either, PATH)
    assert checks_of(either).wait_idle(60)
    page = either.get(PATH).text
    assert "Missing" not in page
    assert "Sample Operator" in page
    assert '<html lang="fr"' in either.get(f"{PATH}?lang=fr").text


def test_a_second_click_begins_no_second_check_and_a_lost_one_is_told(
    client: FlaskClient, sqlite_database: Database
) -> None:
    now = utc_now()
    with sqlite_database.writing() as tx:
        assert centre_checks.begin_check(tx, "AFR", "Sample Operator", now)
    assert send(client, PATH).status_code == 303
    page = client.get(PATH).text
    assert 'hx-get="/centres/AFR/check" hx-trigger="every 3s"' in page
    assert "script-src" not in client.get(PATH).headers["Content-Security-Policy"]
    assert f'integrity="{HTMX[1]}"' in page
    assert "A check is under way." in client.get("/centres/AFR").text
    assert "hx-get" not in client.get(f"{PATH}?still=1").text
    with sqlite_database.writing() as tx:
        later = now + centre_checks.GIVEN_UP
        assert not centre_checks.begin_check(tx, "AFR", "x", later - timedelta(seconds=1))
        assert centre_checks.begin_check(tx, "AFR", "x", now - timedelta(days=1)) is False
        assert centre_checks.begin_check(tx, "AFR", "x", later)
        centre_checks.end_check(tx, "AFR", [], "The LMS <b>broke</b>.", later)
    assert "The LMS &lt;b&gt;broke&lt;/b&gt;." in client.get(PATH).text


def test_a_check_begins_no_request_after_its_time(
    client: FlaskClient, sqlite_database: Database, moodle: RunningServer
) -> None:
    connect(client, sqlite_database, moodle.url, SERVICE_TOKEN)
    bridge = client.application.extensions["lms_bridge"]
    found = check_centre(bridge, bridge.centre("AFR"), "Sample Operator", seconds=0.0)
    assert (found.findings, found.error) == ((), TOO_LONG.format(seconds=0))


def test_who_may_only_read_sees_a_check_and_begins_none(
    client: FlaskClient, sqlite_database: Database
) -> None:
    person = account(sqlite_database, role=Role.COORDINATOR, reach=DataScope(centre="AFR"))
    browser = signed_in(client.application, sqlite_database, person)
    assert "<button" not in browser.get(PATH).text.partition("<main")[2]
    assert send(browser, PATH).status_code == 403
    assert browser.get("/centres/EUR/check").status_code == 404


def test_the_script_of_live_parts_is_the_one_that_was_looked_at() -> None:
    folder = Path(lms_bridge.web.__file__).parent / "static"
    octets = (folder / HTMX[0]).read_bytes()
    hashed = base64.b64encode(hashlib.sha384(octets).digest()).decode()
    assert HTMX[1] == f"sha384-{hashed}"
    design = Path(lms_bridge.web.__file__).parents[2] / "docs" / "design.md"
    assert hashlib.sha256(octets).hexdigest() in design.read_text()
