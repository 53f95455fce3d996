"""What somebody typed is not lost when their session has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.roles import Role
from lms_bridge.store.account_tables import kept_form, web_session
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from tests import databases
from tests.integration.accounts.browser import ORIGIN, account, link, send, signed_in
from tests.integration.centre_desk.test_offerings import filled
from tests.operators import own_field

EDIT = "/my-centre/AFR/offerings/AFR-1/edit"
NOTE = "before your session ended"
pytestmark = databases.BOTH


@pytest.fixture
def amina(desk_app: Flask, database: Database) -> UserAccount:
    return account(database, reach=DataScope(centre="AFR"))


def typed(browser: FlaskClient) -> dict[str, str]:
    """The form with other texts; the sample's own address is a hostile one."""
    more = {"title": "Typed <too> late", "address": "https://example.org/"}
    return {**filled(browser.get(EDIT)), **more}


def end_all(database: Database) -> None:
    with database.writing() as tx:
        tx.execute(update(web_session).values(seen_at=utc_now() - timedelta(days=1)))


def count(database: Database) -> int:
    with database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(kept_form)) or 0


def test_a_form_opens_again_with_what_was_typed_for_its_writer_alone(
    desk_app: Flask, database: Database, amina: UserAccount
) -> None:
    browser = signed_in(desk_app, database, amina)
    form = typed(browser)
    end_all(database)
    answer = send(browser, EDIT, form)
    assert answer.status_code == 401
    assert "Your text is kept for an hour." in answer.text
    other = account(database, "b@example.org", Role.COORDINATOR, DataScope(centre="AFR"))
    assert NOTE not in signed_in(desk_app, database, other).get(EDIT).text
    entered = send(browser, link(desk_app, database, amina))
    assert entered.headers["Location"] == EDIT
    page = browser.get(EDIT)
    assert NOTE in page.text
    assert filled(page)["title"] == "Typed <too> late"
    assert send(browser, EDIT, filled(page)).status_code == 303
    assert NOTE not in browser.get(EDIT).text
    assert count(database) == 0


def test_a_form_of_an_earlier_session_opens_again_in_the_present_one(
    desk_app: Flask, database: Database, amina: UserAccount
) -> None:
    browser = signed_in(desk_app, database, amina)
    form = typed(browser)
    assert send(browser, link(desk_app, database, amina)).status_code == 303  # in another tab
    answer = send(browser, EDIT, form)
    assert (answer.status_code, answer.headers["Location"]) == (303, EDIT)
    assert filled(browser.get(EDIT))["title"] == "Typed <too> late"


def test_nothing_is_kept_of_strangers_of_other_sites_and_after_an_hour(
    desk_app: Flask, database: Database, amina: UserAccount
) -> None:
    browser = signed_in(desk_app, database, amina)
    form = typed(browser)
    assert desk_app.test_client().post(EDIT, data=form).status_code == 401
    end_all(database)
    foreign = {"Origin": "https://attacker.example"}
    assert browser.post(EDIT, data=form, headers=foreign).status_code == 401
    assert send(browser, EDIT, {**form, "csrf_token": "guessed"}).status_code == 401
    assert send(browser, EDIT, {"title": "x" * 500_000}).status_code == 401
    assert count(database) == 0
    assert send(browser, EDIT, form).status_code == 401
    with database.writing() as tx:
        tx.execute(update(kept_form).values(expires_at=utc_now()))
    send(browser, link(desk_app, database, amina))
    assert NOTE not in browser.get(EDIT).text


def test_a_form_that_was_open_over_the_night_is_kept_as_well(
    desk_app: Flask, database: Database, amina: UserAccount
) -> None:
    """Once an hour the clock deletes the sessions that are over."""
    browser = signed_in(desk_app, database, amina)
    form = typed(browser)
    end_all(database)
    limits = desk_app.extensions["lms_bridge"].settings.sign_in
    sessions.forget_ended(database, limits, utc_now())
    assert "Your text is kept for an hour." in send(browser, EDIT, form).text
    sessions.forget_ended(database, limits, utc_now() + timedelta(days=8))
    with database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(web_session)) == 0


def test_a_text_that_is_kept_for_nobody_is_on_the_page_to_be_copied(
    desk_app: Flask, database: Database, amina: UserAccount
) -> None:
    browser = signed_in(desk_app, database, amina)
    form = typed(browser) | {"description": "A long text <b> that somebody typed"}
    browser.post("/sign-out", headers={"Origin": ORIGIN}, data=own_field(browser))
    answer = send(browser, EDIT, form)
    assert answer.status_code == 401
    assert "A long text &lt;b&gt; that somebody typed</textarea>" in answer.text
    assert form["csrf_token"] not in answer.text
    foreign = {"Origin": "https://attacker.example"}
    assert "A long text" not in browser.post(EDIT, data=form, headers=foreign).text
    assert count(database) == 0
