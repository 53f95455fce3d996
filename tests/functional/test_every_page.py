"""Every page of the route map: accessible, narrow, and in one language.

A new route is tested by itself. A page about some thing is opened with one of the demo's.
"""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import BrowserContext, Page, ViewportSize
from werkzeug.routing import Map

from lms_bridge.web.languages import ENGLISH
from tests.functional.routes import Routes
from tests.peers.installing import ROOT, installed
from tests.words import english_words

PEOPLE = ("", "learner", "operator")
"""Each opens what those before could not; the first one is nobody."""
SIDES = {"en": "ltr", "ar": "rtl"}
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=320, height=640)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAMES = frozenset({"bridge", "lms_bridge", "Moodle", "iCalendar", "Africa", "Nairobi", "account"})
"""Names of the product, an LMS, a format, a time zone and a column of a file."""
AXE = """async rules => (await axe.run(document, {
  runOnly: rules, resultTypes: ["violations"], elementRef: false,
})).violations.map(each => `${each.id}: ${each.nodes[0].html.slice(0, 160)}`)"""
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def in_language(address: str, language: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}lang={language}"


def faults(page: Page, site: str, path: str, language: str) -> Iterator[str]:
    """What is wrong with one page in one language."""
    page.set_viewport_size(WIDE)
    answer = page.goto(in_language(site + path, language))
    if answer is None or answer.status >= 500:
        yield "it cannot be shown"
        return
    html = page.locator("html")
    shown = html.get_attribute("lang") or ""
    if shown not in (language, "en") or html.get_attribute("dir") != SIDES[shown]:
        yield f"it is in {shown or 'no language'}"
    yield from page.evaluate(AXE, RULES)
    page.set_viewport_size(NARROW)
    wide = page.evaluate(WIDTH)
    if wide > 0:
        yield f"it scrolls sideways by {wide} pixels"


def test_every_page_is_accessible_narrow_and_in_the_readers_language(
    demo: str, context: BrowserContext, route_map: Map
) -> None:
    site = demo.removesuffix("/demo")
    routes, found = Routes(route_map, site), []
    context.add_init_script(
        path=installed(ROOT / "tests/peers/axe") / "node_modules/axe-core/axe.min.js"
    )
    page = context.new_page()
    for person in PEOPLE:
        if person:
            page.goto(demo)
            page.locator(f'form[action="/demo/{person}"] button').click()
        for endpoint, path in routes.opened(context.request).items():
            for language in SIDES:
                found += [
                    f"{path} ({language}): {each}" for each in faults(page, site, path, language)
                ]
            if endpoint.partition(".")[0] in ENGLISH:
                continue
            for language in ("ar", "ru", "zh"):
                text = context.request.get(in_language(site + path, language)).text()
                words = english_words(text, language) - NAMES
                if words:
                    found.append(f"{path} ({language}): English words: {', '.join(sorted(words))}")
    assert routes.missing() == set()
    assert found == [], "\n".join(found)
