"""What was refused lately: kept for each connection, bounded, and shown to operators."""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession
from lms_bridge.lti.refusals import NOBODY, Refusal, RefusalLog
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store.database import Database
from tests.integration.lti_tool.conftest import Site, add_registration, registration_of
from tests.peers.browser import Browser
from tests.peers.platform import LTI, Platform

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def known(site: Site, platform: Platform) -> LtiRegistration:
    return add_registration(site.bridge, registration_of(platform))


def refused(site: Site, connection: int) -> list[Any]:
    log = site.tool.lti.refusals
    log.flush()
    with site.bridge.database.reading() as tx:
        return list(log.of(tx, connection))


def listed(site: Site, *number: str) -> str:
    """What the command prints."""
    session = CommandSession(lambda settings: nullcontext(site.bridge), {})
    return CliRunner().invoke(main, ["lti", "refused", *number], obj=session).output


def test_a_refused_launch_is_listed_for_its_platform(
    site: Site, platform: Platform, browser: Browser, known: LtiRegistration
) -> None:
    begun = site.login(browser, platform.login(site.address))
    form = platform.answer(begun.goes_to, site.address, lambda c: c.update(exp=1, iat=0))
    page = site.launch(browser, form)
    assert page.code == "token-expired"
    (row,) = refused(site, known.id)
    assert (row.code, row.place) == ("token-expired", "launch")
    assert row.reference in page.text
    for personal in ("Ada", "ada@example.org"):
        assert personal not in repr(row)
    assert row.reference in listed(site, str(known.id))


def test_a_refused_login_is_listed_for_the_platform_that_it_names(
    site: Site, platform: Platform, browser: Browser, known: LtiRegistration
) -> None:
    site.login(browser, {**platform.login(site.address), "target_link_uri": "https://evil.example"})
    site.login(browser, {**platform.login(site.address), "client_id": "stranger"})
    assert [row.code for row in refused(site, known.id)] == ["target-foreign"]
    assert [row.code for row in refused(site, NOBODY)] == ["platform-unknown"]
    assert "platform-unknown" in listed(site)


def test_a_refused_learner_has_a_way_on(
    site: Site, platform: Platform, browser: Browser, known: LtiRegistration
) -> None:
    def without_sub(claims: dict[str, Any]) -> None:
        del claims[f"{LTI}resource_link"]

    begun = site.login(browser, platform.login(site.address))
    page = site.launch(browser, platform.answer(begun.goes_to, site.address, without_sub))
    assert page.code == "resource-link-missing"
    assert f'href="{platform.address}"' in page.text
    assert 'href="/catalogue"' in page.text


def log_on(database: Database, **more: Any) -> RefusalLog:
    given = {"days": 14, "kept": 5, "now": lambda: NOW, **more}
    return RefusalLog(database, **given)


def refusal(number: int, code: str = "token-expired", **more: Any) -> Refusal:
    return Refusal(7, "launch", code, f"{number:08}", NOW, **more)


def test_a_flood_keeps_a_few_rows_and_hides_no_other_code(database: Database) -> None:
    log = log_on(database)
    log.add(refusal(1, "offering-elsewhere"))
    for number in range(3_000):
        log.add(refusal(number))
        if number % 1_000 == 0:
            log.flush()
    log.close()
    with database.reading() as tx:
        rows = log.of(tx, 7)
    of_flood = [row for row in rows if row.code == "token-expired"]
    assert len(of_flood) == 5
    assert of_flood[0].reference == "00002999"
    assert [row.code for row in rows].count("offering-elsewhere") == 1


def test_a_flood_costs_one_transaction_a_second(database: Database) -> None:
    log = log_on(database)

    def flood() -> None:
        for number in range(500):
            log.add(refusal(number))

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    with database.reading() as tx:
        assert sum(row.times for row in log.of(tx, 7)) <= 4_000
        assert len(log.of(tx, 7)) <= 5


def test_old_refusals_go(database: Database) -> None:
    log = log_on(database)
    log.add(refusal(1, "offering-elsewhere"))
    log.close()
    later = log_on(database, now=lambda: NOW + timedelta(days=15))
    later.add(Refusal(7, "launch", "no-tool", "00000002", NOW + timedelta(days=15)))
    later.close()
    with database.reading() as tx:
        assert [row.code for row in log.of(tx, 7)] == ["no-tool"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/lti/services/none", 404, "no-such-address"),
        ("PUT", "/lti/token", 405, "method-not-possible"),
        ("POST", "/lti/tool/jwks", 405, "method-not-possible"),
        ("DELETE", "/.well-known/openid-configuration", 405, "method-not-possible"),
        ("POST", "/lti/keys", 405, "method-not-possible"),
        ("POST", "/lti/token", 413, "too-large"),
        ("POST", "/lti/registration", 413, "too-large"),
    ],
)
def test_programs_get_json_for_every_refusal(
    site: Site, method: str, path: str, status: int, code: str
) -> None:
    body = b"x=" + b"y" * 100_000 if status == 413 else b""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    if path == "/lti/registration":
        headers["Authorization"] = "Bearer none"
    answer = requests.request(method, site.address + path, data=body, headers=headers, timeout=120)
    assert answer.status_code == status
    found = answer.json()
    assert found["code"] == code
    assert len(found["reference"]) == 8
    if path == "/lti/token":
        assert found["error"] == "invalid_request"


@pytest.mark.parametrize(
    "path", ["/api/v1/none", "/api/v1/runs", "/oeapi/v5/courses/none", "/none", "/lti/launch/none"]
)
def test_every_refusal_has_a_reference(site: Site, path: str) -> None:
    answer = requests.get(site.address + path, timeout=120)
    assert answer.status_code in (401, 404)
    if "json" in answer.headers["Content-Type"]:
        assert len(answer.json()["reference"]) == 8
    else:
        assert re.search(r"<code>[0-9a-f]{8}</code>", answer.text)
