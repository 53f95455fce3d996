"""Pages through which a browser passes: launch links, authentication, deep linking response."""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, make_response, render_template, request
from werkzeug.wrappers import Response as Redirect

from lms_bridge.bridge import Bridge
from lms_bridge.http.origins import origin
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import ANYWAY, params, refusal_page, the_lti, tool_targets
from lms_bridge.lti.platform import deep_linking, endpoints
from lms_bridge.lti.platform.authentication import AuthenticationResponse, authenticate
from lms_bridge.lti.platform.browser_cookie import browser_secret, held_secrets, send_to_tool
from lms_bridge.lti.platform.launch import (
    HANDED_OUT,
    LINK,
    PLATFORM,
    check_link,
    start_deep_linking,
    start_launch,
)
from lms_bridge.lti.platform.machine_views import machine
from lms_bridge.lti.platform.score_sender import add_score_sender_to
from lms_bridge.lti.platform.service_views import services
from lms_bridge.lti.registrations import Side
from lms_bridge.web.fast_responses import CompleteResponse
from lms_bridge.web.headers import POLICY
from lms_bridge.web.skeletons import filled

pages = Blueprint("lti_platform", __name__, template_folder="templates")
pages.register_error_handler(LtiRefused, refusal_page)
ANCESTORS_SECONDS = 60.0
_OTHER_BROWSER = "auth-other-browser"
_ANCESTORS = "lms_bridge.lti_ancestors"


def add_platform_to(app: Flask, bridge: Bridge) -> None:
    """Adds the platform side to an application."""
    add_score_sender_to(app, bridge)
    for blueprint in (pages, machine, services):
        app.register_blueprint(blueprint)


@pages.get(f"{endpoints.LAUNCH}/<token>")
def open_link(token: str) -> Response:
    """A launch link shows a button first: programs that check messages for safety open every link,
    and would use it up."""
    record = _link_record(the_lti(), token)
    name = record["offering"] or record.get("centre", "")
    choice = ("centre" if record.get("centre") else "offering") if record.get("person") else ""
    page = make_response(render_template("lti/link.html", token=token, name=name, choice=choice))
    page.headers["Content-Security-Policy"] = POLICY.replace(
        "form-action 'self'", f"form-action {tool_targets()}"
    )
    page.headers["Cache-Control"] = "no-store"
    return page


@pages.post(f"{endpoints.LAUNCH}/<token>")
def use_link(token: str) -> Redirect:
    """A link that is refused is not used up: it works later, when the course is open."""
    lti = the_lti()
    record = _link_record(lti, token)
    browser = browser_secret()
    if record.get("person"):
        login = start_deep_linking(
            lti,
            record["offering"],
            person=record["person"],
            registration_id=record["registration"],
            browser=browser,
            centre=record.get("centre", ""),
        )
    else:
        login = start_launch(
            lti,
            record["learner"],
            record["offering"],
            registration_id=record["registration"],
            browser=browser,
            return_address=record.get("return", ""),
            anyway=ANYWAY in request.form,
            ends_with={name: record[name] for name in (HANDED_OUT, PLATFORM) if name in record},
        )
    if lti.nonces.take(LINK, token) is None:  # another request was first
        raise _link_gone()
    return send_to_tool(login, browser)


def _link_record(lti: LtiContext, token: str) -> dict[str, Any]:
    """What a launch link that can still be used begins with."""
    with lti.database.reading() as tx:
        record = lti.nonces.look(LINK, token, tx)
        if record is None:
            raise _link_gone()
        check_link(tx, record)
    return record


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
    answer = _authenticate(params())
    nonce = secrets.token_urlsafe(16)
    texts = {
        "address": answer.redirect_uri,
        "id_token": answer.id_token,
        "state": answer.state,
        "nonce": nonce,
    }
    # Any address of the same scheme: tools redirect after the form, and browsers apply the policy
    # to redirects, too.
    targets = f"{urlsplit(answer.redirect_uri).scheme}:"
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; "
        f"form-action {targets}; frame-ancestors {answer.frames or _ancestors()}"
    )
    headers = {
        "Content-Security-Policy": policy,
        # The tool must see where the form comes from: without this, its Origin would be "null".
        "Referrer-Policy": "strict-origin",
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Cache-Control": "no-store",
        "Content-Type": "text/html; charset=utf-8",
    }
    return CompleteResponse(filled("lti/form.html", texts), headers=headers)


def _authenticate(parameters: dict[str, str]) -> AuthenticationResponse:
    """Tries each secret that the browser holds: a refused request uses nothing up."""
    *others, last = held_secrets() or [""]
    for secret in others:
        try:
            return authenticate(the_lti(), parameters, secret)
        except LtiRefused as error:
            if error.code != _OTHER_BROWSER:
                raise
    return authenticate(the_lti(), parameters, last)


@pages.post(endpoints.DEEP_LINKING)
def accept_choice() -> str:
    chosen = deep_linking.accept_response(the_lti(), params().get("JWT", ""))
    return render_template("lti/chosen.html", chosen=chosen)


def _ancestors() -> str:
    """Sources that may frame a launch: our own pages and those of active platforms. Every launch
    needs them, so they are looked up once a minute."""
    kept: tuple[float, str] = current_app.extensions.get(_ANCESTORS, (-ANCESTORS_SECONDS, ""))
    if time.monotonic() - kept[0] > ANCESTORS_SECONDS:
        with the_lti().database.reading() as tx:
            platforms = [
                each for each in registrations.all_registrations(tx, Side.PLATFORM) if each.active
            ]
        origins = {origin(each.issuer) for each in platforms}
        origins |= {origin(each.authorization_endpoint) for each in platforms}
        kept = time.monotonic(), " ".join(["'self'", *sorted(origins - {""})])
        current_app.extensions[_ANCESTORS] = kept
    return kept[1]
