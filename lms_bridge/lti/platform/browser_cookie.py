"""The cookie that binds a launch to the browser in which it began.

Several tabs may begin a browser's first launches at once, and each then gets a secret of its own.
The name of a cookie contains a digest of its secret, so that these do not overwrite each other.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode, urlsplit

from flask import redirect, request
from werkzeug.wrappers import Response

from lms_bridge.http.origins import is_trustworthy
from lms_bridge.lti.http_requests import the_lti
from lms_bridge.lti.platform.launch import LoginInitiation, browser_digest

COOKIE = "lms_bridge_launch"
"""The first part of the cookie's name."""
COOKIE_SECONDS = 86_400
_LONGEST_SECRET, _MOST_SECRETS = 200, 8


def held_secrets() -> list[str]:
    """What this browser holds: nearly always one secret."""
    found = [
        text
        for name, text in request.cookies.items()
        if name == COOKIE or name.startswith(f"{COOKIE}_")
    ]
    return [text for text in found if 0 < len(text) <= _LONGEST_SECRET][:_MOST_SECRETS]


def browser_secret() -> str:
    """A secret that this browser holds, or a new one for it."""
    return next(iter(held_secrets()), "") or secrets.token_urlsafe(24)


def send_to_tool(login: LoginInitiation, browser: str) -> Response:
    """Redirects the browser to the tool's login, and sets the cookie."""
    mark = "&" if urlsplit(login.address).query else "?"
    response = redirect(f"{login.address}{mark}{urlencode(login.fields)}", 303)
    # The tool comes back from another site, perhaps inside a third one's frame. For that a cookie
    # has to be SameSite=None, hence Secure, and partitioned. Browsers accept that over plain http
    # only from this machine; with any other http address only a window of its own works.
    trusted = is_trustworthy(the_lti().address)
    response.set_cookie(
        f"{COOKIE}_{browser_digest(browser)[:8]}",
        browser,
        max_age=COOKIE_SECONDS,
        path="/lti/",
        httponly=True,
        secure=trusted,
        samesite="None" if trusted else "Lax",
        partitioned=trusted,
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    response.headers["Cache-Control"] = "no-store"
    return response
