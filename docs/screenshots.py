"""Makes the pictures in docs/screenshots, from a demo that runs.

``python docs/screenshots.py http://127.0.0.1:8000`` takes each page on a desktop and on a phone,
and in English and in Arabic where it has languages. Chromium is the system's own.
Afterwards ``pngquant --force --ext .png --skip-if-larger 48 docs/screenshots/*.png`` makes them a
third as large.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ENGLISH = {"demo"}
"""Pages that are English alone."""
FOLDER = Path(__file__).parent / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
PAGES = {
    "": {"front": "/", "catalogue": "/catalogue", "centres": "/training-centres", "demo": "/demo"},
    "learner": {"my-courses": "/my", "my-calendar": "/my/calendar"},
    "coordinator": {
        "desk": "/my-centre/AFRALTI",
        "schedule": "/my-centre/AFRALTI/schedule",
        "month": "/my-centre/AFRALTI/calendar",
        "upload": "/my-centre/AFRALTI/upload",
    },
    "focal-point": {
        "reviews": "/reviews",
        "outline": "/reviews/of/AFRALTI/AFR-SPM-26-NEXT",
        "region": "/reviews/regions",
    },
    "operator": {
        "operations": "/operations",
        "centre": "/centres/AFRALTI",
        "runs": "/runs",
        "hold": "/holds/1",
        "people": "/people",
        "accounts": "/accounts",
        "connections": "/connections",
    },
}
"""{who the demo signs in: {name of the picture: path}}; nobody for the first ones."""


def main() -> None:
    address = sys.argv[1].removesuffix("/demo").rstrip("/")
    program = os.environ.get("LMS_BRIDGE_TEST_CHROMIUM") or shutil.which("chromium")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for size in SIZES:
            for language in ("en", "ar"):
                for person in PAGES:
                    take(browser, address, person, size, language)
        browser.close()


def take(browser: Browser, address: str, person: str, size: str, language: str) -> None:
    """The pictures of one person's pages."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    if person:
        page.goto(f"{address}/demo")
        page.locator(f'form[action="/demo/{person}"] button').click()
    for name, path in PAGES[person].items():
        if language != "en" and name in ENGLISH:
            continue
        page.goto(f"{address}{path}?lang={language}")
        page.screenshot(path=FOLDER / f"{name}-{size}-{language}.png")
    context.close()


if __name__ == "__main__":
    main()
