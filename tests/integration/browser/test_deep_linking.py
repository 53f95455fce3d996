"""Content is chosen in a browser, in both directions."""

from __future__ import annotations

import secrets

from playwright.sync_api import Page, expect

from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.launch import LINK
from tests.integration.browser.walking import launched, sign_in
from tests.integration.browser.world import LEARNER, TEACHER, World

TITLE = "Spectre & réglementation"


def test_offerings_are_chosen_into_a_course_of_the_academy(tab: Page, sites: World) -> None:
    """The bridge is the tool."""
    sign_in(tab, sites, TEACHER)
    tab.get_by_role("link", name="Choose content for Spectrum").click()
    expect(tab.get_by_role("heading", name="Choose offerings of the ITU Academy")).to_be_visible()
    tab.get_by_role("checkbox", name=TITLE).check()
    tab.get_by_role("checkbox", name="Networks elsewhere").check()
    tab.get_by_role("button", name="Add to the course").click()
    expect(tab.get_by_role("heading", name="Content chosen")).to_be_visible()
    first, second = sites.academy.links_of("A-1")[-2:]
    assert {link.custom["offering"] for link in (first, second)} == {"OFF-1", "OFF-3"}
    assert {item.label for item in sites.academy.line_items_of("A-1")} >= {first.title}
    tab.get_by_role("link", name="My courses").last.click()
    page = launched(tab, TITLE)
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()


def test_resources_of_the_centre_are_chosen_for_an_offering(tab: Page, sites: World) -> None:
    """The bridge is the platform."""
    token = _link(sites, {"person": "operator", "offering": "OFF-1", "registration": 0})
    tab.goto(token)
    tab.get_by_role("button", name="Choose").click()
    expect(tab.get_by_role("heading", name="Choose content")).to_be_visible()
    tab.get_by_role("checkbox", name="Sample exercise").check()
    tab.get_by_role("button", name="Add what is chosen").click()
    expect(tab.get_by_role("heading", name="Resources attached")).to_be_visible()
    expect(tab.get_by_text("Sample exercise")).to_be_visible()


def test_a_launch_link_opens_what_was_chosen(tab: Page, sites: World) -> None:
    tab.goto(_link(sites, {"person": "operator", "offering": "OFF-1", "registration": 0}))
    tab.get_by_role("button", name="Choose").click()
    tab.get_by_role("checkbox", name="Sample reading").check()
    tab.get_by_role("button", name="Add what is chosen").click()
    expect(tab.get_by_role("heading", name="Resources attached")).to_be_visible()
    tab.goto(_link(sites, {"learner": LEARNER.id, "offering": "OFF-1", "registration": 0}))
    tab.get_by_role("button", name="Launch").click()
    expect(tab.get_by_text("Sample reading: A text to read")).to_be_visible()
    landing = sites.centre.landings[-1]
    assert (landing.person, landing.course, landing.resource) == (LEARNER.id, "OFF-1", "reading")


def _link(sites: World, link: dict[str, object]) -> str:
    token = secrets.token_urlsafe(16)
    sites.lti.nonces.put(LINK, token, link, 600)
    return f"{sites.lti.address}{endpoints.LAUNCH}/{token}"
