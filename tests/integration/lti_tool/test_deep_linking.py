"""Deep linking: from the request to the signed response, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.lti_tool.conftest import Site, add_registration, registration_of
from tests.integration.web.filling import fill
from tests.peers.browser import Browser, Page
from tests.peers.platform import DL, LTI, Platform
from tests.peers.signing import decoded

Change = Callable[[dict[str, Any]], object]
SETTINGS = f"{DL}deep_linking_settings"


@pytest.fixture
def filled(site: Site) -> Site:
    fill(site.bridge.database)
    return site


@pytest.fixture
def registered(site: Site, platform: Platform) -> Platform:
    """The Academy's platform, which may open every offering."""
    add_registration(site.bridge, registration_of(platform, centre=""))
    return platform


def _ask(
    site: Site, platform: Platform, browser: Browser, change: Change = lambda settings: None
) -> Page:
    begun = site.login(browser, platform.login(site.address))
    requested = parse_qs(urlsplit(begun.goes_to).query)
    claims = platform.deep_claims(requested["nonce"][0], site.address)
    change(claims[SETTINGS])
    form = {"id_token": platform.key.sign(claims), "state": requested["state"][0]}
    return site.launch(browser, form)


def _codes(page: Page) -> list[str]:
    return [part.split('"')[0] for part in page.text.split('name="offering" value="')[1:]]


def _claims(page: Page) -> dict[str, Any]:
    return decoded(page.forms[-1].fields["JWT"].split(".")[1])


def test_an_offering_is_picked(filled: Site, registered: Platform, browser: Browser) -> None:
    page = _ask(filled, registered, browser)
    code = _codes(page)[0]
    sent = browser.submit(page, action="send", offering=code)
    assert sent.forms[-1].action == f"{registered.address}/picked?course=5&sesskey=x"
    claims = _claims(sent)
    header = decoded(sent.forms[-1].fields["JWT"].split(".")[0])
    keys = browser.get(f"{filled.address}/lti/tool/jwks").text
    assert header["alg"] == "RS256"
    assert f'"{header["kid"]}"' in keys
    assert '"d"' not in keys
    assert claims["iss"] == "client-1"
    assert claims["aud"] == [registered.address]
    assert claims[f"{LTI}deployment_id"] == "1"
    assert claims[f"{LTI}message_type"] == "LtiDeepLinkingResponse"
    assert claims[f"{LTI}version"] == "1.3.0"
    assert claims[f"{DL}data"] == "opaque:1"
    assert claims["exp"] > claims["iat"]
    assert claims["nonce"]
    (item,) = claims[f"{DL}content_items"]
    assert item["type"] == "ltiResourceLink"
    assert item["url"] == f"{filled.address}/lti/tool/launch"
    assert item["custom"] == {"offering": code}
    assert item["title"]
    assert item["lineItem"]["scoreMaximum"] == 100
    assert item["lineItem"]["resourceId"] == code
    policy = sent.headers["Content-Security-Policy"]
    assert registered.address in policy.partition("form-action")[2]


def test_several_offerings_or_one_can_be_picked(
    filled: Site, registered: Platform, browser: Browser
) -> None:
    page = _ask(filled, registered, browser)
    codes = _codes(page)[:2]
    assert 'type="checkbox"' in page.text
    fields = [*page.forms[-1].fields.items(), ("action", "send")]
    fields += [("offering", code) for code in codes]
    sent = browser.post(f"{filled.address}/lti/tool/select", fields)
    assert len(_claims(sent)[f"{DL}content_items"]) == 2
    page = _ask(filled, registered, browser, lambda s: s.update(accept_multiple=False))
    assert 'type="radio"' in page.text
    fields[0] = ("request", page.forms[-1].fields["request"])
    sent = browser.post(f"{filled.address}/lti/tool/select", fields)
    assert len(_claims(sent)[f"{DL}content_items"]) == 1


def test_offerings_are_searched(filled: Site, registered: Platform, browser: Browser) -> None:
    page = _ask(filled, registered, browser)
    found = browser.post(
        f"{filled.address}/lti/tool/select",
        {"request": page.forms[0].fields["request"], "text": "no such course", "action": "search"},
    )
    assert _codes(found) == []
    again = browser.submit(found, text="", action="search")
    assert _codes(again) == _codes(page)


def test_an_empty_choice_is_returned(filled: Site, registered: Platform, browser: Browser) -> None:
    page = _ask(filled, registered, browser)
    sent = browser.submit(page, action="send")
    assert _claims(sent)[f"{DL}content_items"] == []
    sent = browser.submit(page, action="send", offering="no-such-offering")
    assert _claims(sent)[f"{DL}content_items"] == []


@pytest.mark.parametrize("allowed", [False, True])
def test_a_centres_platform_picks_only_offerings_that_it_may_open(
    filled: Site, platform: Platform, browser: Browser, allowed: bool
) -> None:
    of_centre = registration_of(platform, centre="AFR", any_offering=allowed)
    add_registration(filled.bridge, of_centre)
    page = _ask(filled, platform, browser)
    codes = _codes(page)
    foreign = [code for code in codes if not code.startswith("AFR-")]
    assert (foreign != []) is allowed
    sent = browser.submit(page, action="send", offering="EUR-1")
    assert len(_claims(sent)[f"{DL}content_items"]) == allowed
    assert _codes(browser.submit(page, action="search", text="")) == codes


@pytest.mark.parametrize("data", [{"course": [5, None]}, [], 7, False, "", "x" * 16_000])
def test_the_data_of_the_request_is_returned_of_whatever_kind(
    data: object, filled: Site, registered: Platform, browser: Browser
) -> None:
    page = _ask(filled, registered, browser, lambda settings: settings.update(data=data))
    claims = _claims(browser.submit(page, action="send"))
    assert claims[f"{DL}data"] == data


def test_an_optional_setting_that_was_not_sent_is_not_returned(
    filled: Site, registered: Platform, browser: Browser
) -> None:
    def change(settings: dict[str, Any]) -> None:
        del settings["data"]
        settings["accept_lineitem"] = "false"
        settings["accept_presentation_document_targets"] = ["iframe"]

    page = _ask(filled, registered, browser, change)
    claims = _claims(browser.submit(page, action="send", offering=_codes(page)[0]))
    assert f"{DL}data" not in claims
    assert "lineItem" not in claims[f"{DL}content_items"][0]
    assert "window" not in claims[f"{DL}content_items"][0]


@pytest.mark.parametrize("request_field", ["", "x", "gAAAAA==", "é", "A" * 20_000])
def test_a_forged_request_is_refused(request_field: str, site: Site, browser: Browser) -> None:
    page = browser.post(
        f"{site.address}/lti/tool/select", {"request": request_field, "action": "send"}
    )
    assert (page.status, page.code) == (400, "selection-unknown")


def test_a_link_opens_its_offering(filled: Site, registered: Platform, browser: Browser) -> None:
    code = _codes(_ask(filled, registered, browser))[0]
    begun = filled.login(browser, registered.login(filled.address))
    form = registered.answer(
        begun.goes_to,
        filled.address,
        lambda claims: claims.update(
            {f"{LTI}custom": {"offering": code}, f"{LTI}roles": ["Instructor"]}
        ),
    )
    page = filled.launch(browser, form)
    assert "À propos de ce cours" in page.text


@pytest.mark.parametrize(
    ("locale", "direction", "heading", "nothing"),
    [
        ("fr", "ltr", "Choisir des sessions", "aucune session à choisir"),
        ("ar", "rtl", "اختيار عروض", "لا يوجد عرض للاختيار بعد"),
    ],
)
def test_a_picker_without_offerings_has_no_live_button_and_speaks_the_readers_language(
    site: Site,
    registered: Platform,
    browser: Browser,
    locale: str,
    direction: str,
    heading: str,
    nothing: str,
) -> None:
    begun = site.login(browser, registered.login(site.address))
    asked = parse_qs(urlsplit(begun.goes_to).query)
    claims = registered.deep_claims(asked["nonce"][0], site.address)
    claims[f"{LTI}launch_presentation"]["locale"] = locale
    form = {"id_token": registered.key.sign(claims), "state": asked["state"][0]}
    page = site.launch(browser, form)
    assert f'<html lang="{locale}" dir="{direction}">' in page.text
    assert heading in page.text
    assert nothing in page.text
    assert page.text.count("<button") == 1  # back, with nothing chosen
    assert 'type="search"' not in page.text
