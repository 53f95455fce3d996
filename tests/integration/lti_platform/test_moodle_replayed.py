"""What a real Moodle sent as a tool, sent again: tests/recordings/lti."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from lms_bridge.lti import parties, vocabulary
from lms_bridge.lti.parties import Side, Status
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.launching import start_deep_linking
from lms_bridge.lti.platform.registration import invite
from lms_bridge.store import lti_services
from tests.integration.lti_platform.test_services import line_item, result_of
from tests.integration.lti_platform.world import BROWSER, World, form_of
from tests.interoperability import Works

_FILE = Path(__file__).parents[2] / "recordings" / "lti" / "lti-moodle-as-tool.json"
RECORDED = json.loads(_FILE.read_text(encoding="utf-8"))
MOODLE = "http://localhost:8080"


def recorded(path: str, place: int = 0) -> Any:
    found = [each for each in RECORDED if each["path"].startswith(path)]
    return deepcopy(found[place])


def test_registration(either_world: World, works: Works) -> None:
    world = either_world
    sent = recorded("/register")
    invitation = invite(world.room, "ONE", private_addresses=True)
    headers = {**sent["headers"], "Authorization": f"Bearer {invitation.token}"}
    answer = world.call("POST", endpoints.REGISTRATION, body=sent["body"], **headers)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    with world.bridge.database.reading() as tx:
        party = parties.find_tool(tx, told["client_id"])
    assert party is not None
    assert party.status is Status.PENDING
    assert party.redirect_uris == tuple(sent["body"]["redirect_uris"])
    assert party.deep_link_uri == f"{MOODLE}/enrol/lti/launch_deeplink.php"
    assert vocabulary.LINE_ITEM_READ not in party.scopes
    assert told[vocabulary.TOOL_CONFIGURATION]["deployment_id"] == party.deployment_ids[0]
    again = world.call("POST", endpoints.REGISTRATION, body=sent["body"], **headers)
    assert again.status_code == 401
    works("moodle as tool", "registration")


def test_authentication_request(world: World, works: Works) -> None:
    sent = dict(parse_qsl(urlsplit(recorded("/auth")["path"]).query))
    world.change_party(redirect_uris=(sent["redirect_uri"],))
    login = world.start()
    changed = {name: login.fields[name] for name in ("client_id", "login_hint", "lti_message_hint")}
    answer = world.authenticate({**sent, **changed})
    form = form_of(answer.text)
    assert form["action"] == sent["redirect_uri"]
    assert form["state"] == sent["state"]
    assert world.read(form["id_token"])["nonce"] == sent["nonce"]
    works("moodle as tool", "launch")


def token_as_moodle(world: World, place: int) -> str:
    sent = recorded("/token", place)
    claims = sent["form"]["client_assertion"]["claims"]
    shift = int(time.time()) - claims["iat"] - 5
    claims |= {"iss": world.tool.client_id, "sub": world.tool.client_id}
    claims |= {"aud": world.address + endpoints.TOKEN}
    claims |= {"iat": claims["iat"] + shift, "exp": claims["exp"] + shift}
    form = {**sent["form"], "client_assertion": world.tool.sign(claims)}
    answer = world.ask_token(form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_score_as_a_text_with_a_zone_without_a_colon(either_world: World, works: Works) -> None:
    world = either_world
    sent = recorded("/ags")
    headers = {name: sent["headers"][name] for name in ("Accept", "Content-Type", "User-Agent")}
    sent["body"]["userId"] = "acad-1"
    address, token = f"{line_item(world)}/scores", token_as_moodle(world, 0)
    assert world.call("POST", address, token, sent["body"], **headers).status_code == 204
    assert world.call("POST", address, token, sent["body"], **headers).status_code == 204
    result = result_of(world)
    assert (str(result.score), str(result.scale_max)) == ("15.5", "20")
    assert str(result.graded_at) == "2026-11-23 17:53:39+00:00"
    works("moodle as tool", "scores")


def test_members_of_a_link(world: World, works: Works) -> None:
    sent = recorded("/nrps")
    rlid = world.launch()[vocabulary.RESOURCE_LINK]["id"]
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    headers = {"Accept": sent["headers"]["Accept"]}
    answer = world.call("GET", f"{address}?rlid={rlid}", token_as_moodle(world, 1), **headers)
    assert len(answer.json()["members"]) == 3
    works("moodle as tool", "memberships")


def deep_linking_claims(world: World, data: str) -> dict[str, Any]:
    claims: dict[str, Any] = recorded("/dlreturn")["form"]["JWT"]["claims"]
    now = int(time.time())
    return claims | {
        "iss": world.tool.client_id,
        "aud": [world.address],
        "iat": now,
        "exp": now + 600,
        vocabulary.DL_DATA: data,
    }


def asked_to_choose(world: World, offering: str = "OFF-2") -> str:
    """The ``data`` of a deep linking request that the tool got."""
    login = start_deep_linking(world.room, offering, person="operator", browser=BROWSER)
    request = world.auth_request(login)
    claims = world.read(form_of(world.authenticate(request).text)["id_token"])
    assert claims[vocabulary.MESSAGE_TYPE] == vocabulary.DEEP_LINKING_REQUEST
    assert claims[vocabulary.ROLES] == [vocabulary.INSTRUCTOR]
    return str(claims[vocabulary.DEEP_LINKING_SETTINGS]["data"])


@pytest.mark.parametrize("repeated", [False, True])
def test_deep_linking_answer(either_world: World, repeated: bool, works: Works) -> None:
    world = either_world
    at_moodle = (f"{MOODLE}/enrol/lti/launch.php",)
    world.change_party(redirect_uris=(*world.party.redirect_uris, *at_moodle))
    token = world.tool.sign(deep_linking_claims(world, asked_to_choose(world)))
    address = world.address + endpoints.DEEP_LINKING
    answer = world.call("POST", address, body=form_body(JWT=token), **FORM)
    assert answer.status_code == 200, answer.text
    with world.bridge.database.reading() as tx:
        (resource,) = lti_services.resources(tx, offering_id=world.ids["OFF-2"])
        (item,) = lti_services.line_items(tx, offering_id=world.ids["OFF-2"])
    assert resource.title == "Course 1 – Spectre & réglementation"
    assert (item.label, item.score_maximum) == (resource.title, 20)
    assert resource.target == "iframe"
    works("moodle as tool", "deep linking")
    assert world.party.side is Side.TOOL
    if repeated:
        before = world.counts()
        again = world.call("POST", address, body=form_body(JWT=token), **FORM)
        assert again.status_code == 400
        assert world.counts() == before


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def form_body(**fields: str) -> bytes:
    from urllib.parse import urlencode

    return urlencode(fields).encode()
