"""Deployments that nobody accepted yet: refused, counted, and accepted by an operator."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from click.testing import CliRunner

from lms_bridge.audit import Actor
from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession
from lms_bridge.lti import approval, deployments, registrations
from lms_bridge.lti.registrations import LtiRegistration
from tests.integration.lti_tool.conftest import Site, add_registration, registration_of
from tests.operators import signed_in
from tests.peers.browser import Browser, Page
from tests.peers.platform import Platform
from tests.peers.signing import Key


@pytest.fixture
def known(site: Site, platform: Platform) -> LtiRegistration:
    """The platform, of which only the deployment 1 is accepted; it launches from 2."""
    new = add_registration(site.bridge, registration_of(platform))
    platform.deployment = "2"
    return new


def launch(site: Site, platform: Platform, browser: Browser, key: Key | None = None) -> Page:
    begun = site.login(browser, platform.login(site.address))
    form = platform.answer(begun.goes_to, site.address)
    if key is not None:
        form["id_token"] = key.sign(platform.claims("n", site.address))
    return site.launch(browser, form)


def waiting(site: Site, known: LtiRegistration) -> dict[str, int]:
    with site.bridge.database.reading() as tx:
        return {row.deployment_id: row.times for row in deployments.unknown(tx, known.id)}


def command(site: Site, *arguments: str) -> str:
    session = CommandSession(lambda settings: nullcontext(site.bridge), {})
    done = CliRunner().invoke(main, ["lti", *arguments], obj=session)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_unknown_deployment_is_refused_and_counted(
    site: Site, platform: Platform, browser: Browser, known: LtiRegistration
) -> None:
    for _ in range(3):
        page = launch(site, platform, browser)
        assert (page.status, page.code) == (403, "deployment-unknown")
    assert waiting(site, known) == {"2": 3}


def test_only_what_the_platform_signed_is_counted(
    site: Site, platform: Platform, browser: Browser, known: LtiRegistration
) -> None:
    site.login(browser, platform.login(site.address))
    assert launch(site, platform, browser, Key("other")).code == "token-key-unknown"
    assert waiting(site, known) == {}


def test_a_flood_of_deployments_is_bounded(
    site: Site, known: LtiRegistration, monkeypatch: Any
) -> None:
    now = site.tool.lti.now()
    monkeypatch.setattr(deployments, "MOST_UNKNOWN", 3)
    with site.bridge.database.writing() as tx:
        for number in range(10):
            deployments.count(tx, known.id, str(number), now)
        for _ in range(5):
            deployments.count(tx, known.id, "9", now)
    assert waiting(site, known) == {"9": 6, "8": 1, "7": 1}


def test_an_operator_sees_and_accepts_a_deployment(
    site: Site, platform: Platform, browser: Browser, known: LtiRegistration
) -> None:
    launch(site, platform, browser)
    assert "  2: 1 since " in command(site, "show", str(known.id))
    browser.cookies[site.address.split("/")[2]] = signed_in(site.bridge.database)
    page = browser.get(f"{site.address}/connections/{known.id}")
    assert "Deployments that are not accepted" in page.text
    assert "accepts the deployment 2" in command(site, "accept", str(known.id), "2")
    assert waiting(site, known) == {}
    with site.bridge.database.reading() as tx:
        found = registrations.find(tx, known.id)
    assert found is not None
    assert found.deployment_ids == ("1", "2")


def test_all_deployments_of_a_client_may_be_accepted(
    site: Site, platform: Platform, browser: Browser
) -> None:
    known = add_registration(site.bridge, registration_of(platform))
    command(site, "approve", str(known.id), "--any-deployment")
    platform.deployment = "77"
    assert launch(site, platform, browser).code != "deployment-unknown"
    assert waiting(site, known) == {}


def test_more_than_fifty_deployments_are_accepted(site: Site, known: LtiRegistration) -> None:
    by = Actor("somebody", "page", site.tool.lti.now())
    with site.bridge.database.writing() as tx:
        for number in range(120):
            found = approval.find_registration(tx, known.id)
            approval.add_deployment(tx, found, f"d-{number}", by)
        assert len(approval.find_registration(tx, known.id).deployment_ids) == 121
