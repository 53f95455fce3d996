"""`lms-bridge lti` and `lms-bridge keys`: what an operator does, against the served bridge."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from click.testing import CliRunner

from lms_bridge.cli import main
from lms_bridge.cli.hold import user_name
from lms_bridge.cli.session import Session
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Side, Status
from lms_bridge.lti.platform import endpoints
from lms_bridge.sync.auditing import Subject
from tests.integration.audited import acts
from tests.integration.lti_platform.test_moodle_replayed import recorded
from tests.integration.lti_platform.world import VAULT_KEY, World


class Cli:
    def __init__(self, world: World) -> None:
        url = world.bridge.database.engine.url
        self.environment = {
            "LMS_BRIDGE_STORE__ADDRESS": url.render_as_string(hide_password=False),
            "LMS_BRIDGE_SECRETS__KEY": VAULT_KEY,
            "LMS_BRIDGE_LTI__ADDRESS": world.address,
        }

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, arguments, obj=Session(self.environment))
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def cli(world: World) -> Cli:
    return Cli(world)


def test_from_the_invitation_to_the_end(world: World, cli: Cli) -> None:
    text = cli("lti", "invite", "ONE", "--registration-url", "http://lms.example.org/reg?id=1")
    address = next(line for line in text.splitlines() if line.startswith("http"))
    asked = parse_qs(urlsplit(address).query)
    assert asked["openid_configuration"] == [world.address + endpoints.CONFIGURATION]
    configuration = requests.get(asked["openid_configuration"][0], timeout=5).json()
    body = recorded("/register")["body"]
    token = asked["registration_token"][0]
    answer = world.call("POST", configuration["registration_endpoint"], token, body)
    assert answer.status_code == 200, answer.text
    party = cli.json("lti", "list")[-1]
    assert (party["status"], party["centre"], party["name"]) == ("pending", "ONE", "Centre Moodle")
    number = str(party["id"])
    cli("lti", "approve", number, "--email", "--pseudonyms", "--no-name")
    shown = cli.json("lti", "show", number)
    assert shown["status"] == "active"
    assert shown["privacy"] == {
        "name": False,
        "email": True,
        "sourced_id": False,
        "pseudonyms": True,
    }
    assert party["client_id"] in cli("lti", "show", number)
    cli("lti", "reject", number)
    assert cli.json("lti", "show", number)["status"] == "disabled"
    assert "Centre Moodle" in cli("lti", "list")
    assert "no connection 99" in cli("lti", "show", "99", code=2)


def test_one_that_is_never_approved_is_forgotten(world: World, cli: Cli) -> None:
    text = cli("lti", "invite", "ONE")
    token = text.partition("Registration token: ")[2].split()[0]
    body = recorded("/register")["body"]
    assert world.call("POST", endpoints.REGISTRATION, token, body).status_code == 200
    number = str(cli.json("lti", "list")[-1]["id"])
    cli("lti", "reject", number)
    cli("lti", "show", number, code=2)


ADD = (
    "--login-url",
    "https://tool.example.org/login",
    "--redirect-url",
    "https://tool.example.org/launch",
    "--keys-url",
    "https://tool.example.org/jwks",
)


def test_a_tool_by_hand(world: World, cli: Cli) -> None:
    text = cli("lti", "add-tool", "By hand", "--centre", "TWO", *ADD, "--custom", "a=$User.id")
    with world.bridge.database.reading() as tx:
        party = parties.all_parties(tx, Side.TOOL)[-1]
    assert party.client_id in text
    assert world.address + endpoints.TOKEN in text
    assert (party.custom, party.status) == ({"a": "$User.id"}, Status.ACTIVE)
    assert party.target_link_uri == "https://tool.example.org/launch"
    cli("lti", "add-tool", "Wrong", *ADD, "--custom", "nothing", code=2)
    wrong = [text.replace("https", "http") for text in ADD]
    assert "https" in cli("lti", "add-tool", "Wrong", *wrong, code=2)


def test_only_what_was_seen_is_approved(world: World, cli: Cli) -> None:
    number = str(world.party.id)
    world.change_party(status=Status.PENDING)
    seen = cli.json("lti", "show", number)["seen"]
    world.change_party(jwks_uri="https://elsewhere.example.org/jwks")
    assert "has changed" in cli("lti", "approve", number, "--seen", seen, code=2)
    assert cli.json("lti", "show", number)["status"] == "pending"
    seen = cli.json("lti", "show", number)["seen"]
    cli("lti", "approve", number, "--seen", seen)
    assert cli.json("lti", "show", number)["status"] == "active"


def test_links(world: World, cli: Cli) -> None:
    for arguments in (("launch-link", "acad-1", "OFF-1"), ("choose", "OFF-1")):
        address = cli("lti", *arguments).strip()
        moved = requests.post(address, timeout=5, allow_redirects=False)
        assert moved.headers["Location"].startswith(world.party.initiate_login_uri)
        assert requests.post(address, timeout=5).status_code == 404
    assert "not registered for this course" in cli("lti", "launch-link", "acad-5", "OFF-1", code=2)
    assert "no such" in cli("lti", "launch-link", "acad-1", "OFF-9", code=2)
    cli("lti", "choose", "OFF-3", code=2)


def test_scores_are_taken_in(cli: Cli) -> None:
    assert "0 result(s)" in cli("lti", "take-scores", "ONE")


def test_keys(world: World, cli: Cli) -> None:
    world.launch()
    (before,) = cli.json("keys", "list")
    assert before["state"] == "signs"
    cli("keys", "rotate")
    assert [each["state"] for each in cli.json("keys", "list")] == ["published", "signs"]
    assert "published" in cli("keys", "list")
    ((action, by, fields),) = acts(world.bridge.database, Subject.KEY)
    assert (action, by) == ("rotate", ("command", user_name()))
    assert fields == {"kid": [before["kid"], cli.json("keys", "list")[1]["kid"]]}
    assert "keys: 1 changed" in cli("run", "list")
    assert world.launch()["sub"] == "acad-1"
