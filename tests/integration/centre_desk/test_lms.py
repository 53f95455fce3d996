"""A centre's people read what their LMS lacks, and check it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from lms_bridge.centre_desk.lms_pages import shown_address
from lms_bridge.devtools.moodle.server import RunningServer, serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.roles import Role
from lms_bridge.jobs.centre_checks import CHECKS
from lms_bridge.store import centre_checks, centres
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from tests.integration.accounts.browser import send
from tests.integration.centre_desk.conftest import Browser

LMS = "/my-centre/AFR/lms"


def test_the_page_shows_each_step_and_no_secret(browser: Browser) -> None:
    page = browser().get(LMS).text
    assert "The bridge knows how to reach your LMS." in page
    assert "https://lms.example.org" in page
    assert "wstoken" not in page
    assert "abcdef123" not in page
    assert "Nobody checked your LMS yet." in page


def test_the_shown_address_has_the_port_and_no_secret() -> None:
    assert (
        shown_address("https://u:p@lms.example.org:8443/x?token=1")
        == "https://lms.example.org:8443"
    )
    assert shown_address("/srv/files") == ""


def test_a_check_goes_on_elsewhere_once_a_minute_and_shows_what_it_found(
    desk_app: Flask, browser: Browser, database: Database
) -> None:
    coordinator = browser()
    answer = send(coordinator, f"{LMS}/check")
    assert answer.headers["Location"].endswith("done=check")
    assert desk_app.extensions[CHECKS].wait_idle(60)
    page = coordinator.get(LMS).text
    assert "The check did not end." in page or "What is missing" in page
    again = send(coordinator, f"{LMS}/check")
    assert again.headers["Location"].endswith("done=soon")
    assert "one each minute" in coordinator.get(again.headers["Location"]).text
    with database.reading() as tx:
        lines = tx.scalars(select(item.c.external_id).where(item.c.action == "check")).all()
    assert lines == ["AFR"]


def test_what_is_missing_stands_first_with_its_remedy(browser: Browser, database: Database) -> None:
    with database.writing() as tx:
        assert centre_checks.begin_check(tx, "AFR", "Sample Amina", utc_now())
        findings = [
            {"check": "speed", "verdict": "ok", "message": "It answers.", "remedy": ""},
            {
                "check": "function x",
                "verdict": "missing",
                "message": "x is <not> allowed.",
                "remedy": "Add it.",
            },
        ]
        documents = [{**each, "affects": ["results"]} for each in findings]
        centre_checks.end_check(tx, "AFR", documents, "", utc_now())
    page = browser().get(LMS).text
    assert "x is &lt;not&gt; allowed." in page
    assert "Add it." in page
    assert "These flows will not work:" in page
    assert "See what is missing below" in page


@pytest.fixture
def moodle() -> Iterator[RunningServer]:
    with serve(MoodleState()) as running:
        yield running


def first_step(page: str) -> str:
    return page.partition("The bridge knows how to reach your LMS.")[2].partition("</li>")[0]


def connect(app: Flask, database: Database, address: str, secret: str) -> None:
    with database.writing() as tx:
        found = centres.find(tx, "AFR")
        assert found is not None
        vault = app.extensions["lms_bridge"].vault
        centres.change(tx, replace(found, address=address), vault.lock(secret))


def checked(app: Flask, coordinator: FlaskClient) -> str:
    send(coordinator, f"{LMS}/check")
    assert app.extensions[CHECKS].wait_idle(60)
    return first_step(coordinator.get(LMS).text)


@pytest.mark.parametrize(
    ("address", "token"),
    [("", "a-wrong-token"), ("http://10.20.30.40", SERVICE_TOKEN)],
    ids=["wrong token", "refused address"],
)
def test_an_lms_that_no_check_reached_needs_attention(
    desk_app: Flask,
    browser: Browser,
    database: Database,
    moodle: RunningServer,
    address: str,
    token: str,
) -> None:
    coordinator = browser()
    connect(desk_app, database, address or moodle.url, token)
    assert "To be done" in first_step(coordinator.get(LMS).text)
    assert "Needs attention" in checked(desk_app, coordinator)


def test_an_lms_is_reached_once_a_check_saw_it_answer_until_its_token_changes(
    desk_app: Flask, browser: Browser, database: Database, moodle: RunningServer
) -> None:
    coordinator = browser()
    connect(desk_app, database, moodle.url, SERVICE_TOKEN)
    assert "Done" in checked(desk_app, coordinator)
    connect(desk_app, database, moodle.url, "a-new-token")
    assert "Done" not in first_step(coordinator.get(LMS).text)


def test_an_instructor_and_another_centre_see_nothing_of_it(browser: Browser) -> None:
    assert browser(role=Role.INSTRUCTOR).get(LMS).status_code == 403
    foreign = browser("ARB")
    assert foreign.get(LMS).status_code == 404
    assert send(foreign, f"{LMS}/check").status_code == 404
