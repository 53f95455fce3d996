"""A coordinator in a browser: from a new course to its publication, and a cancellation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.roles import Role
from lms_bridge.store.database import Database
from tests.integration.accounts.browser import account, hidden, link, send, signed_in
from tests.integration.browser.chromium import found
from tests.peers.serving import free_socket, serving

SECONDS = 60.0


@pytest.fixture
def tab(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a new browser; the parameter says how that differs from the usual one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        context: BrowserContext = browser.new_context(**getattr(request, "param", {}))
        context.set_default_timeout(SECONDS * 1000)
        yield context.new_page()
        browser.close()


@pytest.fixture
def desk(desk_app: Flask) -> Iterator[str]:
    with serving(desk_app.wsgi_app, free_socket()) as address:
        yield address


def come_in(tab: Page, desk: str, app: Flask, database: Database) -> None:
    person = account(database, reach=DataScope(centre="AFR"))
    tab.goto(desk + link(app, database, person))
    tab.locator("main form button").click()
    tab.goto(f"{desk}/my-centre/AFR/schedule")


def form(tab: Page) -> Locator:
    return tab.locator("main form.fill")


def fill_in(tab: Page, **texts: str) -> None:
    for name, text in texts.items():
        tab.locator(f"#field-{name}").fill(text)


def make_course(tab: Page, title: str) -> None:
    tab.locator("main a.button").first.click()
    tab.locator("#field-modality").select_option("blended")
    tab.locator("#field-level").select_option("advanced")
    fill_in(tab, title=title, starts_at="2041-03-04", ends_at="2041-03-08", location="Nairobi")
    form(tab).locator("button").click()


def review(app: Flask, database: Database, code: str) -> Iterator[None]:
    """Each step is another decision of the Academy's people."""
    person = account(database, "rev@example.org", Role.ADMINISTRATOR)
    browser, page = signed_in(app, database, person), f"/reviews/of/{code}"
    for action, reason in (("object", "Say who teaches"), ("review", ""), ("publish", "")):
        decision = {"action": action, "reason": reason, "point": "description"}
        version = hidden(browser.get(page), "version")
        assert send(browser, page, {**decision, "version": version}).status_code == 303
        yield


def test_a_course_goes_from_the_form_to_its_publication_and_another_is_cancelled(
    tab: Page, desk: str, desk_app: Flask, database: Database
) -> None:
    come_in(tab, desk, desk_app, database)
    make_course(tab, "Sample course of a walk")
    expect(tab.get_by_role("status")).to_contain_text("Now write its outline.")
    code = tab.locator("main .facts code").inner_text()
    decisions = review(desk_app, database, code)
    tab.get_by_role("link", name="Write the outline").click()
    fill_in(tab, mandate="A task of the ITU", membership="Asked for")
    tab.get_by_role("button", name="Send for review").click()
    expect(tab.get_by_role("status")).to_contain_text("sent for review")
    next(decisions)
    tab.reload()
    expect(tab.get_by_text("The outline came back with an objection.")).to_be_visible()
    tab.get_by_role("link", name="Write the outline").click()
    expect(tab.get_by_text("Say who teaches").first).to_be_visible()
    expect(tab.locator("#field-mandate")).to_have_value("A task of the ITU")
    fill_in(tab, instructors="Sample Instructor")
    tab.get_by_role("button", name="Send for review").click()
    next(decisions)
    next(decisions)
    tab.goto(f"{desk}/my-centre/AFR/offerings/{code}")
    expect(tab.locator("main .facts")).to_contain_text("Published")
    tab.get_by_role("link", name="Cancel the course").click()
    expect(tab.get_by_text("This cannot be taken back.")).to_be_visible()
    tab.get_by_role("link", name="Back without a change").click()
    expect(tab.locator("main .facts")).to_contain_text("Published")

    tab.goto(f"{desk}/my-centre/AFR/offerings/AFR-1")
    tab.get_by_role("link", name="Cancel the course").click()
    fill_in(tab, reason="Too few people")
    tab.get_by_role("button", name="Cancel the course").click()
    expect(tab.locator("main .facts")).to_contain_text("Cancelled")
    tab.go_back()  # the browser asks for the page again, and it has no form any more
    expect(tab.get_by_text("This is not possible now.")).to_be_visible()


@pytest.mark.parametrize(
    "tab",
    [{"locale": "ar", "viewport": {"width": 320, "height": 700}, "java_script_enabled": False}],
    indirect=True,
)
def test_in_arabic_on_a_phone_without_scripts_a_course_is_made_and_postponed(
    tab: Page, desk: str, desk_app: Flask, database: Database
) -> None:
    come_in(tab, desk, desk_app, database)
    expect(tab.locator("html")).to_have_attribute("dir", "rtl")
    make_course(tab, "دورة قياس تجريبية")
    expect(tab.get_by_role("status")).to_contain_text("اكتبوا الآن مخططها")
    pages = [tab.url, f"{tab.url.partition('?')[0]}/edit"]
    tab.locator("main .acts a").first.click()
    pages.append(tab.url)
    fill_in(tab, mandate="من مهام الاتحاد")
    tab.locator("button[value=keep]").click()
    expect(tab.get_by_role("status")).to_contain_text("حُفظت المسودة")
    tab.goto(f"{desk}/my-centre/AFR/offerings/AFR-1/act?action=postpone")
    pages.append(tab.url)
    fill_in(tab, reason="القاعة محجوزة")
    form(tab).locator("button").click()
    expect(tab.locator("main .facts")).to_contain_text("مؤجل")
    for page in pages:
        tab.goto(page)
        wide = tab.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, page
