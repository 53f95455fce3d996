"""A form that is refused comes back with a message that leads to the field that is wrong."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from lms_bridge.store.database import Database
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.web.test_people import wait


def field_of(page: str) -> str:
    """The name of the field that the message leads to, and that is marked as wrong."""
    found = re.search(r'<div class="note bad" role="alert" id="problem".*?</div>', page, re.DOTALL)
    assert found is not None
    assert " autofocus" in found[0]
    target = re.search(r'href="#(field-[a-z_]+)"', found[0])
    assert target is not None, found[0]
    marked = re.search(rf'<(?:input|select|textarea)[^>]* id="{target[1]}"[^>]*>', page)
    assert marked is not None, f"no {target[1]}"
    return target[1].removeprefix("field-")


TOKEN = {"purpose": "A partner", "scope": "offerings:read", "days": "0", "per_minute": "0"}
ACCOUNT = {"email": "new@example.org", "role": "coordinator", "centre": "EUR"}


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [
        ("/tokens", TOKEN | {"purpose": " "}, "purpose"),
        ("/tokens", {"purpose": "A partner"}, "scope"),
        ("/tokens", TOKEN | {"days": "99999"}, "days"),
        ("/tokens", TOKEN | {"days": "1000000"}, "days"),  # a time that is not read is not "ever"
        ("/tokens", TOKEN | {"days": "30 days"}, "days"),
        ("/tokens", TOKEN | {"days": "-30"}, "days"),
        ("/tokens", TOKEN | {"per_minute": "ten"}, "per_minute"),
        ("/tokens", TOKEN | {"centre": "EUR", "region": "africa"}, "centre"),
        ("/accounts", ACCOUNT | {"email": "nobody"}, "email"),
        ("/accounts", ACCOUNT | {"role": ""}, "role"),
        ("/accounts", ACCOUNT | {"centre": ""}, "centre"),
        ("/people/file", {}, "file"),
    ],
)
@pytest.mark.parametrize("language", ["en", "ar"])
def test_an_operators_form_that_is_refused_leads_to_its_field(
    client: FlaskClient, path: str, form: dict[str, str], field: str, language: str
) -> None:
    page = send(client, f"{path}?lang={language}", form).text
    assert f'lang="{language}"' in page
    assert field_of(page) == field


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [
        ("/account", {"time_zone": "Nowhere"}, "time_zone"),
        ("/account", {"name": "n" * 101}, "name"),
        ("/account/password", {"new": "short"}, "new"),
    ],
)
def test_a_form_of_ones_own_account_leads_to_its_field(
    client: FlaskClient, sqlite_database: Database, path: str, form: dict[str, str], field: str
) -> None:
    browser = signed_in(client.application, sqlite_database, account(sqlite_database, role=None))
    assert field_of(send(browser, path, form).text) == field


def test_a_wrong_password_leads_to_its_field(stranger: FlaskClient) -> None:
    form = {"email": "nobody@example.org", "password": "four wrong words here"}
    page = send(stranger, "/sign-in/password", form).text
    assert field_of(page) == "password"
    assert 'value="nobody@example.org"' in page


@pytest.mark.parametrize(
    ("path", "action", "field"),
    [("/holds", "/holds/decisions", "hold"), ("/people", "/people/accept", "person")],
)
def test_a_decision_about_nobody_comes_back_to_the_list_with_its_filter(
    client: FlaskClient, sqlite_database: Database, path: str, action: str, field: str
) -> None:
    wait(sqlite_database, "EUR", 4)
    page = client.get(f"{path}?centre=EUR").text
    sent = re.search(rf'action="({action}[^"]*)"', page)
    assert sent is not None
    answer = send(client, sent[1].replace("&amp;", "&"), {"decision": "keep", "centre": "EUR"})
    assert answer.status_code == 422
    assert field_of(answer.text) == field
    assert "<option selected>EUR</option>" in answer.text
    assert f'form="bulk" id="field-{field}"' in answer.text
    assert len(re.findall(r'form="bulk"[^>]* checked', answer.text)) == 0
