"""Logins and launches that work, over real HTTP."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.lti_tool.conftest import (
    NewSite,
    Site,
    add_registration,
    fetch_keys,
    registration_of,
)
from tests.peers.browser import Browser
from tests.peers.platform import LTI, Platform
from tests.peers.signing import Key


def test_a_login_leads_to_a_launch(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    assert begun.status == 302
    requested = parse_qs(urlsplit(begun.goes_to).query)
    assert requested["scope"] == ["openid"]
    assert requested["response_type"] == ["id_token"]
    assert requested["response_mode"] == ["form_post"]
    assert requested["prompt"] == ["none"]
    assert requested["redirect_uri"] == [f"{site.address}/lti/tool/launch"]
    assert requested["login_hint"] == ["4"]
    assert requested["lti_message_hint"] == ['{"cmid":305}']
    form = registered.answer(begun.goes_to, site.address)
    arrived = site.launch(browser, form)
    assert arrived.status == 200
    assert "Ada Example" in arrived.text
    assert 'data-role="learner"' in arrived.text
    assert registered.address in arrived.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" not in arrived.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in arrived.headers


def test_a_platform_whose_name_is_in_another_script_frames_its_launches(
    site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    back = {"return_url": "https://учёба.example/course/1"}
    form = registered.answer(
        begun.goes_to, site.address, lambda c: c.update({f"{LTI}launch_presentation": back})
    )
    arrived = site.launch(browser, form)
    assert arrived.status == 200
    assert "https://xn--80ab7cq4c.example" in arrived.headers["Content-Security-Policy"]


def test_the_login_may_be_a_get(site: Site, registered: Platform, browser: Browser) -> None:
    query = "&".join(
        f"{name}={value}" for name, value in registered.login(site.address).items()
    ).replace('{"cmid":305}', "x")
    begun = browser.get(f"{site.address}/lti/tool/login?{query}", follow=False)
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(browser, form).status == 200


def test_the_cookie_is_partitioned_and_goes_away(
    site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    (line,) = browser.set_cookies
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned", "Max-Age=600"):
        assert part in line
    state = parse_qs(urlsplit(begun.goes_to).query)["state"][0]
    assert state not in line
    site.launch(browser, registered.answer(begun.goes_to, site.address))
    assert not any(browser.cookies.values())


def test_two_logins_at_once_both_succeed(
    site: Site, registered: Platform, browser: Browser
) -> None:
    first = site.login(browser, registered.login(site.address))
    second = site.login(browser, registered.login(site.address))
    for begun in (second, first):
        form = registered.answer(begun.goes_to, site.address)
        assert site.launch(browser, form).status == 200


def test_a_rotated_key_works_at_the_first_launch(
    site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    assert site.launch(browser, registered.answer(begun.goes_to, site.address)).status
    registered.keys.append(Key("key-2"))
    begun = site.login(browser, registered.login(site.address))
    arrived = site.launch(browser, registered.answer(begun.goes_to, site.address))
    assert arrived.status == 200
    assert registered.count("/jwks") == 2


def test_a_new_key_under_an_old_name_works(
    site: Site, registered: Platform, browser: Browser
) -> None:
    fetch_keys(site)
    registered.keys[-1] = Key(registered.keys[-1].kid)
    begun = site.login(browser, registered.login(site.address))
    arrived = site.launch(browser, registered.answer(begun.goes_to, site.address))
    assert arrived.status == 200
    assert registered.count("/jwks") == 2


def test_a_launch_with_slow_keys_shows_it_and_goes_on(
    site: Site, registered: Platform, browser: Browser
) -> None:
    site.tool.lti.keysets._wait_seconds = 0.05
    gate = threading.Event()
    registered.meanwhile = lambda when, path: path == "/jwks" and gate.wait(120)
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    page = site.launch(browser, form)
    assert (page.status, page.code) == (503, "keys-awaited")
    assert int(page.headers["Retry-After"]) > 0
    assert "again.js" in page.text
    (again,) = page.forms
    assert again.fields == form
    gate.set()
    while page.status == 503:
        page = site.launch(browser, again.fields)
    assert page.status == 200
    assert registered.count("/jwks") == 1


def test_many_launches_fetch_the_keys_once(site: Site, registered: Platform) -> None:
    def launch(_: int) -> int:
        """As the page does it: where the keys are being fetched, once more."""
        browser = Browser()
        begun = site.login(browser, registered.login(site.address))
        form = registered.answer(begun.goes_to, site.address)
        while (page := site.launch(browser, form)).status == 503:
            assert page.code == "keys-awaited"
        return page.status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(launch, range(40))) == {200}
    assert registered.count("/jwks") == 1
    assert site.kept() == 40  # marks that they were used, which expire


def test_one_of_many_simultaneous_copies_is_accepted(
    site: Site, registered: Platform, browser: Browser
) -> None:
    fetch_keys(site)
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    cookies = browser.cookies

    def launch(_: int) -> int:
        copy = Browser()
        copy.cookies = {host: dict(kept) for host, kept in cookies.items()}
        return site.launch(copy, form).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(launch, range(8)))
    assert sorted(statuses) == [200] + [400] * 7


@pytest.mark.parametrize("ahead", [5, -5, 25])
def test_a_platforms_clock_may_differ_a_little(
    ahead: int, site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(
        begun.goes_to, site.address, lambda claims: claims.update(iat=claims["iat"] + ahead)
    )
    assert site.launch(browser, form).status == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["client-1"]},
        {"aud": ["client-1", "client-1"], "azp": "of the platform"},
        {"aud": ["client-1", "another"], "azp": "client-1"},
        {"azp": "of the platform"},
        {"azp": None},
        {"azp": ["client-1"]},
    ],
)
def test_a_launch_for_the_bridge_is_accepted_in_every_form_of_its_audience(
    changed: dict[str, object], site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address, lambda claims: claims.update(changed))
    assert site.launch(browser, form).status == 200


def test_a_launch_without_cookies_uses_the_platforms_storage(
    site: Site, registered: Platform, browser: Browser
) -> None:
    """What a script does with storage.js, by hand: the browser keeps no cookies."""
    given = registered.login(site.address, lti_storage_target="_parent")
    stored = site.login(browser, given)
    assert f'data-platform="{registered.address}"' in stored.text
    data = dict(_data(stored.text))
    browser.cookies.clear()
    form = registered.answer(data["address"].replace("&amp;", "&"), site.address)
    requested = site.launch(browser, form)
    assert requested.status == 200
    assert f'data-platform="{registered.address}"' in requested.text
    assert data["secret"] not in requested.text
    wrong = browser.submit(requested, stored_secret=data["secret"], stored_nonce="another")
    assert wrong.code == "browser-other"
    # That took the login: a second one, with what was really kept.
    stored = site.login(browser, given)
    data = dict(_data(stored.text))
    browser.cookies.clear()
    form = registered.answer(data["address"].replace("&amp;", "&"), site.address)
    requested = site.launch(browser, form)
    done = browser.submit(requested, stored_secret=data["secret"], stored_nonce=data["nonce"])
    assert done.status == 200
    assert "Ada Example" in done.text


def test_a_frame_without_cookies_gets_a_window(
    site: Site, registered: Platform, browser: Browser
) -> None:
    given = registered.login(site.address)
    framed = {"Sec-Fetch-Dest": "iframe"}
    probe = site.login(browser, given, headers=framed)
    assert probe.status == 303
    kept = browser.get(probe.goes_to, headers=framed, follow=False)
    assert kept.status == 302
    assert kept.goes_to.startswith(registered.address)
    none = Browser()
    shown = none.get(probe.goes_to, headers=framed, follow=False)
    assert shown.status == 200
    assert 'target="_blank"' in shown.text
    assert "checked" not in shown.text


def _data(text: str) -> list[tuple[str, str]]:
    return re.findall(r'data-(\w+)="([^"]*)"', text)


def test_a_launch_is_accepted_once_on_both_databases(
    new_site: NewSite, database_address: str, platform: Platform, browser: Browser
) -> None:
    site = new_site(address=database_address)
    add_registration(site.bridge, registration_of(platform))
    begun = site.login(browser, platform.login(site.address))
    form = platform.answer(begun.goes_to, site.address)
    kept = {host: dict(cookies) for host, cookies in browser.cookies.items()}
    assert site.launch(browser, form).status == 200
    browser.cookies = kept
    assert site.launch(browser, form).code == "state-unknown"
