"""@lti-tool/core as the tool: it registers itself, is launched into, chooses, uses all services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import requests

from lms_bridge.lti import registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import endpoints, storage
from lms_bridge.lti.platform.dynamic_registration import invite_tool
from lms_bridge.lti.platform.launch import start_deep_linking, start_launch
from lms_bridge.lti.registrations import LtiRegistration, Privacy, Side, Status
from tests.integration.lti_platform.test_ltijs import enter
from tests.integration.lti_platform.test_services import result_of
from tests.integration.lti_platform.world import BROWSER, World, form_of
from tests.interoperability import Works
from tests.peers.browser import Browser
from tests.peers.node_tools import lti_tool_core

PEER = "lti-tool-core"


@pytest.fixture(scope="module")
def tool() -> Iterator[str]:
    with lti_tool_core() as address:
        yield address


@pytest.fixture
def connected(world: World, tool: str) -> LtiRegistration:
    """The tool, registered by itself and approved with names and addresses, which it insists on."""
    invitation = invite_tool(world.lti, "ONE", private_addresses=True)
    browser = Browser()
    asked = browser.get(invitation.address(f"{tool}/register"))
    assert asked.status == 200, asked.text
    fields = [("services", each) for each in ("ags", "nrps", "deep_linking")]
    hidden = list(asked.forms[-1].fields.items())
    done = browser.post(f"{tool}/register/complete", [*hidden, *fields])
    browser.close()
    assert "Registration Successful" in done.text, done.text
    with world.bridge.database.writing() as tx:
        registrations.change(tx, replace(world.registration, status=Status.DISABLED))
        registration = registrations.all_registrations(tx, Side.TOOL)[-1]
        assert registration.status is Status.PENDING
        registration = replace(registration, status=Status.ACTIVE, privacy=Privacy(email=True))
        registrations.change(tx, registration)
    return registration


def test_lti_tool_core_launches_and_uses_members_line_items_scores_and_results(
    world: World, connected: LtiRegistration, tool: str, works: Works
) -> None:
    assert lti.LINE_ITEM_READ not in connected.scopes  # it asks for tokens of it all the same
    answer = enter(world, start_launch(world.lti, "acad-1", "OFF-1", browser=BROWSER))
    assert answer.status_code == 200, answer.text
    arrived: dict[str, Any] = answer.json()
    assert (arrived["user"]["id"], arrived["user"]["email"]) == ("acad-1", "l1@example.org")
    assert arrived["context"]["id"] == "OFF-1"
    told = requests.get(f"{tool}/services/{arrived['id']}", timeout=120).json()
    failed = {name: each["error"] for name, each in told.items() if "error" in each}
    assert failed == {}
    assert [each["userId"] for each in told["members"]["value"]] == ["acad-1", "acad-2", "acad-3"]
    (item,) = told["items"]["value"]
    assert told["item"]["value"] == item
    assert told["made"]["value"]["label"] == "Quiz"
    assert told["changed"]["value"]["scoreMaximum"] == 20
    (shown,) = told["scores"]["value"]
    assert (shown["userId"], shown["resultScore"]) == ("acad-1", 0)
    result = result_of(world)
    assert (result.score, result.completed) == (Decimal(0), True)
    works(PEER, "registration", "launch", "memberships", "line items", "scores", "results")


def test_lti_tool_core_chooses_content_for_an_operator(
    world: World, connected: LtiRegistration, works: Works
) -> None:
    login = start_deep_linking(world.lti, "OFF-2", person="operator", browser=BROWSER)
    form = form_of(enter(world, login).text)
    assert form["action"] == world.address + endpoints.DEEP_LINKING
    done = requests.post(form.pop("action"), data=form, timeout=120)
    assert done.status_code == 200, done.text
    with world.bridge.database.reading() as tx:
        (resource,) = storage.resources(tx, offering_id=world.ids["OFF-2"])
        (item,) = storage.line_items(tx, offering_id=world.ids["OFF-2"])
    assert (resource.title, resource.custom) == ("Unit 1 & more", {"unit": "1"})
    assert (item.label, item.score_maximum, item.main) == ("Unit 1", 10, True)
    works(PEER, "deep linking")
