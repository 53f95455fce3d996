"""Dynamic registration as a tool, over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from lms_bridge.lti import registrations
from lms_bridge.lti.registrations import MOST_PENDING, LtiRegistration, PersonId, Side, Status
from lms_bridge.lti.tool.dynamic_registration import MOST_SCOPES, invite_platform
from tests.integration.lti_tool.conftest import NewSite, Site
from tests.peers.browser import Browser, Page
from tests.peers.platform import CONFIGURATION, Platform


def _register(
    site: Site, platform: Platform, browser: Browser, invitation: str = "", **more: str
) -> Page:
    address = invitation or invite_platform(site.tool.lti, "AFR")
    given = {
        "openid_configuration": f"{platform.address}/configuration",
        "registration_token": "secret-word",
        **more,
    }
    return browser.get(f"{address}&{urlencode(given)}")


def test_a_registration_is_stored_and_waits(
    site: Site, platform: Platform, browser: Browser
) -> None:
    page = _register(site, platform, browser)
    assert page.status == 200
    assert "close.js" in page.text
    (sent,) = platform.registrations
    assert sent["token"] == "Bearer secret-word"
    assert sent["initiate_login_uri"] == f"{site.address}/lti/tool/login"
    assert sent["redirect_uris"] == [f"{site.address}/lti/tool/launch"]
    assert sent["jwks_uri"] == f"{site.address}/lti/tool/jwks"
    assert sent["token_endpoint_auth_method"] == "private_key_jwt"
    tool = sent[CONFIGURATION]
    assert tool["domain"] == site.address.partition("//")[2]
    assert {each["type"] for each in tool["messages"]} == {
        "LtiResourceLinkRequest",
        "LtiDeepLinkingRequest",
    }
    assert "lineitem" in sent["scope"]
    assert "contextmembership" not in sent["scope"]  # this platform does not know it
    with site.bridge.database.reading() as tx:
        (registration,) = registrations.all_registrations(tx)
    assert registration.side is Side.PLATFORM
    assert registration.status is Status.PENDING
    assert registration.centre == "AFR"
    assert (registration.issuer, registration.client_id) == (platform.address, "given-1")
    assert registration.deployment_ids == ("7",)
    assert registration.jwks_uri == f"{platform.address}/jwks"
    assert site.kept() == 0


def test_an_invitation_is_used_once(site: Site, platform: Platform, browser: Browser) -> None:
    invitation = invite_platform(site.tool.lti)
    assert _register(site, platform, browser, invitation).status == 200
    again = _register(site, platform, browser, invitation)
    assert (again.status, again.code) == (403, "invitation-unknown")
    assert site.registrations_kept() == 1


def test_a_missing_or_guessed_invitation_is_refused(
    site: Site, platform: Platform, browser: Browser
) -> None:
    for address in ("?x=1", "?invitation=guessed"):
        page = _register(site, platform, browser, f"{site.address}/lti/tool/register{address}")
        assert page.code == "invitation-unknown"
    assert platform.requested == []


def test_canvas_has_placements_of_its_own(site: Site, platform: Platform, browser: Browser) -> None:
    platform.configuration = {
        "https://purl.imsglobal.org/spec/lti-platform-configuration": {
            "product_family_code": "canvas"
        }
    }
    assert _register(site, platform, browser).status == 200
    deep = platform.registrations[0][CONFIGURATION]["messages"][1]
    assert "https://canvas.instructure.com/lti/link_selection" in deep["placements"]


def test_canvas_shows_its_configuration_to_those_it_sent(
    site: Site, platform: Platform, browser: Browser
) -> None:
    platform.shows_configuration_to = "Bearer secret-word"
    assert _register(site, platform, browser, registration_token="other").code == "platform-answer"
    assert _register(site, platform, browser).status == 200


def test_a_platform_may_register_again(site: Site, platform: Platform, browser: Browser) -> None:
    """It waits for approval again, and keeps what operators chose: by what it names learners."""
    _register(site, platform, browser)
    with site.bridge.database.writing() as tx:
        (registration,) = registrations.all_registrations(tx)
        registrations.change(
            tx, replace(registration, status=Status.ACTIVE, person_id=PersonId.SOURCED_ID)
        )
    platform.registered = {CONFIGURATION: {"deployment_id": 8}}
    assert _register(site, platform, browser).status == 200
    with site.bridge.database.reading() as tx:
        (registration,) = registrations.all_registrations(tx)
    assert registration.deployment_ids == ("7", "8")
    assert (registration.status, registration.person_id) == (Status.PENDING, PersonId.SOURCED_ID)
    other = invite_platform(site.tool.lti, "AME")
    assert _register(site, platform, browser, other).code == "platform-of-another"


def test_a_platform_that_registers_twice_at_once_is_kept_once(
    site: Site, platform: Platform, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _register(site, platform, browser).status == 200
    find = registrations.find_by

    def find_not_yet(*given: Any) -> LtiRegistration | None:
        monkeypatch.setattr(registrations, "find_by", find)
        return None

    monkeypatch.setattr(registrations, "find_by", find_not_yet)
    assert _register(site, platform, browser).status == 200
    assert site.registrations_kept() == 1


def test_the_audience_of_token_requests_is_that_of_the_authorization_server(
    site: Site, platform: Platform, browser: Browser
) -> None:
    platform.configuration = {"authorization_server": "https://api.example.org/auth/token"}
    _register(site, platform, browser)
    with site.bridge.database.reading() as tx:
        (registration,) = registrations.all_registrations(tx)
    assert registration.token_audience == "https://api.example.org/auth/token"
    platform.configuration = {}
    _register(site, platform, browser)
    with site.bridge.database.reading() as tx:
        assert registrations.all_registrations(tx)[0].token_audience == registration.token_audience


@pytest.mark.parametrize("odd", [None, "", 5, ["x"], {}, "a\x00b", "x" * 3_000])
def test_an_authorization_server_of_another_kind_is_ignored(
    odd: object, site: Site, platform: Platform, browser: Browser
) -> None:
    platform.configuration = {"authorization_server": odd}
    assert _register(site, platform, browser).status == 200
    with site.bridge.database.reading() as tx:
        assert registrations.all_registrations(tx)[0].token_audience == ""


def test_ids_that_are_numbers_are_kept_as_their_digits(
    site: Site, platform: Platform, browser: Browser
) -> None:
    platform.registered = {"client_id": 104, CONFIGURATION: {"deployment_id": 7}}
    assert _register(site, platform, browser).status == 200
    with site.bridge.database.reading() as tx:
        (registration,) = registrations.all_registrations(tx)
    assert (registration.client_id, registration.deployment_ids) == ("104", ("7",))


def test_the_number_of_waiting_registrations_is_bounded(
    site: Site, platform: Platform, browser: Browser
) -> None:
    with site.bridge.database.writing() as tx:
        for number in range(MOST_PENDING):
            registration = LtiRegistration(
                Side.PLATFORM, centre="AFR", issuer="https://a.b", client_id=str(number)
            )
            last = registrations.add(tx, registration)
    invitation = invite_platform(site.tool.lti, "AFR")
    assert _register(site, platform, browser, invitation).code == "connections-many"
    assert platform.requested == []  # nothing is left behind there
    with site.bridge.database.writing() as tx:
        registrations.remove(tx, last.id)
    assert _register(site, platform, browser, invitation).status == 200


@pytest.mark.parametrize(
    ("code", "configuration"),
    [
        ("issuer-elsewhere", {"issuer": "https://canvas.instructure.com"}),
        ("configuration-invalid", {"issuer": None}),
        ("configuration-invalid", {"issuer": ["x"]}),
        ("configuration-invalid", {"jwks_uri": None}),
        ("configuration-invalid", {"token_endpoint": "file:///etc/passwd"}),
        ("configuration-invalid", {"authorization_endpoint": "javascript:alert(1)"}),
        ("configuration-invalid", {"registration_endpoint": 7}),
        ("configuration-invalid", {"jwks_uri": "https://x.example/mixed"}),
        ("platform-address-refused", {"registration_endpoint": "http://169.254.169.254/latest"}),
        ("platform-unreachable", {"registration_endpoint": "http://127.0.0.1:9/register"}),
    ],
)
def test_a_bad_configuration_is_refused(
    code: str, configuration: dict[str, Any], site: Site, platform: Platform, browser: Browser
) -> None:
    platform.configuration = configuration
    invitation = invite_platform(site.tool.lti)
    page = _register(site, platform, browser, invitation)
    assert page.code == code
    assert site.registrations_kept() == 0
    platform.configuration = {}
    assert _register(site, platform, browser, invitation).status == 200  # good again


@pytest.mark.parametrize(
    ("code", "registered"),
    [
        ("client-id-missing", {"client_id": None}),
        ("client-id-missing", {"client_id": ""}),
        ("client-id-missing", {"client_id": {"id": 1}}),
        ("client-id-missing", {"client_id": "x" * 300}),
        ("client-id-missing", {"client_id": "a\x00b"}),
        ("client-id-missing", {"client_id": "client\u202e1"}),
    ],
)
def test_a_bad_response_to_a_registration_is_refused(
    code: str, registered: dict[str, Any], site: Site, platform: Platform, browser: Browser
) -> None:
    platform.registered = registered
    assert _register(site, platform, browser).code == code
    assert site.registrations_kept() == 0


def test_what_cannot_be_shown_or_stored_is_not_kept_of_a_registration(
    site: Site, platform: Platform, browser: Browser
) -> None:
    platform.configuration = {
        "https://purl.imsglobal.org/spec/lti-platform-configuration": {
            "product_family_code": "an\u202e LMS\x00"
        }
    }
    platform.registered = {
        CONFIGURATION: {"deployment_id": "7\x00"},
        "scope": " ".join(["openid", "a\x00b", *(f"scope-{number}" for number in range(9_000))]),
    }
    assert _register(site, platform, browser).status == 200
    with site.bridge.database.reading() as tx:
        (registration,) = registrations.all_registrations(tx)
    assert registration.name == "an LMS at 127.0.0.1"
    assert registration.deployment_ids == ()
    assert registration.scopes[:2] == ("openid", "scope-0")
    assert len(registration.scopes) < MOST_SCOPES


@pytest.mark.parametrize(
    "address", ["", "x", "ftp://x.example/", "https://a:b@x.example/", "javascript:alert(1)"]
)
def test_a_configuration_that_is_no_address_is_refused(
    address: str, site: Site, platform: Platform, browser: Browser
) -> None:
    page = _register(site, platform, browser, openid_configuration=address)
    assert page.code == "configuration-missing"


def test_a_private_configuration_address_is_refused(new_site: NewSite, platform: Platform) -> None:
    site = new_site(private_addresses=False)
    for address in (
        f"{platform.address}/configuration",
        "https://127.0.0.1/configuration",
        "https://[::1]/",
        "https://2130706433/",
        "https://10.0.0.1/",
    ):
        page = _register(site, platform, Browser(), openid_configuration=address)
        assert page.code == "platform-address-refused"
    assert platform.requested == []


def test_a_registration_token_with_a_line_break_is_refused(
    site: Site, platform: Platform, browser: Browser
) -> None:
    page = _register(site, platform, browser, registration_token="a\r\nX-Evil: 1")
    assert page.code == "registration-token-invalid"
