"""Each known-bad launch and login is refused with its own code; none is a 5xx, nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from lms_bridge.lti import registrations
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.registrations import Status
from lms_bridge.lti.tool.login_state import LoginState, digest, opened
from lms_bridge.lti.tool.tool import REMEMBER_SECONDS
from tests.integration.lti_tool.bad import DEEP, LOGINS, MESSAGES, ODD, TOKENS, Bad
from tests.integration.lti_tool.conftest import (
    NewSite,
    Site,
    add_registration,
    registration_of,
    site_on,
)
from tests.peers.browser import Browser, Page
from tests.peers.platform import Platform, running
from tests.peers.signing import Key

ALL = [*TOKENS, *MESSAGES, *DEEP]


@pytest.fixture(scope="module")
def shared_site(shared_sqlite_address: str) -> Iterator[Site]:
    """One bridge for all that is refused, since what is refused leaves nothing behind."""
    with site_on(shared_sqlite_address) as made:
        yield made


@pytest.fixture(scope="module")
def shared_platform(shared_site: Site) -> Iterator[Platform]:
    """One platform, known to that bridge and active."""
    with running(Platform()) as made:
        add_registration(shared_site.bridge, registration_of(made))
        yield made


def test_the_suite_has_at_least_120_bad_and_odd_launches() -> None:
    assert len(ALL) + len(ODD) + len(LOGINS) >= 120
    assert len({each.name for each in ALL}) == len(ALL)


@pytest.mark.parametrize("bad", ALL, ids=[each.name for each in ALL])
def test_a_bad_launch_is_refused_with_its_code(
    bad: Bad, shared_site: Site, shared_platform: Platform, browser: Browser
) -> None:
    site, registered = shared_site, shared_platform
    begun = site.login(browser, registered.login(site.address))
    requested = parse_qs(urlsplit(begun.goes_to).query)
    make = registered.deep_claims if bad.deep else registered.claims
    claims = make(requested["nonce"][0], site.address)
    bad.change(claims)
    page = site.launch(
        browser, {"id_token": bad.sign(registered, claims), "state": requested["state"][0]}
    )
    assert page.code == bad.code
    assert 400 <= page.status < 500
    _check_page(page)
    assert site.kept() == 0


@pytest.mark.parametrize(("name", "code", "change"), LOGINS, ids=[each[0] for each in LOGINS])
def test_a_bad_login_is_refused_with_its_code(
    name: str,
    code: str,
    change: dict[str, str | None],
    shared_site: Site,
    shared_platform: Platform,
    browser: Browser,
) -> None:
    site, registered = shared_site, shared_platform
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


def test_a_repeated_launch_is_refused(site: Site, registered: Platform, browser: Browser) -> None:
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
def test_an_unknown_state_is_refused(
    state: str, shared_site: Site, shared_platform: Platform, browser: Browser
) -> None:
    site, registered = shared_site, shared_platform
    begun = site.login(browser, registered.login(site.address))
    form = {**registered.answer(begun.goes_to, site.address), "state": state}
    page = site.launch(browser, form)
    assert page.code == ("state-unknown" if state else "state-missing")
    assert site.kept() == 0


def test_a_changed_state_is_refused(site: Site, registered: Platform, browser: Browser) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    state = form["state"]
    middle = len(state) // 2
    form["state"] = f"{state[:middle]}{'B' if state[middle] == 'A' else 'A'}{state[middle + 1 :]}"
    assert site.launch(browser, form).code == "state-unknown"
    assert site.kept() == 0


def test_a_state_of_another_bridge_is_refused(
    new_site: NewSite, registered: Platform, site: Site, browser: Browser
) -> None:
    other = new_site()
    add_registration(other.bridge, registration_of(registered))
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, other.address)
    assert other.launch(browser, form).code == "state-unknown"


def test_an_expired_login_is_refused(site: Site, registered: Platform, browser: Browser) -> None:
    lti = lti_of(site.bridge).context
    login = LoginState("nonce", 1, int(time.time()) + 60, digest("secret"), "", digest("page"))
    state = login.sealed(lti.signer)
    assert opened(state, lti.signer, login.expires - 0.1) == login
    assert opened(state, lti.signer, login.expires) is None
    past = replace(login, expires=int(time.time()) - 1).sealed(lti.signer)
    form = {"id_token": "a.b.c", "state": past}
    assert site.launch(browser, form).code == "state-unknown"


def test_a_launch_in_another_browser_is_refused(
    site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(Browser(), form).code == "browser-other"


def test_a_launch_of_an_attackers_login_is_refused(
    site: Site, registered: Platform, browser: Browser
) -> None:
    """An attacker's answer, posted by somebody else's browser (login CSRF)."""
    victim = Browser()
    site.login(victim, registered.login(site.address))
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(victim, form).code == "browser-other"


def test_a_nonce_of_another_login_is_refused(
    site: Site, registered: Platform, browser: Browser
) -> None:
    first = site.login(browser, registered.login(site.address))
    second = site.login(browser, registered.login(site.address))
    crossed = {
        **registered.answer(first.goes_to, site.address),
        "state": registered.answer(second.goes_to, site.address)["state"],
    }
    assert site.launch(browser, crossed).code == "nonce-other"


def test_a_token_of_another_platform_is_refused(
    site: Site, registered: Platform, browser: Browser
) -> None:
    with running(Platform(client_id="client-9", keys=[Key("key-9")])) as other:
        add_registration(site.bridge, registration_of(other))
        begun = site.login(browser, registered.login(site.address))
        form = other.answer(begun.goes_to, site.address)
        page = site.launch(browser, form)
        assert page.code == "token-key-unknown"
        other.keys = [Key("key-1")]
        begun = site.login(browser, registered.login(site.address))
        assert site.launch(browser, other.answer(begun.goes_to, site.address)).code == (
            "token-signature"
        )


def test_an_error_of_the_platform_is_shown(
    site: Site, registered: Platform, browser: Browser
) -> None:
    begun = site.login(browser, registered.login(site.address))
    state = registered.answer(begun.goes_to, site.address)["state"]
    page = site.launch(browser, {"error": "login_required", "state": state})
    assert page.code == "platform-refused"


@pytest.mark.parametrize("status", [Status.PENDING, Status.DISABLED])
def test_an_inactive_platform_is_refused(
    status: Status, site: Site, platform: Platform, browser: Browser
) -> None:
    add_registration(site.bridge, registration_of(platform, status=status))
    assert site.login(browser, platform.login(site.address)).code == "platform-not-active"


def test_a_platform_disabled_during_a_login_is_refused(
    site: Site, platform: Platform, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = add_registration(site.bridge, registration_of(platform))
    begun = site.login(browser, platform.login(site.address))
    with site.bridge.database.writing() as tx:
        registrations.change(tx, replace(known, status=Status.DISABLED))
    monkeypatch.setattr(site.tool, "_clock", lambda: time.monotonic() + REMEMBER_SECONDS)
    form = platform.answer(begun.goes_to, site.address)
    assert site.launch(browser, form).code == "platform-not-active"


def test_a_login_without_a_client_id_is_refused_among_two_clients(
    site: Site, platform: Platform, browser: Browser
) -> None:
    add_registration(site.bridge, registration_of(platform))
    add_registration(site.bridge, registration_of(platform, client_id="client-2"))
    given = platform.login(site.address)
    del given["client_id"]
    assert site.login(browser, given).code == "platform-unknown"


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_published_key_that_is_too_small_is_refused(
    site: Site, registered: Platform, browser: Browser
) -> None:
    registered.keys.append(Key("key-small", bits=1024))
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(begun.goes_to, site.address)
    assert site.launch(browser, form).code == "token-key-unknown"


def test_a_launch_without_reachable_keys_is_refused(
    site: Site, platform: Platform, browser: Browser
) -> None:
    add_registration(site.bridge, registration_of(platform, jwks_uri=f"{platform.address}/nowhere"))
    begun = site.login(browser, platform.login(site.address))
    page = site.launch(browser, platform.answer(begun.goes_to, site.address))
    assert page.code == "keys-unreachable"


def test_a_launch_without_a_form_is_refused(site: Site, browser: Browser) -> None:
    page = browser.get(f"{site.address}/lti/tool/launch")
    assert (page.status, page.code) == (405, "launch-address-alone")


def test_a_launch_that_is_too_large_is_refused(site: Site, browser: Browser) -> None:
    page = site.launch(browser, {"id_token": "x" * 100_000, "state": "state-1"})
    assert (page.status, page.code) == (413, "too-large")
