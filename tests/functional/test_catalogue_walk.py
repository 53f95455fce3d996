"""A learner searches a catalogue of 10,000 offerings, opens its calendar and another edition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from playwright.sync_api import BrowserContext, Page, expect

from lms_bridge.bootstrap import assemble
from lms_bridge.devtools.lti.site import serve_application
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Modality, Offering
from lms_bridge.reference import reference
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from lms_bridge.store import centres, offerings
from lms_bridge.store.database import Database
from tests.integration.web.filling import publish_all

MANY = 10_000


def sample(number: int) -> Offering:
    """Twelve dates of each course, a month apart; the centres are samples."""
    starts = utc_now().replace(microsecond=0) + timedelta(days=10 + 30 * (number % 12))
    course = number // 12
    title = f"Gestão do espectro {course}" if course % 4 == 0 else f"Redes {course}"
    return replace(
        Offering(f"S-{number:05}", f"C{course % 6}", f"K{course}", title),
        modality=list(Modality)[course % 4],
        starts_at=starts,
        ends_at=starts + timedelta(days=4),
        languages=("pt",) if course % 5 else ("en",),
        topics=("Spectrum management",) if course % 4 == 0 else (),
    )


@pytest.fixture(scope="module")
def catalogue(shared_sqlite_address: str) -> Iterator[str]:
    database = Database(shared_sqlite_address)
    with database.writing() as tx:
        for number, region in enumerate(reference().regions):
            name = f"Sample centre {number}"
            centres.add(tx, Centre(f"C{number}", name, region, "files", sample=True), b"")
        records = [sample(number) for number in range(MANY)]
        publish_all(tx, dict(zip(offerings.add_offerings(tx, records), records, strict=True)))
    settings = load({"LMS_BRIDGE_STORE__ADDRESS": shared_sqlite_address})
    bridge = assemble(settings, database, Vault(Fernet.generate_key().decode()))
    with serve_application(create_app(bridge)) as port:
        yield f"http://127.0.0.1:{port}"
    bridge.close()


def no_sideways(tab: Page) -> None:
    assert not tab.evaluate("document.documentElement.scrollWidth > window.innerWidth")


@pytest.mark.parametrize(
    "context",
    [{"java_script_enabled": False}, {"viewport": {"width": 320, "height": 700}}],
    indirect=True,
)
def test_a_learner_searches_and_opens_another_edition(
    catalogue: str, context: BrowserContext
) -> None:
    tab = context.new_page()
    tab.goto(catalogue)
    tab.get_by_role("searchbox").fill("gestao ESPEC")
    tab.get_by_role("button", name="Search").click()
    expect(tab.get_by_role("status")).to_contain_text("Offerings found: 2,508")
    tab.get_by_label("Region").select_option("africa")
    tab.get_by_label("Language of the course").select_option("pt")
    tab.get_by_role("button", name="Show").click()
    total = tab.get_by_role("status").inner_text().removeprefix("Offerings found: ")
    africa = tab.get_by_label("Region").locator("option:checked").inner_text()
    assert africa == f"Africa ({total})"
    expect(tab.locator(".cards > li")).to_have_count(20)
    expect(tab.locator(".cards > li").first.get_by_role("link", name="Register")).to_be_visible()
    tab.get_by_role("link", name="Next", exact=True).click()
    expect(tab.get_by_text("Page 2 of")).to_be_visible()

    tab.get_by_role("link", name="Calendar").first.click()
    tab.get_by_role("link", name="Next month", exact=True).click()
    tab.get_by_role("region").get_by_role("link", name="Gestão do espectro").first.click()
    title = tab.locator("h1").inner_text()
    others = tab.locator("#other-dates li")
    expect(others).to_have_count(11)
    others.last.get_by_role("link").click()
    expect(tab.locator("h1")).to_have_text(title)
    expect(tab.get_by_role("link", name="Register")).to_be_visible()


@pytest.mark.parametrize(
    "context", [{"locale": "ar", "viewport": {"width": 320, "height": 700}}], indirect=True
)
def test_the_catalogue_fits_a_phone_in_arabic(catalogue: str, context: BrowserContext) -> None:
    tab = context.new_page()
    for view in ("list", "calendar", "map"):
        tab.goto(f"{catalogue}/catalogue?view={view}")
        assert tab.locator("html").get_attribute("dir") == "rtl"
        no_sideways(tab)
    tab.locator("svg a").first.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator(".cards > li")).to_have_count(20)
