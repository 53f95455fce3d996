"""`lms-bridge lti` and `lms-bridge keys`: what an operator does, against the served bridge."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from click.testing import CliRunner

from lms_bridge.audit import Subject
from lms_bridge.bootstrap import open_bridge
from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession, user_name
from lms_bridge.lti import registrations
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
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
        done = CliRunner().invoke(
            main, arguments, obj=CommandSession(open_bridge, self.environment)
        )
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def cli(world: World) -> Cli:
    return Cli(world)


def test_a_tool_is_invited_approved_changed_and_disabled(world: World, cli: Cli) -> None:
    text = cli("lti", "invite", "ONE", "--registration-url", "http://lms.example.org/reg?id=1")
    address = next(line for line in text.splitlines() if line.startswith("http"))
    requested = parse_qs(urlsplit(address).query)
    assert requested["openid_configuration"] == [world.address + endpoints.CONFIGURATION]
    configuration = requests.get(requested["openid_configuration"][0], timeout=120).json()
    body = recorded("/register")["body"]
    token = requested["registration_token"][0]
    answer = world.call("POST", configuration["registration_endpoint"], token, body)
    assert answer.status_code == 200, answer.text
    registration = cli.json("lti", "list")[-1]
    assert (registration["status"], registration["centre"], registration["name"]) == (
        "pending",
        "ONE",
        "Centre Moodle",
    )
    number = str(registration["id"])
    cli("lti", "approve", number, "--email", "--pseudonyms", "--no-name")
    shown = cli.json("lti", "show", number)
    assert shown["status"] == "active"
    assert shown["privacy"] == {
        "name": False,
        "email": True,
        "sourced_id": False,
        "pseudonyms": True,
    }
    assert registration["client_id"] in cli("lti", "show", number)
    cli("lti", "reject", number)
    assert cli.json("lti", "show", number)["status"] == "disabled"
    assert "Centre Moodle" in cli("lti", "list")
    assert "no connection 99" in cli("lti", "show", "99", code=2)


def test_a_rejected_registration_is_deleted(world: World, cli: Cli) -> None:
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


def test_a_tool_is_added_by_hand(world: World, cli: Cli) -> None:
    text = cli("lti", "add-tool", "By hand", "--centre", "TWO", *ADD, "--custom", "a=$User.id")
    with world.bridge.database.reading() as tx:
        registration = registrations.all_registrations(tx, Side.TOOL)[-1]
    assert registration.client_id in text
    assert world.address + endpoints.TOKEN in text
    assert (registration.custom, registration.status) == ({"a": "$User.id"}, Status.ACTIVE)
    assert registration.target_link_uri == "https://tool.example.org/launch"
    cli("lti", "add-tool", "Wrong", *ADD, "--custom", "nothing", code=2)
    wrong = [text.replace("https", "http") for text in ADD]
    assert "https" in cli("lti", "add-tool", "Wrong", *wrong, code=2)


def test_a_registration_that_changed_is_not_approved(world: World, cli: Cli) -> None:
    number = str(world.registration.id)
    world.change_registration(status=Status.PENDING)
    seen = cli.json("lti", "show", number)["seen"]
    world.change_registration(jwks_uri="https://elsewhere.example.org/jwks")
    assert "has changed" in cli("lti", "approve", number, "--seen", seen, code=2)
    assert cli.json("lti", "show", number)["status"] == "pending"
    seen = cli.json("lti", "show", number)["seen"]
    cli("lti", "approve", number, "--seen", seen)
    assert cli.json("lti", "show", number)["status"] == "active"


def test_the_token_audience_of_a_platform_is_set_and_taken_back(world: World, cli: Cli) -> None:
    registration = LtiRegistration(Side.PLATFORM, issuer="https://lms.example.org", client_id="1")
    with world.bridge.database.writing() as tx:
        number = str(registrations.add(tx, registration).id)
    cli("lti", "approve", number, "--token-audience", "https://api.example.org/token")
    assert cli.json("lti", "show", number)["token_audience"] == "https://api.example.org/token"
    cli("lti", "approve", number, "--learner-id", "sub")
    assert cli.json("lti", "show", number)["token_audience"] == "https://api.example.org/token"
    cli("lti", "approve", number, "--token-audience", "")
    assert cli.json("lti", "show", number)["token_audience"] == ""
    cli("lti", "approve", number, "--token-audience", "x" * 2001, code=2)


def test_a_launch_link_is_good_once(world: World, cli: Cli) -> None:
    for arguments in (("launch-link", "acad-1", "OFF-1"), ("choose", "OFF-1")):
        address = cli("lti", *arguments).strip()
        moved = requests.post(address, timeout=120, allow_redirects=False)
        assert moved.headers["Location"].startswith(world.registration.initiate_login_uri)
        assert requests.post(address, timeout=120).status_code == 404
    assert "not registered for this course" in cli("lti", "launch-link", "acad-5", "OFF-1", code=2)
    assert "no such" in cli("lti", "launch-link", "acad-1", "OFF-9", code=2)
    cli("lti", "choose", "OFF-3", code=2)


def test_received_scores_are_applied(cli: Cli) -> None:
    assert "0 results" in cli("lti", "import-scores", "ONE")


def test_keys_are_listed_and_rotated(world: World, cli: Cli) -> None:
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


def test_a_choice_link_shows_its_purpose(world: World, cli: Cli) -> None:
    world.change_registration(deep_link_uri=f"{world.tool.address}/choose")
    link = cli("lti", "choose", "OFF-1").strip()
    page = requests.get(link, headers={"Accept-Language": "fr"}, timeout=120).text
    assert "Choisir des ressources" in page
    assert "rattaché à cette session" in page
    assert "Ouvrir le cours" not in page


def test_a_connection_is_shown_in_words(world: World, cli: Cli) -> None:
    text = cli("lti", "show", str(world.registration.id))
    assert "any deployment: no" in text
    for spelling in ("datetime", "('", "{'", "True", "False", "None", "<Status"):
        assert spelling not in text
