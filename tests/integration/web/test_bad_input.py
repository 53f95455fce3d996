"""Bad input on every page and form of the route map, by every role: a clear message, never a
failure, and nothing of it comes back as markup."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from lms_bridge.domain.access import EVERYTHING, DataScope
from lms_bridge.domain.roles import Role
from tests.integration.accounts.browser import ORIGIN, account, signed_in
from tests.integration.api.world import World
from tests.integration.web.test_forms_after_sessions import Forms
from tests.integration.web.test_forms_after_sessions import world as world
from tests.operators import own_field

SCRIPT = "<script>alert('x')</script>"
BAD = (
    f"{SCRIPT}\x00\u202e\U0001f600",
    "x" * 30_000,
    "9" * 40,
    "-1e999",
    "0000-99-99T99:99",
)
FILES = (b"\xff\xfe\x00", b"", b"PK\x03\x04", b"BEGIN:VCALENDAR", b"a,b\n\x00")
"""A form without a field for them leaves them unread: there one stands for all."""
PARAMS = (
    *("after", "before", "page", "month", "year", "view", "text", "centre", "region", "state"),
    *("lang", "done", "all", "group", "format", "action", "starts_from", "starts_to", "subject"),
    *("since", "until", "kind", "status", "flow", "course", "learner", "days", "figure", "item"),
    *("availability", "price", "language", "topic", "level", "modality", "agreeing", "decided"),
)
PEOPLE = {
    "operator": (Role.OPERATOR, EVERYTHING),
    "coordinator": (Role.COORDINATOR, DataScope(centre="ONE")),
    "learner": (None, EVERYTHING),
}
THINGS: dict[str, object] = {"code": "ONE", "offering": "ONE-open", "number": 1, "run_id": 1}
"""Parts of addresses that there are."""
NOT_PAGES = ("/api/", "/lti/", "/oeapi/", "/sitemaps/", "/static/", "/connect/")


def rules(app: Flask, method: str) -> Iterator[tuple[Rule, str]]:
    """The pages, with an address of each."""
    urls = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if method not in (rule.methods or ()) or rule.rule.startswith(NOT_PAGES):
            continue
        if "static" in rule.endpoint or rule.endpoint.startswith("sign_in."):
            continue
        values = {name: THINGS.get(name, "unknown") for name in rule.arguments}
        if rule.rule.startswith(("/catalogue/", "/offerings/")):
            values["code"] = "ONE-open"
        yield rule, urls.build(rule.endpoint, values, method=method)


def browser_of(world: World, who: str) -> FlaskClient:
    role, reach = PEOPLE[who]
    person = account(world.bridge.database, "bad@example.org", role, reach)
    return signed_in(world.client.application, world.bridge.database, person)


@pytest.mark.parametrize("who", ["operator", "learner"])
def test_no_parameter_of_an_address_breaks_a_page(world: World, who: str) -> None:
    browser = browser_of(world, who)
    for rule, path in rules(browser.application, "GET"):
        for bad in BAD:
            query = "&".join(f"{name}={quote(bad[:2_000])}" for name in PARAMS)
            answer = browser.get(f"{path}?{query}")
            assert answer.status_code < 500, (rule.endpoint, bad[:40])
            assert SCRIPT not in answer.text, rule.endpoint


@pytest.mark.parametrize("who", PEOPLE)
def test_no_form_breaks_on_what_is_written_into_it(world: World, who: str) -> None:
    browser = browser_of(world, who)
    names = fields_of(browser)
    for rule, path in rules(browser.application, "POST"):
        for bad in BAD:
            form: dict[str, object] = dict.fromkeys(names.get(rule.endpoint, ("x",)), bad)
            answer = browser.post(path, data=form | own_field(browser), headers={"Origin": ORIGIN})
            assert answer.status_code < 500, (rule.endpoint, bad[:40])
            assert SCRIPT not in answer.text, rule.endpoint
        takes_one = "file" in names.get(rule.endpoint, ())
        for file in FILES if takes_one else FILES[:1]:
            given = {"file": (BytesIO(file), f"{SCRIPT}.csv"), **own_field(browser)}
            answer = browser.post(path, data=given, headers={"Origin": ORIGIN})
            assert answer.status_code < 500, (rule.endpoint, file)
            assert SCRIPT not in answer.text, rule.endpoint


def fields_of(browser: FlaskClient) -> dict[str, set[str]]:
    """{endpoint: the names of the fields of its form} on the pages that this person may open."""
    found: dict[str, set[str]] = {}
    urls = browser.application.url_map.bind("localhost")
    for _, path in rules(browser.application, "GET"):
        page = browser.get(path)
        if page.mimetype != "text/html":
            continue
        for form in Forms(page.text).found:
            where = form.action.partition("?")[0]
            if where and urls.test(where, "POST"):
                names = {name for name, _ in form.fields if name != "csrf_token"}
                found.setdefault(urls.match(where, "POST")[0], set()).update(names)
    return found
