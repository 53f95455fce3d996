"""Each known-bad launch and login is refused with its own code; none is a 5xx, nothing is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from lms_bridge.lti import parties
from lms_bridge.lti.parties import Status
from lms_bridge.lti.tool.state import LoginState, digest, opened
from lms_bridge.lti.tool.tool import REMEMBER_SECONDS
from tests.integration.lti_tool.bad import DEEP, LOGINS, MESSAGES, TOKENS, Bad
from tests.integration.lti_tool.conftest import NewSite, Site, add_party, party_of
from tests.peers.browser import Browser, Page
from tests.peers.platform import Platform, running
from tests.peers.signing import Key

ALL = [*TOKENS, *MESSAGES, *DEEP]


def test_there_are_many() -> None:
    assert len(ALL) + len(LOGINS) >= 120
    assert len({each.name for each in ALL}) == len(ALL)


@pytest.mark.parametrize("bad", ALL, ids=[each.name for each in ALL])
def test_bad_launches(bad: Bad, site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    asked = parse_qs(urlsplit(begun.goes_to).query)
    make = registered.deep_claims if bad.deep else registered.claims
    claims = make(asked["nonce"][0], site.address)
    bad.change(claims)
    page = site.launch(
        browser, {"id_token": bad.sign(registered, claims), "state": asked["state"][0]}
    )
    assert page.code == bad.code
    assert 400 <= page.status < 500
    _check_page(page)
    assert site.kept() == 0


@pytest.mark.parametrize(("name", "code", "change"), LOGINS, ids=[each[0] for each in LOGINS])
def test_bad_logins(
    name: str,
    code: str,
    change: dict[str, str | None],
    site: Site,
    registered: Platform,
    browser: Browser,
) -> None:
    given = {**registered.login(site.address), **change}
    page = site.login(browser, {k: v for k, v in given.items() if v is not None})
    assert page.code == code, name
    assert 400 <= page.status < 500
    _check_page(page)
    assert site.kept() == 0
    assert not any(browser.cookies.values())


def _check_page(page: Page) -> None:
    assert "This could not be opened" in page.text
    assert "Ada Example" not in page.text
    assert "ada@example.org" not in page.text
    assert "<script" not in page.text


# ---- states ---------------------------------------------------------------------------


def test_the_same_answer_twice(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    kept = {host: dict(cookies) for host, cookies in browser.cookies.items()}
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(browser, form).status == 200
    browser.cookies = kept
    assert site.launch(browser, form).code == "state-unknown"


def test_a_refused_answer_takes_nothing_from_the_true_one(
    site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    bad = registered.answer(begun.goes_to, site.address, lambda c: c.update(sub=""))
    assert site.launch(browser, bad).code == "person-missing"
    assert site.kept() == 0
    good = registered.answer(begun.goes_to, site.address)
    assert site.launch(browser, good).status == 200
    assert site.kept() == 1  # the mark that it was used


@pytest.mark.parametrize(
    "state",
    ["", "state-guessed", "x" * 10_000, "state-\x00", "état", "gAAAAA==", "=", ".", "W10.", ".W10"],
)
def test_unknown_states(state: str, site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = {**registered.answer(begun.goes_to, site.address), "state": state}
    page = site.launch(browser, form)
    assert page.code == ("state-unknown" if state else "state-missing")
    assert site.kept() == 0


def test_a_state_that_was_changed(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    state = form["state"]
    middle = len(state) // 2
    form["state"] = f"{state[:middle]}{'B' if state[middle] == 'A' else 'A'}{state[middle + 1 :]}"
    assert site.launch(browser, form).code == "state-unknown"
    assert site.kept() == 0


def test_a_state_of_another_bridge(
    new_site: NewSite, registered: Platform, site: Site, browser: Browser
) -> None:
    other = new_site()
    add_party(other.bridge, party_of(registered))
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, other.address)
    assert other.launch(browser, form).code == "state-unknown"


def test_a_login_is_over_in_time(site: Site, registered: Platform, browser: Browser) -> None:
    room = site.bridge.room
    login = LoginState("nonce", 1, int(time.time()) + 60, digest("secret"), "", digest("page"))
    state = login.sealed(room.signer)
    assert opened(state, room.signer, login.expires - 0.1) == login
    assert opened(state, room.signer, login.expires) is None
    past = replace(login, expires=int(time.time()) - 1).sealed(room.signer)
    form = {"id_token": "a.b.c", "state": past}
    assert site.launch(browser, form).code == "state-unknown"


def test_another_browser(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(Browser(), form).code == "browser-other"


def test_another_browser_with_a_login_of_its_own(
    site: Site, registered: Platform, browser: Browser
) -> None:
    """An attacker's answer, posted by somebody else's browser (login CSRF)."""
    victim = Browser()
    site.login(victim, registered.login(site.address))
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(victim, form).code == "browser-other"


def test_a_nonce_of_another_login(site: Site, registered: Platform, browser: Browser) -> None:
    first = site.login(browser, registered.login(site.address))
    second = site.login(browser, registered.login(site.address))
    crossed = {
        **registered.answer(first.goes_to, site.address),
        "state": registered.answer(second.goes_to, site.address)["state"],
    }
    assert site.launch(browser, crossed).code == "nonce-other"


def test_a_token_of_another_platform(site: Site, registered: Platform, browser: Browser) -> None:
    with running(Platform(client_id="client-9", keys=[Key("key-9")])) as other:
        add_party(site.bridge, party_of(other))
        begun = site.login(browser, registered.login(site.address))
        form = other.answer(begun.goes_to, site.address)
        page = site.launch(browser, form)
        assert page.code == "token-key-unknown"
        other.keys = [Key("key-1")]
        begun = site.login(browser, registered.login(site.address))
        assert site.launch(browser, other.answer(begun.goes_to, site.address)).code == (
            "token-signature"
        )


def test_a_platform_says_no(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    state = registered.answer(begun.goes_to, site.address)["state"]
    page = site.launch(browser, {"error": "login_required", "state": state})
    assert page.code == "platform-refused"


@pytest.mark.parametrize("status", [Status.PENDING, Status.DISABLED])
def test_platforms_that_are_not_active(
    status: Status, site: Site, platform: Platform, browser: Browser
) -> None:
    add_party(site.bridge, party_of(platform, status=status))
    assert site.login(browser, platform.login(site.address)).code == "platform-not-active"


def test_a_platform_that_was_switched_off_meanwhile(
    site: Site, platform: Platform, browser: Browser
) -> None:
    known = add_party(site.bridge, party_of(platform))
    begun = site.login(browser, platform.login(site.address))
    with site.bridge.database.writing() as tx:
        parties.change(tx, replace(known, status=Status.DISABLED))
    time.sleep(REMEMBER_SECONDS)
    form = platform.answer(begun.goes_to, site.address)
    assert site.launch(browser, form).code == "platform-not-active"


def test_two_clients_and_none_named(site: Site, platform: Platform, browser: Browser) -> None:
    add_party(site.bridge, party_of(platform))
    add_party(site.bridge, party_of(platform, client_id="client-2"))
    given = platform.login(site.address)
    del given["client_id"]
    assert site.login(browser, given).code == "platform-unknown"


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_published_key_that_is_too_small(
    site: Site, registered: Platform, browser: Browser
) -> None:
    registered.keys.append(Key("key-small", bits=1024))
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(browser, form).code == "token-key-unknown"


def test_keys_that_cannot_be_fetched(site: Site, platform: Platform, browser: Browser) -> None:
    add_party(site.bridge, party_of(platform, jwks_uri=f"{platform.address}/nowhere"))
    begun = site.login(browser, platform.login(site.address))
    page = site.launch(browser, platform.answer(begun.goes_to, site.address))
    assert page.code == "keys-unreachable"


def test_a_launch_by_its_address_alone(site: Site, browser: Browser) -> None:
    page = browser.get(f"{site.address}/lti/tool/launch")
    assert (page.status, page.code) == (405, "launch-address-alone")


def test_a_launch_that_is_too_large(site: Site, browser: Browser) -> None:
    page = site.launch(browser, {"id_token": "x" * 100_000, "state": "state-1"})
    assert (page.status, page.code) == (413, "too-large")
