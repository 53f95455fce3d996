"""What a real Moodle 4.5 sent, replayed: its login, its id_token, its answers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lms_bridge.domain.lti_roles import CourseRole
from lms_bridge.http.client import Response
from lms_bridge.lti.registrations import LtiRegistration, Side
from lms_bridge.lti.tool.claims import launch_of
from lms_bridge.lti.tool.dynamic_registration import registration_request
from lms_bridge.lti.tool.login_state import LoginState, digest
from lms_bridge.lti.tool.service_client import next_page
from tests.integration.lti_tool.conftest import Site, add_registration, registration_of
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
    new = registration_of(
        platform, issuer=form["iss"], client_id=form["client_id"], deployment_ids=("1",)
    )
    add_registration(site.bridge, new)
    return platform


def test_a_recorded_launch_is_accepted(
    site: Site, moodle: Platform, browser: Browser, works: Works
) -> None:
    login = _recorded("login-init")["form"]
    target = f"{site.address}/lti/tool/launch"
    begun = site.login(browser, {**login, "target_link_uri": target})
    requested = parse_qs(urlsplit(begun.goes_to).query)
    assert requested["lti_message_hint"] == [login["lti_message_hint"]]
    now = int(time.time())
    claims = {
        **_recorded("id_token")["claims"],
        "nonce": requested["nonce"][0],
        "iat": now,
        "exp": now + 60,
        f"{LTI}target_link_uri": target,
    }
    form = {"id_token": moodle.key.sign(claims), "state": requested["state"][0]}
    page = site.launch(browser, form)
    assert page.status == 200
    assert "Fn1 Ln1" in page.text
    assert "Spectre &amp; réglementation" in page.text
    assert "sesskey" in page.text  # the way back, as given
    works("moodle as platform", "launch")


def test_every_claim_of_a_recorded_launch_is_read() -> None:
    claims = _recorded("id_token")["claims"]
    launch = launch_of(
        claims,
        LtiRegistration(
            Side.PLATFORM,
            issuer=claims["iss"],
            client_id=claims["aud"],
            centre="AFR",
            deployment_ids=("1",),
        ),
        LoginState(
            nonce="a nonce",
            registration_id=1,
            expires=0,
            browser="",
            deployment=digest("1"),
            target=digest(claims[f"{LTI}target_link_uri"]),
        ),
    )
    assert launch.person.id == "4"
    assert launch.person.stable_id == "acad-1"
    assert launch.person.email == "learner1@example.org"
    assert launch.role is CourseRole.LEARNER
    assert launch.context is not None
    assert (launch.context.id, launch.context.label) == ("5", "CRS-2")
    assert launch.context.codes[0] == "ITU-2"
    assert launch.resource_link is not None
    assert launch.resource_link.id == "1"
    assert launch.custom["offering"] == "ITU-2"
    assert launch.grading is not None
    assert launch.grading.line_item.endswith("/lineitem?type_id=1")
    assert len(launch.grading.scopes) == 4
    assert launch.memberships.endswith("/bindings/1/memberships")
    assert launch.locale == "en"
    assert "learner1" not in repr(launch.person)


def test_recorded_links_lead_to_the_next_page() -> None:
    recorded = [e for e in json.loads(RECORDED.read_text()) if e["what"] == "nrps"]
    first, second = (
        Response(200, "", each["headers"], json.dumps(each["body"]).encode()) for each in recorded
    )
    assert next_page(recorded[0]["url"], first) == ""
    assert next_page(recorded[1]["url"], second) == f"{recorded[1]['url']}&from=2"


def test_a_recorded_configuration_is_registered_with() -> None:
    configuration = _recorded("openid-configuration")["body"]
    document = registration_request("https://bridge.example", configuration)
    tool = document["https://purl.imsglobal.org/spec/lti-tool-configuration"]
    assert "custom_parameters" not in tool  # who edits an activity may change them
    assert set(document["scope"].split()) <= set(configuration["scopes_supported"])
    assert len(document["scope"].split()) == 5
