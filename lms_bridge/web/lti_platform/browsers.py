"""The browser that a launch is bound to: one secret in one cookie, however many launches.

Several tabs may begin a browser's first launches at once. Each then gets a secret; they do not
overwrite each other, for a cookie is named after its secret, and each launch goes on with its own.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode, urlsplit

from flask import redirect, request
from werkzeug.wrappers import Response as Answer

from lms_bridge.lti.platform.launching import LoginInitiation, browser_digest
from lms_bridge.web.access import is_loopback
from lms_bridge.web.lti_platform.parts import the_room

COOKIE = "lms_bridge_launch"
"""The beginning of its name."""
COOKIE_SECONDS = 86_400
_LONGEST, _MOST = 200, 8


def held_secrets() -> list[str]:
    """What this browser holds already: nearly always one secret."""
    found = [
        text
        for name, text in request.cookies.items()
        if name == COOKIE or name.startswith(f"{COOKIE}_")
    ]
    return [text for text in found if 0 < len(text) <= _LONGEST][:_MOST]


def browser_secret() -> str:
    """What this browser holds already, or a new one to be kept there."""
    return next(iter(held_secrets()), "") or secrets.token_urlsafe(24)


def send_to_tool(login: LoginInitiation, browser: str) -> Answer:
    """Sends the browser to the tool's login, holding its secret."""
    mark = "&" if urlsplit(login.address).query else "?"
    answer = redirect(f"{login.address}{mark}{urlencode(login.fields)}", 303)
    # The tool comes back from another site, and perhaps inside a frame of a third one: such a
    # cookie has to be ``None``, hence ``Secure``, and partitioned. Browsers take it over plain
    # http from this machine alone; other http is for trials in a window of its own.
    trusted = _is_trustworthy(the_room().address)
    answer.set_cookie(
        f"{COOKIE}_{browser_digest(browser)[:8]}",
        browser,
        max_age=COOKIE_SECONDS,
        path="/lti/",
        httponly=True,
        secure=trusted,
        samesite="None" if trusted else "Lax",
        partitioned=trusted,
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _is_trustworthy(address: str) -> bool:
    """W3C Secure Contexts, section 3.1: https, and whatever never leaves the machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "https" or is_loopback(host) or host.endswith(".localhost")
