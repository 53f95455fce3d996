"""What a person does at the sample Academy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import FrameLocator, Page

from lms_bridge.devtools.lti.platform_state import SamplePerson
from tests.integration.browser.world import TO_THE_CENTRE, World


def sign_in(tab: Page, sites: World, person: SamplePerson) -> None:
    tab.goto(f"{sites.academy.address}/")
    tab.get_by_role("button", name=person.name).click()
    tab.get_by_role("heading", name="My courses").wait_for()


def launched(tab: Page, title: str = TO_THE_CENTRE) -> Page:
    """The new tab that the launch opens."""
    with tab.context.expect_page() as opened:
        tab.get_by_role("link", name=f"Launch {title} in a new tab").click()
    return opened.value


def launched_here(tab: Page, title: str = TO_THE_CENTRE) -> FrameLocator:
    """The frame of the Academy's page that the launch opens in."""
    tab.get_by_role("link", name=f"Launch {title} in this page").click()
    return tab.frame_locator(f'iframe[title="{title}"]')


@contextmanager
def held_answers(tab: Page, sites: World) -> Iterator[None]:
    """The Academy's answers to logins wait for a click, as in a browser without scripts."""
    script = f"{sites.academy.address}/static/send.js"
    tab.context.route(script, lambda route: route.abort())
    try:
        yield
    finally:
        tab.context.unroute(script)
