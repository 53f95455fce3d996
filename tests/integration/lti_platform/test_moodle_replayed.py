"""What a real Moodle sent as a tool, sent again: tests/recordings/lti."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.platform import endpoints, storage
from lms_bridge.lti.platform.dynamic_registration import invite_tool
from lms_bridge.lti.platform.launch import start_deep_linking
from lms_bridge.lti.registrations import Side, Status
from tests.integration.lti_platform.test_services import line_item, result_of
from tests.integration.lti_platform.world import BROWSER, World, form_of
from tests.interoperability import Works

_FILE = Path(__file__).parents[2] / "recordings" / "lti" / "lti-moodle-as-tool.json"
RECORDED = json.loads(_FILE.read_text(encoding="utf-8"))
MOODLE = "http://localhost:8080"


def recorded(path: str, place: int = 0) -> Any:
    found = [each for each in RECORDED if each["path"].startswith(path)]
    return deepcopy(found[place])


def test_a_recorded_registration_is_accepted(either_world: World, works: Works) -> None:
    world = either_world
    sent = recorded("/register")
    invitation = invite_tool(world.lti, "ONE", private_addresses=True)
    headers = {**sent["headers"], "Authorization": f"Bearer {invitation.token}"}
    answer = world.call("POST", endpoints.REGISTRATION, body=sent["body"], **headers)
    assert answer.status_code == 200, answer.text
    reported = answer.json()
    with world.bridge.database.reading() as tx:
        registration = registrations.find_tool(tx, reported["client_id"])
    assert registration is not None
    assert registration.status is Status.PENDING
    assert registration.redirect_uris == tuple(sent["body"]["redirect_uris"])
    assert registration.deep_link_uri == f"{MOODLE}/enrol/lti/launch_deeplink.php"
    assert vocabulary.LINE_ITEM_READ not in registration.scopes
    assert (
        reported[vocabulary.TOOL_CONFIGURATION]["deployment_id"] == registration.deployment_ids[0]
    )
    again = world.call("POST", endpoints.REGISTRATION, body=sent["body"], **headers)
    assert again.status_code == 401
    works("moodle as tool", "registration")


def test_a_recorded_authentication_request_is_answered(world: World, works: Works) -> None:
    sent = dict(parse_qsl(urlsplit(recorded("/auth")["path"]).query))
    world.change_registration(redirect_uris=(sent["redirect_uri"],))
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


def test_a_recorded_score_is_accepted(either_world: World, works: Works) -> None:
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


def test_a_recorded_request_for_members_is_answered(world: World, works: Works) -> None:
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


def choice_request(world: World, offering: str = "OFF-2") -> str:
    """The ``data`` of a deep linking request that the tool got."""
    login = start_deep_linking(world.lti, offering, person="operator", browser=BROWSER)
    request = world.auth_request(login)
    claims = world.read(form_of(world.authenticate(request).text)["id_token"])
    assert claims[vocabulary.MESSAGE_TYPE] == vocabulary.DEEP_LINKING_REQUEST
    assert claims[vocabulary.ROLES] == [vocabulary.INSTRUCTOR]
    return str(claims[vocabulary.DEEP_LINKING_SETTINGS]["data"])


@pytest.mark.parametrize("repeated", [False, True])
def test_a_recorded_choice_is_accepted(either_world: World, repeated: bool, works: Works) -> None:
    world = either_world
    at_moodle = (f"{MOODLE}/enrol/lti/launch.php",)
    world.change_registration(redirect_uris=(*world.registration.redirect_uris, *at_moodle))
    token = world.tool.sign(deep_linking_claims(world, choice_request(world)))
    address = world.address + endpoints.DEEP_LINKING
    answer = world.call("POST", address, body=form_body(JWT=token), **FORM)
    assert answer.status_code == 200, answer.text
    with world.bridge.database.reading() as tx:
        (resource,) = storage.resources(tx, offering_id=world.ids["OFF-2"])
        (item,) = storage.line_items(tx, offering_id=world.ids["OFF-2"])
    assert resource.title == "Course 1 – Spectre & réglementation"
    assert (item.label, item.score_maximum) == (resource.title, 20)
    assert resource.target == "iframe"
    works("moodle as tool", "deep linking")
    assert world.registration.side is Side.TOOL
    if repeated:
        before = world.counts()
        again = world.call("POST", address, body=form_body(JWT=token), **FORM)
        assert again.status_code == 400
        assert world.counts() == before


def test_a_choice_for_several_audiences_is_accepted(world: World) -> None:
    claims = deep_linking_claims(world, choice_request(world))
    claims["aud"] = [world.address, "https://elsewhere.example.org"]
    at_moodle = (f"{MOODLE}/enrol/lti/launch.php",)
    world.change_registration(redirect_uris=(*world.registration.redirect_uris, *at_moodle))
    body = form_body(JWT=world.tool.sign(claims))
    answer = world.call("POST", world.address + endpoints.DEEP_LINKING, body=body, **FORM)
    assert answer.status_code == 200, answer.text


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def form_body(**fields: str) -> bytes:
    from urllib.parse import urlencode

    return urlencode(fields).encode()
