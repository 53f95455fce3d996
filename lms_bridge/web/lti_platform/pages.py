"""What a browser passes through: launch links, the authentication endpoint, the choice's answer."""

from __future__ import annotations

import secrets
import time
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    render_template,
)
from werkzeug.wrappers import Response as Answer

from lms_bridge.lti import parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Side
from lms_bridge.lti.platform import deep_linking, endpoints
from lms_bridge.lti.platform.authentication import AuthenticationAnswer, authenticate
from lms_bridge.lti.platform.launching import LINK, start_deep_linking, start_launch
from lms_bridge.web.headers import POLICY, Complete
from lms_bridge.web.lti_platform.browsers import browser_secret, held_secrets, send_to_tool
from lms_bridge.web.lti_platform.parts import given, the_room
from lms_bridge.web.lti_platform.refusals import as_page
from lms_bridge.web.skeletons import filled

pages = Blueprint("lti_platform", __name__, template_folder="templates")
pages.register_error_handler(LtiRefused, as_page)
ANCESTORS_SECONDS = 60.0
_OTHER_BROWSER = "auth-other-browser"
_ANCESTORS = "lms_bridge.lti_ancestors"


@pages.get(f"{endpoints.LAUNCH}/<token>")
def open_link(token: str) -> Response:
    """A launch link begins with a button: programs that look into messages for safety open every
    link, and would use it up."""
    link = the_room().once.look(LINK, token)
    if link is None:
        raise _link_gone()
    name = link["offering"] or link.get("centre", "")
    page = make_response(render_template("lti/link.html", token=token, offering=name))
    # The button leads to the tool in the end, and browsers hold that to the policy, too.
    others = "https:" if the_room().address.startswith("https:") else "https: http:"
    page.headers["Content-Security-Policy"] = POLICY.replace(
        "form-action 'self'", f"form-action 'self' {others}"
    )
    page.headers["Cache-Control"] = "no-store"
    return page


@pages.post(f"{endpoints.LAUNCH}/<token>")
def use_link(token: str) -> Answer:
    """A link that cannot be followed yet is not used up: it opens the course once it is open."""
    room = the_room()
    link = room.once.look(LINK, token)
    if link is None:
        raise _link_gone()
    browser = browser_secret()
    if link.get("person"):
        login = start_deep_linking(
            room,
            link["offering"],
            person=link["person"],
            party_id=link["party"],
            browser=browser,
            centre=link.get("centre", ""),
        )
    else:
        login = start_launch(
            room,
            link["learner"],
            link["offering"],
            party_id=link["party"],
            browser=browser,
            return_address=link.get("return", ""),
        )
    if room.once.take(LINK, token) is None:  # somebody else was quicker
        raise _link_gone()
    return send_to_tool(login, browser)


def _link_gone() -> LtiRefused:
    return LtiRefused(
        "launch-link-gone",
        "This launch link was used already, or is too old.",
        "Please ask for another one.",
        status=404,
    )


@pages.route(endpoints.AUTHENTICATION, methods=["GET", "POST"])
def authentication() -> Response:
    """1EdTech Security Framework 1.1, section 5.1.1.2: both methods."""
    answer = _authenticated(given())
    nonce = secrets.token_urlsafe(16)
    frames = answer.frames or _ancestors()
    texts = {
        "address": answer.redirect_uri,
        "id_token": answer.id_token,
        "state": answer.state,
        "nonce": nonce,
    }
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; "
        f"form-action {_where(answer.redirect_uri)}; frame-ancestors {frames}"
    )
    headers = {
        "Content-Security-Policy": policy,
        # The tool has to see where the form comes from: without, its Origin would be "null".
        "Referrer-Policy": "strict-origin",
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Cache-Control": "no-store",
        "Content-Type": "text/html; charset=utf-8",
    }
    return Complete(filled("lti/form.html", texts), headers=headers)


def _authenticated(asked: dict[str, str]) -> AuthenticationAnswer:
    """With the one of the browser's secrets that the launch was begun with; a request that is
    refused uses nothing up."""
    *others, last = held_secrets() or [""]
    for secret in others:
        try:
            return authenticate(the_room(), asked, secret)
        except LtiRefused as error:
            if error.code != _OTHER_BROWSER:
                raise
    return authenticate(the_room(), asked, last)


@pages.post(endpoints.DEEP_LINKING)
def choice() -> str:
    chosen = deep_linking.take_answer(the_room(), given().get("JWT", ""))
    return render_template("lti/chosen.html", chosen=chosen)


def _where(address: str) -> str:
    """Any address of the same scheme: tools send the browser on after the form, and browsers hold
    those redirects to the policy, too."""
    return f"{urlsplit(address).scheme}:"


def _ancestors() -> str:
    """Our own pages, and those of the platforms that launch into the bridge. Looked up once a
    minute: every launch needs it."""
    kept: tuple[float, str] = current_app.extensions.get(_ANCESTORS, (-ANCESTORS_SECONDS, ""))
    if time.monotonic() - kept[0] > ANCESTORS_SECONDS:
        with the_room().database.reading() as tx:
            platforms = [each for each in parties.all_parties(tx, Side.PLATFORM) if each.active]
        origins = {_origin(each.issuer) for each in platforms}
        origins |= {_origin(each.authorization_endpoint) for each in platforms}
        kept = time.monotonic(), " ".join(["'self'", *sorted(origins - {""})])
        current_app.extensions[_ANCESTORS] = kept
    return kept[1]


def _origin(address: str) -> str:
    parts = urlsplit(address)
    usable = parts.scheme in ("http", "https") and parts.netloc and ";" not in parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if usable else ""
