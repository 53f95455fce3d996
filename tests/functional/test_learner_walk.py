"""A newcomer is the demo's learner: from the catalogue to a registration, a launch and a result."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect


def learner_at(demo: str, context: BrowserContext) -> Page:
    tab = context.new_page()
    tab.goto(demo)
    tab.get_by_role("button", name="Be the learner").click()
    expect(tab).to_have_url(demo.replace("/demo", "/my"))
    return tab


def register_in_the_first(tab: Page, demo: str) -> str:
    """Registers in the first course of the catalogue that takes the learner; its title."""
    tab.goto(demo.replace("/demo", "/catalogue"))
    addresses = [
        each.get_attribute("href") or ""
        for each in tab.locator("main .cards a[href^='/catalogue/']").all()
    ]
    for address in dict.fromkeys(addresses):
        tab.goto(demo.replace("/demo", address))
        offered = tab.locator("a[href*='/offerings/'][href$='/register']")
        if not offered.count():
            continue
        offered.first.click()
        if tab.locator("main form").count():
            title = tab.locator("main h2").first.inner_text()
            tab.locator("main form button").click()
            return title
    pytest.fail("no course of the catalogue takes the learner")


def test_a_learner_registers_launches_and_sees_the_result(
    demo: str, context: BrowserContext
) -> None:
    tab = learner_at(demo, context)
    before = tab.locator("main h3").count()
    title = register_in_the_first(tab, demo)
    expect(tab.get_by_role("status")).to_be_visible()
    expect(tab.locator("main h3")).to_have_count(before + 1)
    expect(tab.locator("main h3", has_text=title).first).to_be_visible()
    tab.go_back()  # the browser keeps no form that was sent
    expect(tab.get_by_text("You are registered for this course:")).to_be_visible()
    tab.goto(demo.replace("/demo", "/my"))
    expect(tab.locator("main h3")).to_have_count(before + 1)
    tab.get_by_role("button", name="Open the course").first.click()
    tab.get_by_role("button", name="Send 70 %", exact=True).click()
    expect(tab.get_by_text("The score 70 % was sent.")).to_be_visible()
    tab.goto(demo.replace("/demo", "/my"))
    for _ in range(600):
        if tab.get_by_text("70 / 100").count():
            return
        tab.wait_for_timeout(100)
        tab.reload()
    pytest.fail("the result does not show")


@pytest.mark.parametrize(
    "context", [{"locale": "ar", "viewport": {"width": 390, "height": 800}}], indirect=True
)
def test_a_learner_withdraws_in_arabic_on_a_phone(demo: str, context: BrowserContext) -> None:
    tab = learner_at(demo, context)
    tab.goto(demo.replace("/demo", "/my?lang=ar"))
    assert tab.locator("html").get_attribute("dir") == "rtl"
    wide = tab.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not wide, "the page scrolls sideways"
    tab.get_by_role("link", name="الانسحاب").last.click()
    tab.get_by_role("button", name="الانسحاب").click()
    expect(tab.get_by_role("status")).to_contain_text("لقد انسحبت")


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_a_learner_registers_without_javascript(demo: str, context: BrowserContext) -> None:
    tab = learner_at(demo, context)
    register_in_the_first(tab, demo)
    expect(tab.get_by_role("status")).to_be_visible()
    tab.get_by_role("link", name="Your calendar").click()
    tab.get_by_role("button", name="Make an address").click()
    expect(tab.locator("#address")).to_contain_text("/calendar/")
