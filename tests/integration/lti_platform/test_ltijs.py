"""ltijs as the tool: it registers itself, is launched into, chooses, reads members, scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party, Privacy, Side, Status
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.launching import (
    LoginInitiation,
    start_deep_linking,
    start_launch,
)
from lms_bridge.lti.platform.registration import invite
from lms_bridge.store import lti_services
from tests.integration.lti_platform import ltijs
from tests.integration.lti_platform.test_services import result_of
from tests.integration.lti_platform.world import BROWSER, World, form_of
from tests.interoperability import Works


@pytest.fixture(scope="module")
def tool() -> Iterator[str]:
    with ltijs.running() as address:
        yield address


@pytest.fixture
def connected(world: World, tool: str) -> Party:
    """ltijs, registered by itself and approved."""
    invitation = invite(world.room, "ONE", private_addresses=True)
    done = requests.get(invitation.address(f"{tool}/register"), timeout=20)
    assert done.status_code == 200, done.text
    with world.bridge.database.writing() as tx:
        parties.change(tx, replace(world.party, status=Status.DISABLED))
        party = parties.all_parties(tx, Side.TOOL)[-1]
        assert party.status is Status.PENDING
        party = replace(party, status=Status.ACTIVE, privacy=Privacy(email=True))
        parties.change(tx, party)
    return party


def enter(world: World, login: LoginInitiation) -> requests.Response:
    """A browser that follows a login to where the tool shows something."""
    browser = requests.Session()
    host = urlsplit(world.address).hostname
    browser.cookies.set("lms_bridge_launch", BROWSER, domain=host, path="/lti/")
    page = browser.get(login.address, params=dict(login.fields), timeout=20)
    assert page.url.startswith(world.address + endpoints.AUTHENTICATION)
    form = form_of(page.text)
    return browser.post(form.pop("action"), data=form, timeout=20)


def test_launch_members_line_items_scores(
    world: World, connected: Party, tool: str, works: Works
) -> None:
    login = start_launch(world.room, "acad-1", "OFF-1", browser=BROWSER)
    answer = enter(world, login)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["user"] == "acad-1"
    assert told["userInfo"]["email"] == "l1@example.org"
    assert told["context"]["custom"] == {"offering": "OFF-1"}
    assert [m["user_id"] for m in told["members"]["value"]["members"]] == [
        "acad-1",
        "acad-2",
        "acad-3",
    ]
    assert len(told["paged"]["value"]["members"]) == 3  # one to a page
    assert len(told["lineItems"]["value"]["lineItems"]) == 1
    assert told["made"]["value"]["label"] == "Quiz"
    assert "error" not in told["score"]
    result = result_of(world)
    assert (result.score, result.completed) == (Decimal(0), True)
    (shown,) = told["scores"]["value"]["scores"]
    assert (shown["userId"], shown["resultScore"]) == ("acad-1", 0)
    works("ltijs", "registration", "launch", "memberships", "line items", "scores", "results")


def test_deep_linking(world: World, connected: Party, tool: str, works: Works) -> None:
    login = start_deep_linking(world.room, "OFF-2", person="operator", browser=BROWSER)
    answer = enter(world, login)
    form = form_of(answer.text)
    assert form["action"] == world.address + endpoints.DEEP_LINKING
    done = requests.post(form.pop("action"), data=form, timeout=20)
    assert done.status_code == 200, done.text
    assert "Unit 1 &amp; more" in done.text
    with world.bridge.database.reading() as tx:
        (resource,) = lti_services.resources(tx, offering_id=world.ids["OFF-2"])
        (item,) = lti_services.line_items(tx, offering_id=world.ids["OFF-2"])
    assert (resource.title, resource.custom) == ("Unit 1 & more", {"unit": "1"})
    assert (item.label, item.score_maximum, item.main) == ("Unit 1", 10, True)
    works("ltijs", "deep linking")


def test_a_second_use_of_the_invitation(world: World, tool: str) -> None:
    invitation = invite(world.room, "ONE", private_addresses=True)
    assert requests.get(invitation.address(f"{tool}/register"), timeout=20).status_code == 200
    assert requests.get(invitation.address(f"{tool}/register"), timeout=20).status_code >= 400
