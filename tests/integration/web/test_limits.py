"""How many requests an address may send in a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from lms_bridge.lti.platform import endpoints
from lms_bridge.settings import WebSettings
from lms_bridge.web import visitors
from tests.integration.web.conftest import NewApp

LEARNERS, REQUESTS = 300, 6


Few = Callable[..., FlaskClient]


@pytest.fixture
def few(new_app: NewApp, sqlite_address: str) -> Few:
    """Makes applications that answer three requests of an address in a minute."""

    def make(**web: object) -> FlaskClient:
        limits = {"requests_per_minute": 3, "feeds_per_minute": 3, **web}
        return new_app(sqlite_address, **limits).test_client()

    return make


def within_a_minute(asked: Callable[[], list[TestResponse]]) -> list[TestResponse]:
    """Answers of one minute of the clock: with the next one the count begins anew."""
    for _ in range(5):
        minute = time.time() // 60
        answers = asked()
        if time.time() // 60 == minute:
            return answers
    raise AssertionError("requests took longer than a minute, five times")


def ask(client: FlaskClient, peer: str, path: str, **headers: str) -> TestResponse:
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, headers=head, environ_overrides={"REMOTE_ADDR": peer})


def test_a_class_behind_one_address_can_launch_at_once() -> None:
    assert WebSettings().requests_per_minute >= LEARNERS * REQUESTS * 3


@pytest.mark.parametrize("path", ["/catalogue", "/lti/tool/login", "/nowhere", "/health"])
def test_a_fourth_request_is_refused_to_people_in_their_language(few: Few, path: str) -> None:
    def asked() -> list[TestResponse]:
        client = few()
        return [ask(client, "203.0.113.1", path, Accept_Language="fr") for _ in range(4)] + [
            ask(client, "203.0.113.2", path)
        ]

    *answers, other = within_a_minute(asked)
    assert 429 not in [each.status_code for each in [*answers[:3], other]]
    assert answers[3].status_code == 429
    assert 0 < int(answers[3].headers["Retry-After"]) <= 60
    assert "Trop de requêtes" in answers[3].get_data(as_text=True)


@pytest.mark.parametrize(
    "path", [endpoints.KEYS, endpoints.TOKEN, "/catalogue.ics", "/sitemap.xml"]
)
def test_programs_get_a_code(few: Few, path: str) -> None:
    def asked() -> list[TestResponse]:
        client = few()
        return [ask(client, "203.0.113.1", path) for _ in range(4)]

    last = within_a_minute(asked)[3]
    assert last.status_code == 429
    assert last.get_json()["code"] == "too-many-requests"
    assert "Retry-After" in last.headers


def test_feeds_and_pages_are_counted_apart(few: Few) -> None:
    def asked() -> list[TestResponse]:
        client = few()
        paths = ["/catalogue.ics"] * 4 + ["/catalogue"]
        return [ask(client, "203.0.113.1", path) for path in paths]

    assert [each.status_code for each in within_a_minute(asked)] == [200] * 3 + [429, 200]


def test_no_header_of_a_visitor_changes_the_address(few: Few) -> None:
    """Also on loopback, where a forwarder that sends no header seems to be the visitor."""
    visitors._warn_once.cache_clear()

    def asked() -> list[TestResponse]:
        client = few()
        return [
            ask(
                client,
                "127.0.0.1",
                "/catalogue",
                X_Forwarded_For=f"198.51.100.{number}",
                Forwarded=f"for=198.51.100.{number}",
                X_Real_IP=f"198.51.100.{number}",
            )
            for number in range(4)
        ]

    with capture_logs() as log:
        assert within_a_minute(asked)[3].status_code == 429
    assert [each["event"] for each in log if "believed" in each["event"]] == [
        "X-Forwarded-For is not believed"
    ]


def test_a_configured_proxy_is_believed(few: Few) -> None:
    def asked() -> list[TestResponse]:
        client = few(trusted_proxies="127.0.0.1")
        return [
            ask(client, "127.0.0.1", "/catalogue", X_Forwarded_For=f"198.51.100.{number}")
            for number in range(5)
        ]

    assert [each.status_code for each in within_a_minute(asked)] == [200] * 5


def test_addresses_of_one_ipv6_site_count_as_one(few: Few) -> None:
    def asked() -> list[TestResponse]:
        client = few()
        return [ask(client, f"2001:db8:1:2::{number}", "/catalogue") for number in range(1, 5)]

    assert within_a_minute(asked)[3].status_code == 429


def test_style_sheets_are_not_counted_and_zero_is_no_limit(few: Few) -> None:
    client = few(requests_per_minute=0)
    for path in ["/static/style.css"] * 5 + ["/catalogue"] * 5:
        response = ask(client, "203.0.113.1", path)
        assert response.status_code == 200
        response.close()


def test_a_form_of_too_many_fields_is_refused_before_it_is_read(client: FlaskClient) -> None:
    for fields, status in ((1_001, 413), (1_000, 400)):
        form = "&".join(f"a{number}=1" for number in range(fields))
        media = "application/x-www-form-urlencoded"
        answer = client.post("/lti/tool/login", data=form, content_type=media)
        assert answer.status_code == status


def test_a_very_long_list_of_languages_counts_for_none(client: FlaskClient) -> None:
    header = {"Accept-Language": "fr," + ",".join(f"x{number}" for number in range(300))}
    assert 'lang="en"' in client.get("/catalogue", headers=header).get_data(as_text=True)
    assert 'lang="fr"' in client.get("/catalogue", headers={"Accept-Language": "fr,en"}).get_data(
        as_text=True
    )
