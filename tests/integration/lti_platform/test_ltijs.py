"""ltijs as the tool: it registers itself, is launched into, chooses, reads members, scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from lms_bridge.lti import registrations
from lms_bridge.lti.platform import endpoints, storage
from lms_bridge.lti.platform.dynamic_registration import invite_tool
from lms_bridge.lti.platform.launch import LoginInitiation, start_deep_linking, start_launch
from lms_bridge.lti.registrations import LtiRegistration, Privacy, Side, Status
from tests.integration.lti_platform.test_services import result_of
from tests.integration.lti_platform.world import BROWSER, World, form_of
from tests.interoperability import Works
from tests.peers.node_tools import ltijs


@pytest.fixture(scope="module")
def tool() -> Iterator[str]:
    with ltijs() as address:
        yield address


@pytest.fixture
def connected(world: World, tool: str) -> LtiRegistration:
    """ltijs, registered by itself and approved."""
    invitation = invite_tool(world.lti, "ONE", private_addresses=True)
    done = requests.get(invitation.address(f"{tool}/register"), timeout=120)
    assert done.status_code == 200, done.text
    with world.bridge.database.writing() as tx:
        registrations.change(tx, replace(world.registration, status=Status.DISABLED))
        registration = registrations.all_registrations(tx, Side.TOOL)[-1]
        assert registration.status is Status.PENDING
        registration = replace(registration, status=Status.ACTIVE, privacy=Privacy(email=True))
        registrations.change(tx, registration)
    return registration


def enter(world: World, login: LoginInitiation) -> requests.Response:
    """A browser that follows a login to where the tool shows something."""
    browser = requests.Session()
    host = urlsplit(world.address).hostname
    browser.cookies.set("lms_bridge_launch", BROWSER, domain=host, path="/lti/")
    page = browser.get(login.address, params=dict(login.fields), timeout=120)
    assert page.url.startswith(world.address + endpoints.AUTHENTICATION)
    form = form_of(page.text)
    return browser.post(form.pop("action"), data=form, timeout=120)


def test_ltijs_launches_and_uses_members_line_items_and_scores(
    world: World, connected: LtiRegistration, tool: str, works: Works
) -> None:
    login = start_launch(world.lti, "acad-1", "OFF-1", browser=BROWSER)
    answer = enter(world, login)
    assert answer.status_code == 200, answer.text
    reported: dict[str, Any] = answer.json()
    assert reported["user"] == "acad-1"
    assert reported["userInfo"]["email"] == "l1@example.org"
    assert reported["context"]["custom"] == {"offering": "OFF-1"}
    assert [m["user_id"] for m in reported["members"]["value"]["members"]] == [
        "acad-1",
        "acad-2",
        "acad-3",
    ]
    assert len(reported["paged"]["value"]["members"]) == 3  # one to a page
    assert len(reported["lineItems"]["value"]["lineItems"]) == 1
    assert reported["made"]["value"]["label"] == "Quiz"
    assert "error" not in reported["score"]
    result = result_of(world)
    assert (result.score, result.completed) == (Decimal(0), True)
    (shown,) = reported["scores"]["value"]["scores"]
    assert (shown["userId"], shown["resultScore"]) == ("acad-1", 0)
    works("ltijs", "registration", "launch", "memberships", "line items", "scores", "results")


def test_ltijs_chooses_content(
    world: World, connected: LtiRegistration, tool: str, works: Works
) -> None:
    login = start_deep_linking(world.lti, "OFF-2", person="operator", browser=BROWSER)
    answer = enter(world, login)
    form = form_of(answer.text)
    assert form["action"] == world.address + endpoints.DEEP_LINKING
    done = requests.post(form.pop("action"), data=form, timeout=120)
    assert done.status_code == 200, done.text
    assert "Unit 1 &amp; more" in done.text
    with world.bridge.database.reading() as tx:
        (resource,) = storage.resources(tx, offering_id=world.ids["OFF-2"])
        (item,) = storage.line_items(tx, offering_id=world.ids["OFF-2"])
    assert (resource.title, resource.custom) == ("Unit 1 & more", {"unit": "1"})
    assert (item.label, item.score_maximum, item.main) == ("Unit 1", 10, True)
    works("ltijs", "deep linking")


def test_ltijs_cannot_register_twice_with_one_invitation(world: World, tool: str) -> None:
    invitation = invite_tool(world.lti, "ONE", private_addresses=True)
    assert requests.get(invitation.address(f"{tool}/register"), timeout=120).status_code == 200
    assert requests.get(invitation.address(f"{tool}/register"), timeout=120).status_code >= 400
