"""What the browser of these tests keeps and sends: without this the others would prove little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, Response, request
from playwright.sync_api import Page, expect

from lms_bridge.devtools.lti.site import serve_application
from tests.integration.browser.certificates import Certificates
from tests.integration.browser.world import ACADEMY, PROBE, STRICT

ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=None"


def _probe() -> Flask:
    """Sets two cookies, tells which ones come back, and shows all that inside a frame."""
    app = Flask(__name__)

    @app.get("/set")
    def set_() -> Response:
        response = Response('<a href="/told">next</a>')
        response.headers.add("Set-Cookie", f"usual=1; {ATTRIBUTES}")
        response.headers.add("Set-Cookie", f"parted=1; {ATTRIBUTES}; Partitioned")
        return response

    @app.get("/told")
    def reported() -> str:
        return f"<p>cookies: {' '.join(sorted(request.cookies)) or 'none'}</p>"

    @app.get("/frame")
    def frame() -> str:
        return f'<iframe src="https://{PROBE}:{request.host.partition(":")[2]}/set"></iframe>'

    return app


@pytest.fixture
def port(certificate: Certificates) -> Iterator[int]:
    with serve_application(_probe(), certificate=certificate.server) as used:
        yield used


def _in_a_frame(tab: Page, host: str, port: int) -> str:
    tab.goto(f"https://{host}:{port}/frame")
    frame = tab.frame_locator("iframe")
    frame.get_by_role("link").click()
    return frame.get_by_role("paragraph").inner_text()


def test_third_party_cookies_are_blocked_and_partitioned_ones_are_not(tab: Page, port: int) -> None:
    assert _in_a_frame(tab, ACADEMY, port) == "cookies: parted"
    tab.goto(f"https://{PROBE}:{port}/set")
    tab.get_by_role("link").click()
    expect(tab.get_by_role("paragraph")).to_have_text("cookies: parted usual")
    # The usual one is there now, and still is not sent from inside the other site.
    assert _in_a_frame(tab, ACADEMY, port) == "cookies: parted"


def test_a_strict_site_keeps_no_cookie_in_a_frame(tab: Page, port: int) -> None:
    assert _in_a_frame(tab, STRICT, port) == "cookies: none"
