"""Debian's Chromium, with third-party cookies blocked, and hosts of its own.

``LMS_BRIDGE_TEST_CHROMIUM`` may name another one. Where there is none, tests fail: they never skip.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect, sync_playwright

NAMED = "LMS_BRIDGE_TEST_CHROMIUM"
USUAL = ("/usr/bin/chromium", "chromium", "chromium-browser")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1",
)
_BLOCK_THIRD_PARTY, _BLOCK = 1, 2
WAIT_MILLISECONDS = 120_000


def found() -> str:
    """The path of the browser."""
    for name in (os.environ.get(NAMED, ""), *USUAL):
        path = shutil.which(name) if name else None
        if path:
            return path
    pytest.fail(
        "The tests in a browser need Chromium: install it (apt-get install chromium), "
        f"or name another one with {NAMED}."
    )


@contextmanager
def running(folder: Path, cookieless: str, *others: str) -> Iterator[BrowserContext]:
    """One browser, with a new profile in that folder.

    Third-party cookies are blocked everywhere. Inside the pages of the host ``cookieless`` the
    ``others`` get no cookies at all, as in browsers that know no partitioned ones.
    """
    profile = folder / "Default"
    profile.mkdir(parents=True)
    blocked = {f"[*.]{other},[*.]{cookieless}": {"setting": _BLOCK} for other in others}
    preferences = {
        "profile": {
            "cookie_controls_mode": _BLOCK_THIRD_PARTY,
            "content_settings": {"exceptions": {"cookies": blocked}},
        }
    }
    (profile / "Preferences").write_text(json.dumps(preferences), encoding="utf-8")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder,
            executable_path=found(),
            args=[*ARGUMENTS, *(["--no-sandbox"] if as_root else [])],
            headless=True,
            ignore_https_errors=True,
            timeout=WAIT_MILLISECONDS,
        )
        context.set_default_timeout(WAIT_MILLISECONDS)
        expect.set_options(timeout=WAIT_MILLISECONDS)
        try:
            yield context
        finally:
            context.close()
