"""Launches from the sample Academy that end at the bridge: links without an offering."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.integration.browser.conftest import NewWorld
from tests.integration.browser.walking import held_answers, launched, launched_here, sign_in
from tests.integration.browser.world import LEARNER, STRICT, TO_THE_BRIDGE, World


def test_a_launch_opens_in_a_new_tab(tab: Page, sites: World) -> None:
    sign_in(tab, sites, LEARNER)
    page = launched(tab, TO_THE_BRIDGE)
    expect(page.get_by_role("heading", name=f"Welcome, {LEARNER.name}")).to_be_visible()


def test_a_launch_opens_in_a_frame_without_third_party_cookies(tab: Page, sites: World) -> None:
    """Third-party cookies are blocked in this browser."""
    sign_in(tab, sites, LEARNER)
    frame = launched_here(tab, TO_THE_BRIDGE)
    expect(frame.get_by_role("heading", name=f"Welcome, {LEARNER.name}")).to_be_visible()


def test_a_launch_without_cookies_uses_the_platforms_storage(
    tab: Page, new_world: NewWorld
) -> None:
    sites = new_world(host=STRICT, offers_storage=True)
    sign_in(tab, sites, LEARNER)
    frame = launched_here(tab, TO_THE_BRIDGE)
    expect(frame.get_by_role("heading", name=f"Welcome, {LEARNER.name}")).to_be_visible()


def test_a_launch_without_cookies_and_storage_opens_a_window(
    tab: Page, new_world: NewWorld
) -> None:
    """Where a browser keeps nothing for a page inside another, and the platform does not either."""
    sites = new_world(host=STRICT)
    sign_in(tab, sites, LEARNER)
    frame = launched_here(tab, TO_THE_BRIDGE)
    expect(frame.get_by_role("heading", name="Open in a window of its own")).to_be_visible()
    with tab.context.expect_page() as opened:
        frame.get_by_role("link", name="Open the course in a new window").click()
    page = opened.value
    expect(page.get_by_role("heading", name=f"Welcome, {LEARNER.name}")).to_be_visible()


def test_two_launches_at_once_both_succeed(tab: Page, sites: World) -> None:
    """Both logins are under way before either is answered; the later one is answered first."""
    sign_in(tab, sites, LEARNER)
    with held_answers(tab, sites):
        pages = [launched(tab, TO_THE_BRIDGE), launched(tab, TO_THE_BRIDGE)]
        for page in pages:
            expect(page.get_by_role("button", name="Go on")).to_be_visible()
        for page in reversed(pages):
            page.get_by_role("button", name="Go on").click()
            expect(page.get_by_role("heading", name=f"Welcome, {LEARNER.name}")).to_be_visible()
