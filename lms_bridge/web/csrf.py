"""CSRF: a form is accepted only from the bridge's own pages.

It acts with the session of the browser that sends it. That cookie is ``SameSite=Lax``: browsers do
not send it with another site's form at all. Each form of an operator's page also has the token of
its session, in case a browser or a proxy errs about the site.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

import structlog
from flask import request
from markupsafe import Markup

from lms_bridge.domain.errors import BridgeError
from lms_bridge.http.origins import is_loopback, origin
from lms_bridge.web.access import cookie_name, the_bridge

_log = structlog.get_logger(__name__)


_LONGEST_PATH = 1000
TOKEN = "csrf_token"  # noqa: S105 (the name of the field)


class CsrfRefused(BridgeError):
    """Another site sent the form, or it is of another session."""

    @classmethod
    def of_site(cls, address: str) -> CsrfRefused:
        return cls(
            "csrf",
            "This form was not sent by a page of the bridge.",
            f"Open the page at {address}, and send the form from there. The setting lti.address "
            "names the bridge's own address.",
        )

    @classmethod
    def of_session(cls) -> CsrfRefused:
        return cls(
            "csrf",
            "This form is not of the session in which you are signed in now.",
            "Load the page with the form again, and send the form from there.",
        )


def check_csrf(*, origin_required: bool = True) -> None:
    """Accepts a form only from the bridge's own pages.

    Browsers name the origin of every form that they send (Fetch, section 3.2). Newer ones also say
    whether it is another site's (Fetch Metadata Request Headers). A page that sends no referrer
    sends the origin "null". It needs ``origin_required`` off, and a secret of its own.

    Raises:
        CsrfRefused: the form is another site's.
    """
    named = request.headers.get("Origin", "")
    unnamed = named in ("", "null") and not origin_required
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if site != "same-origin" or not (unnamed or named in _own_origins()):
        _log.warning("form refused", code="csrf", endpoint=request.endpoint)
        raise CsrfRefused.of_site(the_bridge().settings.public_address)


def check_form_token() -> None:
    """Accepts a form only with the token of the session that sends it.

    Raises:
        CsrfRefused: the token is missing, or it is another session's.
    """
    given = request.form.get(TOKEN, "")
    if not hmac.compare_digest(given.encode(errors="replace"), _form_token().encode()):
        _log.warning("form refused", code="csrf-token", endpoint=request.endpoint)
        raise CsrfRefused.of_session()


def csrf_field() -> Markup:
    """The hidden field with the session's token, for every form of an operator's page."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(TOKEN, _form_token())


def token_of(secret: str) -> str:
    """The token of the session with this secret, of which it shows nothing."""
    return hmac.digest(secret.encode(errors="replace"), TOKEN.encode(), "sha256").hex()


def _form_token() -> str:
    return token_of(request.cookies.get(cookie_name("session"), ""))


def sent_from() -> str:
    """The path of the bridge's own page whose form was sent, as the browser names it; "" where it
    names none."""
    named = request.referrer or ""
    if request.method == "GET" or origin(named) not in _own_origins():
        return ""
    parts = urlsplit(named)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return path if path.startswith("/") and own_path(path) == path else ""


def own_path(text: str) -> str:
    """A path of this site; "/" where it is anything else, which could lead to another site."""
    own = text.startswith("/") and not text.startswith("//") and "\\" not in text
    if own and len(text) <= _LONGEST_PATH and text.isascii() and text.isprintable():
        return text
    return "/"


def _own_origins() -> set[str]:
    """The public address, and the request's own if that is this machine. Any name of the web can
    be made to lead here (DNS rebinding), so no other host of a request counts."""
    own = {origin(the_bridge().settings.public_address)}
    here = origin(f"{request.scheme}://{request.host}")
    if here and is_loopback(urlsplit(here).hostname or ""):
        own.add(here)
    return own - {""}
