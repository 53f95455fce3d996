"""Logins and launches that work, over real HTTP."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.lti_tool.conftest import NewSite, Site, add_party, party_of
from tests.peers.browser import Browser
from tests.peers.platform import Platform
from tests.peers.signing import Key


def test_a_login_and_a_launch(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    assert begun.status == 302
    asked = parse_qs(urlsplit(begun.goes_to).query)
    assert asked["scope"] == ["openid"]
    assert asked["response_type"] == ["id_token"]
    assert asked["response_mode"] == ["form_post"]
    assert asked["prompt"] == ["none"]
    assert asked["redirect_uri"] == [f"{site.address}/lti/tool/launch"]
    assert asked["login_hint"] == ["4"]
    assert asked["lti_message_hint"] == ['{"cmid":305}']
    form = registered.answer(begun.goes_to, site.address)
    arrived = site.launch(browser, form)
    assert arrived.status == 200
    assert "Ada Example" in arrived.text
    assert "a learner" in arrived.text
    assert registered.address in arrived.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" not in arrived.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in arrived.headers


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


def test_two_tabs_at_once(site: Site, registered: Platform, browser: Browser) -> None:
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


def test_many_launches_fetch_the_keys_once(site: Site, registered: Platform) -> None:
    def launch(_: int) -> int:
        browser = Browser()
        begun = site.login(browser, registered.login(site.address))
        form = registered.answer(begun.goes_to, site.address)
        return site.launch(browser, form).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(launch, range(40))) == {200}
    assert registered.count("/jwks") == 1
    assert site.kept() == 40  # marks that they were used, which expire


def test_one_of_many_copies_is_taken(site: Site, registered: Platform, browser: Browser) -> None:
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
def test_clocks_may_differ(ahead: int, site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(
        begun.goes_to, site.address, lambda claims: claims.update(iat=claims["iat"] + ahead)
    )
    assert site.launch(browser, form).status == 200


def test_a_list_as_audience(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(
        begun.goes_to,
        site.address,
        lambda claims: claims.update(aud=[registered.client_id]),
    )
    assert site.launch(browser, form).status == 200


def test_storage_of_the_platform(site: Site, registered: Platform, browser: Browser) -> None:
    """What a script does with storage.js, by hand: the browser keeps no cookies."""
    given = registered.login(site.address, lti_storage_target="_parent")
    stored = site.login(browser, given)
    assert f'data-platform="{registered.address}"' in stored.text
    data = dict(_data(stored.text))
    browser.cookies.clear()
    form = registered.answer(data["address"].replace("&amp;", "&"), site.address)
    asked = site.launch(browser, form)
    assert asked.status == 200
    assert f'data-platform="{registered.address}"' in asked.text
    assert data["secret"] not in asked.text
    wrong = browser.submit(asked, stored_secret=data["secret"], stored_nonce="another")
    assert wrong.code == "browser-other"
    # That took the login: a second one, with what was really kept.
    stored = site.login(browser, given)
    data = dict(_data(stored.text))
    browser.cookies.clear()
    form = registered.answer(data["address"].replace("&amp;", "&"), site.address)
    asked = site.launch(browser, form)
    done = browser.submit(asked, stored_secret=data["secret"], stored_nonce=data["nonce"])
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


def test_on_both_databases(
    new_site: NewSite, database_address: str, platform: Platform, browser: Browser
) -> None:
    site = new_site(address=database_address)
    add_party(site.bridge, party_of(platform))
    begun = site.login(browser, platform.login(site.address))
    form = platform.answer(begun.goes_to, site.address)
    kept = {host: dict(cookies) for host, cookies in browser.cookies.items()}
    assert site.launch(browser, form).status == 200
    browser.cookies = kept
    assert site.launch(browser, form).code == "state-unknown"
