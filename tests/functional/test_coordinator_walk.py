"""The demo's coordinator chooses applicants, confirms a payment, and enters a result."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "java_script_enabled": False}


def coordinator_at(demo: str, context: BrowserContext) -> Page:
    tab = context.new_page()
    tab.goto(demo)
    tab.get_by_role("button", name="Be the coordinator").click()
    expect(tab).to_have_url(re.compile("/my-centre"))
    return tab


def fits(tab: Page) -> bool:
    """Whether the page scrolls sideways nowhere."""
    return bool(
        tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    )


def words_beyond(choice: Locator) -> float:
    """By how many pixels the words of a choice are wider than its box, less its arrow."""
    return float(
        choice.evaluate(
            """box => {
                const style = getComputedStyle(box);
                const pen = new OffscreenCanvas(1, 1).getContext("2d");
                pen.font = style.font;
                const sides = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
                return pen.measureText(box.selectedOptions[0].text).width
                    - (box.clientWidth - sides - 16);
            }"""
        )
    )


@pytest.mark.parametrize("context", [{}], indirect=True)
def test_the_filter_of_the_schedule_shows_its_choice_in_full(
    demo: str, context: BrowserContext
) -> None:
    tab = coordinator_at(demo, context)
    for width in (1280, 390):
        tab.set_viewport_size({"width": width, "height": 800})
        for language in ("en", "fr", "ru"):
            tab.goto(f"{demo.removesuffix('/demo')}/my-centre/AFRALTI/schedule?lang={language}")
            assert words_beyond(tab.locator('select[name="when"]')) <= 0, (width, language)


@pytest.mark.parametrize("context", [{}], indirect=True)
def test_a_coordinator_chooses_confirms_and_enters_results(
    demo: str, context: BrowserContext
) -> None:
    tab = coordinator_at(demo, context)
    tab.get_by_role("link", name=re.compile(r"^Applicants: \d+")).first.click()
    tab.get_by_role("searchbox").fill("sample-applicant")
    tab.get_by_role("button", name="Show").click()
    boxes = tab.get_by_role("checkbox")
    expect(boxes).to_have_count(5)
    expect(tab.get_by_text("Why do you want to take part?").first).to_be_visible()
    for number in range(3):
        boxes.nth(number).check()
    tab.get_by_role("button", name="Select who is ticked").click()
    expect(tab.get_by_text("Done: 3")).to_be_visible()
    expect(boxes).to_have_count(2)
    tab.get_by_role("link", name=re.compile(r"^Payments")).click()
    box = tab.get_by_role("checkbox", name="Sample Applicant 1")
    box.check()
    tab.get_by_role("button", name="Confirm the payments of who is ticked").click()
    expect(tab.get_by_text("Done: 1")).to_be_visible()
    tab.get_by_role("link", name="Results", exact=True).click()
    tab.get_by_role("textbox", name="Score: Sample Applicant 1", exact=True).fill("71.5")
    tab.get_by_role("combobox", name="Completed: Sample Applicant 1").select_option("yes")
    tab.get_by_role("button", name="Keep these results").click()
    expect(tab.get_by_text("Results kept: 1")).to_be_visible()
    tab.get_by_role("link", name="Questions", exact=True).click()
    expect(tab.get_by_role("textbox")).to_have_value(re.compile("What is your work"))


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_on_a_phone_without_a_script_the_centre_sees_its_lms_and_its_quarantine(
    demo: str, context: BrowserContext
) -> None:
    tab = coordinator_at(demo, context)
    tab.get_by_role("link", name="Quarantine", exact=True).last.click()
    expect(tab.get_by_role("heading", name="Quarantine")).to_be_visible()
    expect(tab.get_by_text("is not a number").first).to_be_visible()
    tab.get_by_role("link", name="Your LMS", exact=True).click()
    tab.get_by_role("button", name="Check now").click()
    for _ in range(300):
        if tab.get_by_text("Nothing is missing.").or_(tab.get_by_text("What is missing")).count():
            break
        tab.wait_for_timeout(200)
        tab.reload()
    expect(tab.get_by_text("Last check:")).to_be_visible()
    assert fits(tab)
