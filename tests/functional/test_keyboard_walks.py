"""The main work of three readers with the keyboard alone, and with motion switched off."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.functional.test_learner_walk import learner_at

MOST_STOPS = 120
SCHEDULE = """id,title,modality,level,starts_at,ends_at,registration,languages
KEYBOARD-1,Sample course by keyboard,blended,advanced,2041-03-01,2041-03-05,direct,en
"""
FOCUS = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  return {
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.right > 0 && box.left < innerWidth && box.bottom > 0,
    moves: style.transitionDuration.split(", ").some(each => parseFloat(each) > 0),
    name: at.outerHTML.slice(0, 120),
  };
}"""
pytestmark = pytest.mark.parametrize("context", [{"reduced_motion": "reduce"}], indirect=True)


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses Tab until the wanted element has the focus. Each stop shows where the focus is."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus["outlined"], f"the focus is not visible: {focus['name']}"
        assert focus["seen"], f"the focus is beside the page: {focus['name']}"
        assert not focus["moves"], f"it moves all the same: {focus['name']}"
        if wanted.evaluate("each => each === document.activeElement"):
            return
    pytest.fail(f"Tab does not lead to {wanted}")


def press(page: Page, wanted: Locator) -> None:
    tab_to(page, wanted)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def skip_to_the_content(page: Page) -> None:
    press(page, page.get_by_role("link", name="Skip to the content"))
    expect(page.locator("main")).to_be_focused()


def be(person: str, demo: str, context: BrowserContext, path: str) -> Page:
    page = context.new_page()
    page.goto(demo)
    page.locator(f'form[action="/demo/{person}"] button').click()
    page.goto(demo.replace("/demo", path))
    return page


def test_a_learner_registers_with_the_keyboard(demo: str, context: BrowserContext) -> None:
    page = learner_at(demo, context)
    page.goto(demo.replace("/demo", "/catalogue"))
    courses = page.locator("main .cards a[href^='/catalogue/']")
    addresses = [each.get_attribute("href") or "" for each in courses.all()]
    for address in dict.fromkeys(addresses):
        page.goto(
            demo.replace("/demo", f"{address.replace('/catalogue/', '/offerings/')}/register")
        )
        if page.locator("main form button").count():
            break
    skip_to_the_content(page)
    press(page, page.locator("main form button"))
    expect(page.get_by_role("status")).to_be_visible()


def test_a_coordinator_sends_a_file_with_the_keyboard(
    demo: str, context: BrowserContext, tmp_path: Path
) -> None:
    file = tmp_path / "schedule.csv"
    file.write_text(SCHEDULE, encoding="utf-8")
    page = be("coordinator", demo, context, "/my-centre/AFRALTI/upload")
    skip_to_the_content(page)
    chosen = page.locator("input[type=file]")
    tab_to(page, chosen)
    chosen.set_input_files(file)  # the window that Space opens is the browser's own
    press(page, page.get_by_role("button", name="Compare"))
    expect(page.locator("main")).to_contain_text("Sample course by keyboard")
    press(page, page.get_by_role("button", name="Apply these changes"))
    expect(page.get_by_text("The file is applied.")).to_be_visible()


def test_an_operator_decides_a_hold_with_the_keyboard(demo: str, context: BrowserContext) -> None:
    page = be("operator", demo, context, "/holds")
    skip_to_the_content(page)
    press(page, page.get_by_role("link", name="Look and decide").first)
    skip_to_the_content(page)
    press(page, page.get_by_role("button", name="Keep"))
    expect(page.get_by_role("status")).to_be_visible()


def test_a_coordinator_mends_a_form_by_its_summary_with_the_keyboard(
    demo: str, context: BrowserContext
) -> None:
    page = be("coordinator", demo, context, "/my-centre/AFRALTI/offerings/new")
    skip_to_the_content(page)
    page.locator("main form").last.evaluate("each => { each.noValidate = true; }")
    press(page, page.locator("main form button").last)
    tab_to(page, page.locator(".problems a").first)
    page.keyboard.press("Enter")
    expect(page.locator("#field-title")).to_be_focused()
