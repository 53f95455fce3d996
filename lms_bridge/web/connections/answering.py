"""What both kinds of pages share: whom a form is taken from, refusals, the way to elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.tool.reading import origin
from lms_bridge.web.access import is_loopback
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.lti_platform.refusals import noted


def check_own_form(*, origin_required: bool) -> None:
    """Takes a form only from the bridge's own pages.

    Browsers name the origin of every form that they send (Fetch, section 3.2), and newer ones say
    whether it is another site's (Fetch Metadata Request Headers). Only pages that send no referrer
    send "null" for an origin; they need ``origin_required`` off, and something else that vouches.

    Raises:
        LtiRefused: the form is another site's.
    """
    named = request.headers.get("Origin", "")
    unnamed = named in ("", "null") and not origin_required
    said = request.headers.get("Sec-Fetch-Site", "same-origin")
    if said != "same-origin" or not (unnamed or named in _own_origins()):
        raise LtiRefused(
            "form-elsewhere",
            "This form was not sent by a page of the bridge.",
            "Open the page again at the bridge's own address, and send the form from there.",
            status=403,
        )


def _own_origins() -> set[str]:
    """Never what a request's address says, but for this machine's own: any name of the web can be
    made to lead here (DNS rebinding)."""
    own = {origin(the_bridge().room.address)}
    here = origin(f"{request.scheme}://{request.host}")
    if here and is_loopback(urlsplit(here).hostname or ""):
        own.add(here)
    return own - {""}


def typed(name: str) -> str:
    """A code that a form names. Raises LtiRefused where it holds what no code can."""
    text = request.form.get(name, "").strip()
    if not text.isprintable():
        raise LtiRefused("parameter-invalid", "A parameter holds a character that none may.")
    return text


def refused(error: Exception) -> ResponseReturnValue:
    """A page that says why, with the reference of the line in the log."""
    if not isinstance(error, LtiRefused):
        raise error
    page = render_template("connections/refused.html", error=error, reference=noted(error))
    return page, error.status


def onward(address: str, title: str) -> Response:
    """A page that leads on to an address elsewhere. A redirect would not do: browsers hold those
    that follow a form to the policy of the form's page, which allows the bridge alone."""
    page = make_response(render_template("connections/onward.html", address=address, title=title))
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
