"""Every page of the route map: accessible, narrow, and in one language.

A new route is tested by itself. A page about some thing is opened with one of the demo's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
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


@pytest.mark.parametrize("media", ["screen", "print"])
def test_a_long_word_pushes_no_other_column_of_a_table_out_of_sight(
    context: BrowserContext, media: Literal["screen", "print"]
) -> None:
    style = (ROOT / "lms_bridge/web/static/style.css").read_text(encoding="utf-8")
    rows = "".join(
        f"<tr><th scope=row>{name}</th><td><code>ALPHA-2027-1</code></td><td>Enrolled</td></tr>"
        for name in (f"<bdi>{'W' * 200}</bdi>", f"<a href=/ dir=auto>{'W' * 300}</a>")
    )
    page = context.new_page()
    page.set_viewport_size(WIDE)
    page.emulate_media(media=media)
    page.set_content(
        f"<style>{style}</style><main><div class=scroll><table class=stack>{rows}</table></div>"
    )
    for each in page.get_by_text("Enrolled").all():
        box = each.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= WIDE["width"]
    code = page.get_by_text("ALPHA-2027-1").first.bounding_box()
    assert code is not None
    assert code["height"] < 40, "a code is broken into slivers"
