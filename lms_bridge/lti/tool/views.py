"""The tool side over HTTP: login, launch, choice of offerings, registration, key set."""

from __future__ import annotations

import binascii
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson
import structlog
from flask import Blueprint, Flask, Response, g, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from lms_bridge.audit import PAGE as PAGE_MEANS
from lms_bridge.audit import Actor
from lms_bridge.bridge import Bridge
from lms_bridge.catalogue.queries import Moments, PageFilters, count_listed, listed, one_listed
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.lti_roles import CourseRole
from lms_bridge.domain.model import Offering
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import log_refusal, tool_targets
from lms_bridge.lti.platform.browser_cookie import browser_secret, send_to_tool
from lms_bridge.lti.platform.score_sender import send_soon
from lms_bridge.lti.platform.silence import NotAnswering
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.relay.launch import (
    ForwardedLaunch,
    LaunchSource,
    forward_launch,
    is_served_by_tool,
    launched_offering,
)
from lms_bridge.lti.relay.resolution import vouched_learner
from lms_bridge.lti.tool.deep_linking import PickedOffering, message
from lms_bridge.lti.tool.dynamic_registration import register
from lms_bridge.lti.tool.frame import (
    OnLaunch,
    add_refusals_to,
    drop_cookie,
    framed,
    framed_page,
    frames_of,
    host,
    hosted,
    new_blueprint,
    set_cookie,
    shown_in_frame,
    sources,
    the_tool,
)
from lms_bridge.lti.tool.launch import Launch, Selection
from lms_bridge.lti.tool.login import BegunLogin, again, usable
from lms_bridge.lti.tool.login_state import cookie_name
from lms_bridge.lti.tool.message import STORED_SECRET
from lms_bridge.lti.tool.tool import LAUNCH_PATH, AskStorage, Tool
from lms_bridge.store.accounts import find_account
from lms_bridge.web import typed_text
from lms_bridge.web.access import the_bridge
from lms_bridge.web.fast_responses import CompleteResponse
from lms_bridge.web.languages import set_language
from lms_bridge.web.sessions import PATH as SIGN_IN
from lms_bridge.web.sessions import make_learner_link
from lms_bridge.web.skeletons import filled

_log = structlog.get_logger(__name__)
PROBE = "lti-probe"
PROBE_SECONDS = 60
CHECKED = "checked"
PLAIN = "text/plain; charset=utf-8"


def add_login_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/login", "login", login, methods=["GET", "POST"])
    pages.add_url_rule("/lti/tool/jwks", "jwks", jwks, methods=["GET"])


def login() -> ResponseReturnValue:
    """Login initiation (LTI Core 1.3, section 5.1.1), by GET or POST.

    The bridge recognises the browser later by a partitioned cookie or by the platform's storage. A
    browser that keeps no cookies inside frames gets its own window.
    """
    given = request.form if request.method == "POST" else request.args
    if _is_framed(given) and request.cookies.get(PROBE) is None:
        return _probe(given)
    tool = the_tool()
    begun = tool.begin(given)
    response = _stored(begun, given) if begun.storage else _sent_form(begun)
    set_cookie(response, begun.cookie, begun.secret, tool.lti.settings.login_seconds)
    return response


def jwks() -> ResponseReturnValue:
    """What the tool's messages and assertions are verified with."""
    response = jsonify(the_tool().lti.keyring.public_set())
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _is_framed(given: Mapping[str, str]) -> bool:
    """Inside a frame, and without the platform's storage to fall back on."""
    return request.headers.get("Sec-Fetch-Dest") == "iframe" and not given.get("lti_storage_target")


def _probe(given: Mapping[str, str]) -> ResponseReturnValue:
    """Finds out whether the browser keeps cookies in this frame. This comes before the request to
    the platform, because many platforms answer a login once."""
    here = url_for("lti_tool.login")
    if request.args.get(CHECKED):
        return framed_page("window.html", address=again(here, given))
    response = redirect(again(here, given, **{CHECKED: "1"}), 303)
    set_cookie(response, PROBE, "1", PROBE_SECONDS)
    return response


def _sent_form(begun: BegunLogin) -> Redirect:
    """Without the page that Flask's redirections have, which nobody sees."""
    kind = CompleteResponse if begun.address.isascii() else Response
    return kind("", 302, {"Location": begun.address}, content_type=PLAIN)


def _stored(begun: BegunLogin, given: Mapping[str, str]) -> Redirect:
    """A page that keeps the secret in the platform's storage, and goes on when that is done."""
    beside = {**given, "lti_storage_target": ""}
    return framed_page("store.html", begun=begun, again=again(url_for("lti_tool.login"), beside))


def arrive(launch: Launch, tool: Tool) -> ResponseReturnValue:
    """Leads a learner on into the course. Everybody else sees a page about it."""
    if launch.role is not CourseRole.LEARNER:
        return _show(launch, tool)
    if launch.custom.get(PAGE) == MY_COURSES:
        return _to_courses(launch, tool)
    came = LaunchSource(
        browser_secret(),
        frames_of(launch),
        framed=request.headers.get("Sec-Fetch-Dest") in ("iframe", "frame"),
        # The platform's storage is read only if the cookie of the login did not come back.
        keeps_cookies=not request.form.get(STORED_SECRET),
    )
    onward = forward_launch(tool.lti, tool.registration_of(launch), launch, came)
    if onward is None:
        return _show(launch, tool)
    if onward.result_waits:
        send_soon(onward.offering.centre)
    if onward.silent_since is not None:
        onto = url_for("lti_platform.use_link", token=onward.token)
        raise NotAnswering(onward.offering, onward.silent_since, onto)
    if onward.login is None:
        return _in_window(launch, tool, onward)
    return send_to_tool(onward.login, came.browser)


PAGE, MY_COURSES = "page", "my"
"""The custom parameter of a link that opens the learner's own page."""


def _to_courses(launch: Launch, tool: Tool) -> ResponseReturnValue:
    """A link that signs the learner in, once, for their own page. Inside a platform's frame no
    session could be kept, so it opens a window."""
    registration = tool.registration_of(launch)
    with tool.lti.database.reading() as tx:
        _, number = vouched_learner(tx, registration, launch)
        account = find_account(tx, learner=number)
    if account is not None and account.disabled_at is not None:
        raise LtiRefused(
            "account-disabled",
            "The account is disabled.",
            "Please open your courses from the Academy.",
            status=403,
        )
    by = Actor(f"connection {registration.id}", PAGE_MEANS, tool.lti.now())
    with tool.lti.database.writing() as tx:
        _, secret = make_learner_link(tx, number, the_bridge().settings.sign_in, by)
    texts = {"name": launch.person.name, "link": f"{SIGN_IN}/{secret}"}
    html = filled("lti_tool/courses.html", texts)
    return shown_in_frame(html, frames=frames_of(launch))


def _show(launch: Launch, tool: Tool) -> ResponseReturnValue:
    offering = launched_offering(tool.lti, tool.registration_of(launch), launch)
    context = launch.context
    texts = {
        "name": launch.person.name,
        "course": (context.title or context.label) if context else "",
        "issuer": launch.issuer,
        "title": offering.title if offering else "",
        "about": url_for("catalogue.show_one", code=offering.code) if offering else "",
        "back": launch.return_address,
        "reference": "" if offering else log_refusal(LtiRefused("link-without-offering")),
    }
    html = filled(
        "lti_tool/arrived.html",
        texts,
        role=str(launch.role),
        known=offering is not None,
        served=offering is not None and is_served_by_tool(tool.lti, offering),
    )
    return shown_in_frame(html, frames=frames_of(launch))


def _in_window(launch: Launch, tool: Tool, onward: ForwardedLaunch) -> ResponseReturnValue:
    """One button, for the tool cannot be shown in here, or the browser keeps no cookies here."""
    offering: Offering = onward.offering
    return framed_page(
        "onward.html",
        frames=frames_of(launch),
        # The button leads to the tool in the end, and browsers hold that to the policy, too.
        targets=tool_targets(),
        offering=offering,
        token=onward.token,
    )


def add_launch_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/launch", "launch", launch, methods=["POST"])
    pages.add_url_rule("/lti/tool/launch", "reopened", reopened, methods=["GET"])


def launch() -> ResponseReturnValue:
    """The authentication response (LTI Core 1.3, section 5.1.3)."""
    here = hosted()
    form = request.form
    found = here.tool.finish(form, request.cookies)
    if isinstance(found, AskStorage):
        reference = secrets.token_hex(4)
        _log.info("storage asked", reference=reference)
        id_token = form.get("id_token", "")
        return framed_page("ask.html", ask=found, id_token=id_token, reference=reference)
    g.lti_connection, g.lti_back = here.tool.registration_of(found).id, found.return_address
    set_language(found.locale)
    if found.selection is not None:
        response = offer(found, found.selection)
    else:
        response = make_response(here.on_launch(found, here.tool))
    if "Content-Security-Policy" not in response.headers:
        framed(response, frames=frames_of(found))
    drop_cookie(response, cookie_name(form["state"], secure=here.tool.secure))
    return response


def reopened() -> ResponseReturnValue:
    """A launch is a form that is sent: its address alone opens nothing."""
    raise LtiRefused(
        "launch-address-alone",
        "This page opens only from a link in your course.",
        "Go to your course and click the link there.",
        status=405,
    )


SECONDS = 2 * 3600
SHOWN = 50
MOST_CHOSEN = 50


@dataclass(frozen=True, slots=True)
class SelectRequest:
    """A deep linking request, as the form holds it."""

    issuer: str
    client_id: str
    deployment_id: str
    frames: str
    selection: Selection
    language: str
    until: float


def add_select_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/select", "select", select, methods=["POST"])


def offer(launch: Launch, selection: Selection) -> Response:
    """The page to pick from, as the answer to a launch."""
    until = the_tool().lti.now().timestamp() + SECONDS
    picking = SelectRequest(
        launch.issuer,
        launch.client_id,
        launch.deployment_id,
        frames_of(launch),
        selection,
        launch.locale,
        until,
    )
    return _shown(picking, "")


def select() -> ResponseReturnValue:
    """Searches again, or sends the picked offerings. The form holds the encrypted request, so the
    server stores nothing."""
    picking = _unlocked(request.form.get("request", ""))
    g.lti_connection = _platform(picking).id
    set_language(picking.language)
    if request.form.get("action") != "send":
        return _shown(picking, typed_text.line(request.form.get("text", ""), 100))
    return _sent(picking, request.form.getlist("offering"))


def _shown(picking: SelectRequest, text: str) -> Response:
    filters = PageFilters(text=text, centre=_platform(picking).only_centre)
    with the_bridge().database.reading() as tx:
        now = the_tool().lti.now()
        at = Moments(now, now)
        found = listed(tx, filters, at, limit=SHOWN)
        total = count_listed(tx, filters, at)
    return framed_page(
        "select.html",
        frames=picking.frames,
        request_locked=_locked(picking),
        several=picking.selection.several,
        offerings=found,
        total=total,
        text=text,
        action=url_for("lti_tool.select"),
    )


def _sent(picking: SelectRequest, codes: list[str]) -> Response:
    tool, selection, registration = the_tool(), picking.selection, _platform(picking)
    if len(codes) > MOST_CHOSEN:
        raise LtiRefused("links-too-many", f"At most {MOST_CHOSEN} offerings at once, please.")
    with tool.lti.database.reading() as tx:
        found = [one_listed(tx, code) for code in dict.fromkeys(codes) if "\x00" not in code]
    own = registration.only_centre
    chosen = [
        PickedOffering(each.code, str(each.fields["title"]))
        for each in found
        if each is not None and own in ("", each.centre)
    ]
    address = tool.address + LAUNCH_PATH
    answer = message(registration, picking.deployment_id, selection, chosen, address)
    return framed_page(
        "send.html",
        frames=picking.frames,
        # The platform may send the browser on, and the policy counts that, too.
        targets=sources([selection.return_address]) + " https:",
        address=selection.return_address,
        jwt=tool.lti.keyring.sign(answer),
        number=len(chosen),
    )


def _platform(picking: SelectRequest) -> LtiRegistration:
    return usable(the_tool().find(picking.issuer, picking.client_id))


def _locked(picking: SelectRequest) -> str:
    locked = the_bridge().vault.lock(orjson.dumps(asdict(picking)).decode())
    return urlsafe_b64encode(locked).decode()


def _unlocked(text: str) -> SelectRequest:
    try:
        given = orjson.loads(the_bridge().vault.unlock(urlsafe_b64decode(text.encode())))
        given["selection"] = Selection(
            **{**given["selection"], "targets": tuple(given["selection"]["targets"])}
        )
        picking = SelectRequest(**given)
    except (SettingsInvalid, binascii.Error, ValueError, TypeError, KeyError):
        raise LtiRefused(
            "selection-unknown",
            "This page does not belong to any request for links.",
            "Go back to your course and begin again.",
        ) from None
    if picking.until < the_tool().lti.now().timestamp():
        raise LtiRefused(
            "selection-expired",
            "This page has been open for too long.",
            "Go back to your course and begin again.",
        )
    return picking


def add_register_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/register", "register", do_register, methods=["GET"])


def do_register() -> ResponseReturnValue:
    """Registers, and closes the platform's window (LTI Dynamic Registration 1.0, section 3.7)."""
    registration = register(the_tool().lti, request.args)
    return framed_page("registered.html", registration=registration)


def add_tool_to(app: Flask, bridge: Bridge, on_launch: OnLaunch = arrive) -> None:
    """Adds everything under ``/lti/tool/``; launches of resource links go to ``on_launch``."""
    host(app, bridge, on_launch)
    pages = new_blueprint()
    for add_to in (add_login_to, add_launch_to, add_select_to, add_register_to, add_refusals_to):
        add_to(pages)
    app.register_blueprint(pages)
