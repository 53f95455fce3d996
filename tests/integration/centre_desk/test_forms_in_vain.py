"""What somebody typed is not lost when it cannot be stored."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from sqlalchemy import event

from lms_bridge.store.database import Database
from lms_bridge.web.access import the_bridge
from lms_bridge.web.csrf import TOKEN
from tests.integration.accounts.browser import ORIGIN, send
from tests.integration.centre_desk.conftest import Browser
from tests.integration.centre_desk.test_kept_forms import EDIT, typed
from tests.integration.centre_desk.test_offerings import filled


def read_only(database: Database, to: bool) -> None:
    """Lets every connection from now on only read, or write again."""

    @event.listens_for(database.engine, "connect")
    def _set(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA query_only = {to:d}")

    database.close()


def test_a_form_that_cannot_be_stored_is_on_the_page_to_be_sent_again(
    desk_app: Flask, browser: Browser
) -> None:
    person = browser()
    form = typed(person) | {"description": 'Two\r\nlines "quoted"'}
    with desk_app.app_context():
        database = the_bridge().database
    read_only(database, True)
    foreign = person.post(EDIT, data=form, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "Typed" not in foreign.text
    tokenless = {name: text for name, text in form.items() if name != TOKEN}
    forged = person.post(EDIT, data=tokenless, headers={"Origin": ORIGIN})
    assert "Typed" not in forged.text
    answer = send(person, EDIT, form)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "Your text is still on this page." in answer.text
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text)
    again = {name: html.unescape(text) for name, text in hidden}
    assert again["title"] == "Typed <too> late"
    read_only(database, False)
    assert send(person, EDIT, again).status_code == 303
    assert filled(person.get(EDIT))["title"] == "Typed late"
