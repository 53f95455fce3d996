"""PyLTI1p3's Flask example as the tool."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import requests

from lms_bridge.lti.platform import endpoints, storage
from lms_bridge.lti.platform.launch import LoginInitiation, start_deep_linking, start_launch
from tests.integration.lti_platform.test_services import result_of
from tests.integration.lti_platform.world import (
    BROWSER,
    KEYS,
    Late,
    World,
    add_tool,
    form_of,
    served,
)
from tests.interoperability import Works
from tests.peers.pylti1p3_tool import make_app


@pytest.fixture
def connected(world: World) -> Iterator[int]:
    """The number of the connection to the tool."""
    late = Late()
    with served(late) as address:
        registration = add_tool(
            world.lti,
            world.tool,
            initiate_login_uri=f"{address}/login",
            redirect_uris=(f"{address}/launch",),
            target_link_uri=f"{address}/launch",
            deep_link_uri=f"{address}/launch",
            jwks_uri=f"{address}/jwks",
        )
        issuer_entry = {
            "default": True,
            "client_id": registration.client_id,
            "auth_login_url": world.address + endpoints.AUTHENTICATION,
            "auth_token_url": world.address + endpoints.TOKEN,
            "key_set_url": world.address + endpoints.KEYS,
            "deployment_ids": list(registration.deployment_ids),
        }
        late.app = make_app(
            {world.address: issuer_entry},
            KEYS[2].as_pem(private=True).decode(),
            KEYS[2].as_pem(private=False).decode(),
        )
        yield registration.id


def enter(world: World, login: LoginInitiation) -> requests.Response:
    browser = requests.Session()
    host = urlsplit(world.address).hostname
    browser.cookies.set("lms_bridge_launch", BROWSER, domain=host, path="/lti/")
    page = browser.get(login.address, params=dict(login.fields), timeout=120)
    form = form_of(page.text)
    return browser.post(form.pop("action"), data=form, timeout=120)


def test_pylti1p3_launches_and_uses_members_and_scores(
    world: World, connected: int, works: Works
) -> None:
    login = start_launch(world.lti, "acad-2", "OFF-1", registration_id=connected, browser=BROWSER)
    answer = enter(world, login)
    assert answer.status_code == 200, answer.text
    reported = answer.json()
    assert reported["sub"] == "acad-2"
    assert [member["user_id"] for member in reported["members"]] == ["acad-1", "acad-2", "acad-3"]
    assert reported["own"]["label"] == "Quiz"
    assert reported["results"][0]["resultScore"] == 70
    result = result_of(world, "acad-2")
    assert (result.score, result.scale_max) == (Decimal(7), Decimal(10))
    works("pylti1p3", "launch", "memberships", "line items", "scores", "results")


def test_pylti1p3_chooses_content(world: World, connected: int, works: Works) -> None:
    login = start_deep_linking(
        world.lti, "OFF-2", person="operator", registration_id=connected, browser=BROWSER
    )
    form = form_of(enter(world, login).text)
    done = requests.post(form.pop("action"), data=form, timeout=120)
    assert done.status_code == 200, done.text
    with world.bridge.database.reading() as tx:
        (resource,) = storage.resources(tx, offering_id=world.ids["OFF-2"])
    assert (resource.title, resource.custom) == ("Unit <2>", {"unit": "2"})
    works("pylti1p3", "deep linking")
