"""What a real Moodle 4.5 sent, replayed: its login, its id_token, its answers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lms_bridge.http import Response
from lms_bridge.lti.parties import Party, Side
from lms_bridge.lti.tool.claims import launch_of
from lms_bridge.lti.tool.connector import next_page
from lms_bridge.lti.tool.offer import registration
from lms_bridge.lti.tool.state import LoginState, digest
from tests.integration.lti_tool.conftest import Site, add_party, party_of
from tests.interoperability import Works
from tests.peers.browser import Browser
from tests.peers.platform import LTI, Platform

RECORDED = Path(__file__).parents[2] / "recordings" / "lti" / "lti-moodle-as-platform.json"


def _recorded(what: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in json.loads(RECORDED.read_text()) if each["what"] == what
    )
    return found


@pytest.fixture
def moodle(site: Site, platform: Platform) -> Platform:
    form = _recorded("login-init")["form"]
    new = party_of(platform, issuer=form["iss"], client_id=form["client_id"], deployment_ids=("1",))
    add_party(site.bridge, new)
    return platform


def test_login_and_launch(site: Site, moodle: Platform, browser: Browser, works: Works) -> None:
    login = _recorded("login-init")["form"]
    target = f"{site.address}/lti/tool/launch"
    begun = site.login(browser, {**login, "target_link_uri": target})
    asked = parse_qs(urlsplit(begun.goes_to).query)
    assert asked["lti_message_hint"] == [login["lti_message_hint"]]
    now = int(time.time())
    claims = {
        **_recorded("id_token")["claims"],
        "nonce": asked["nonce"][0],
        "iat": now,
        "exp": now + 60,
        f"{LTI}target_link_uri": target,
    }
    form = {"id_token": moodle.key.sign(claims), "state": asked["state"][0]}
    page = site.launch(browser, form)
    assert page.status == 200
    assert "Fn1 Ln1" in page.text
    assert "Spectre &amp; réglementation" in page.text
    assert "sesskey" in page.text  # the way back, as given
    works("moodle as platform", "launch")


def test_everything_that_a_launch_tells() -> None:
    claims = _recorded("id_token")["claims"]
    launch = launch_of(
        claims,
        Party(
            Side.PLATFORM,
            issuer=claims["iss"],
            client_id=claims["aud"],
            centre="AFR",
            deployment_ids=("1",),
        ),
        LoginState(
            nonce="a nonce",
            party_id=1,
            expires=0,
            browser="",
            deployment=digest("1"),
            target=digest(claims[f"{LTI}target_link_uri"]),
        ),
    )
    assert launch.person.id == "4"
    assert launch.person.stable_id == "acad-1"
    assert launch.person.email == "learner1@example.org"
    assert launch.is_learner
    assert not launch.is_teacher
    assert launch.context is not None
    assert (launch.context.id, launch.context.label) == ("5", "CRS-2")
    assert launch.context.section == "ITU-2"
    assert launch.context.types == ("CourseSection",)
    assert launch.resource_link is not None
    assert launch.resource_link.id == "1"
    assert launch.custom["offering"] == "ITU-2"
    assert launch.grading is not None
    assert launch.grading.line_item.endswith("/lineitem?type_id=1")
    assert len(launch.grading.scopes) == 4
    assert launch.memberships.endswith("/bindings/1/memberships")
    assert launch.locale == "en"
    assert "learner1" not in repr(launch.person)


def test_pages_of_its_roster() -> None:
    recorded = [e for e in json.loads(RECORDED.read_text()) if e["what"] == "nrps"]
    first, second = (
        Response(200, "", each["headers"], json.dumps(each["body"]).encode()) for each in recorded
    )
    assert next_page(recorded[0]["url"], first) == ""
    assert next_page(recorded[1]["url"], second) == f"{recorded[1]['url']}&from=2"


def test_registration_with_its_configuration() -> None:
    configuration = _recorded("openid-configuration")["body"]
    document = registration("https://bridge.example", configuration)
    tool = document["https://purl.imsglobal.org/spec/lti-tool-configuration"]
    assert tool["custom_parameters"] == {
        "person_sourcedid": "$Person.sourcedId",
        "course_sourcedid": "$CourseSection.sourcedId",
        "time_zone": "$Person.address.timezone",
    }
    assert set(document["scope"].split()) <= set(configuration["scopes_supported"])
    assert len(document["scope"].split()) == 5
