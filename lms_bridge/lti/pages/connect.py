"""`/lti/connect/…`: the page on which a centre's administrator connects an LMS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from lms_bridge.audit import PAGE, Actor
from lms_bridge.domain.model import Centre
from lms_bridge.lti import approval, connect_links, registrations
from lms_bridge.lti.connect_links import (
    AUTHENTICATION_URL,
    CLIENT,
    DEPLOYMENT,
    DEPLOYMENT_ID,
    ISSUER,
    KEYS_URL,
    PATH,
    TOKEN_URL,
)
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import the_lti
from lms_bridge.lti.pages.forms import (
    LONGEST_TEXT,
    FieldKind,
    FormField,
    PageForm,
    chosen_number,
    onward,
    read_form,
    refused,
)
from lms_bridge.lti.platform import dynamic_registration as platform_registration
from lms_bridge.lti.registrations import MOST_PENDING, LtiRegistration, Side, Status
from lms_bridge.lti.tool import dynamic_registration as tool_registration
from lms_bridge.lti.vocabulary import SCOPES
from lms_bridge.web.access import the_bridge
from lms_bridge.web.csrf import check_csrf

_NAME = FormField(
    "name",
    "Name of the LMS",
    "As the operators of the bridge are to see it. Without one, it is called by its host.",
    FieldKind.TEXT,
    required=False,
    longest=LONGEST_TEXT,
)
REGISTRATION = (
    FormField(
        "registration",
        "Registration address of your LMS",
        names="Moodle: Publish as LTI tool, Tool registration",
    ),
)
TOOL = (
    _NAME,
    FormField("initiate_login_uri", "Login address", names="Initiate login URL"),
    FormField(
        "redirect_uris",
        "Redirect addresses, one a line",
        "Where launches may go",
        FieldKind.ADDRESSES,
        names="Tool URL, Redirection URI",
    ),
    FormField("jwks_uri", "Address of the key set", names="JWKS URL, Public keyset URL"),
    FormField(
        "target_link_uri",
        "What a launch opens",
        "Without one: the first redirect address.",
        required=False,
        names="Target link",
    ),
    FormField(
        "deep_link_uri",
        "Where resources are chosen",
        "If your LMS has one. Launches may go there, too.",
        required=False,
        names="Deep linking URL",
    ),
)
PLATFORM = (
    _NAME,
    FormField("issuer", ISSUER, longest=LONGEST_TEXT, names=ISSUER),
    FormField("client_id", CLIENT, kind=FieldKind.TEXT, longest=LONGEST_TEXT, names=CLIENT),
    FormField(
        "deployment_id",
        DEPLOYMENT_ID,
        "Leave it empty if your LMS does not tell it yet, and send it to the operator later.",
        FieldKind.TEXT,
        required=False,
        longest=LONGEST_TEXT,
        names=DEPLOYMENT_ID,
    ),
    FormField("authorization_endpoint", AUTHENTICATION_URL, names=AUTHENTICATION_URL),
    FormField("token_endpoint", TOKEN_URL, names=TOKEN_URL),
    FormField(
        "token_audience",
        "Access token audience",
        "Brightspace shows one beside the registration. Leave it empty if your LMS shows none.",
        FieldKind.TEXT,
        required=False,
    ),
    FormField("jwks_uri", KEYS_URL, names=KEYS_URL),
)


def tool_of_form(
    form: PageForm, centre: str, client_id: str, deployment_id: str
) -> LtiRegistration:
    """The tool that a form without problems describes."""
    values, redirects = form.values, form.lines("redirect_uris")
    deep_link = values["deep_link_uri"]
    also = (deep_link,) if deep_link and deep_link not in redirects else ()
    return LtiRegistration(
        Side.TOOL,
        name=values["name"] or _host(values["initiate_login_uri"]),
        centre=centre,
        client_id=client_id,
        deployment_ids=(deployment_id,),
        initiate_login_uri=values["initiate_login_uri"],
        redirect_uris=(*redirects, *also),
        jwks_uri=values["jwks_uri"],
        target_link_uri=values["target_link_uri"] or redirects[0],
        deep_link_uri=deep_link,
        scopes=SCOPES,
    )


def platform_of_form(form: PageForm, centre: str) -> LtiRegistration:
    """The platform that a form without problems describes."""
    values = form.values
    return LtiRegistration(
        Side.PLATFORM,
        name=values["name"] or _host(values["issuer"]),
        centre=centre,
        issuer=values["issuer"],
        client_id=values["client_id"],
        deployment_ids=tuple(filter(None, (values["deployment_id"],))),
        authorization_endpoint=values["authorization_endpoint"],
        token_endpoint=values["token_endpoint"],
        token_audience=values["token_audience"],
        jwks_uri=values["jwks_uri"],
        scopes=SCOPES,
    )


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "")[:LONGEST_TEXT]


_log = structlog.get_logger(__name__)
pages = Blueprint(
    "lti_connect",
    __name__,
    url_prefix=PATH,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static",
)
pages.register_error_handler(LtiRefused, refused)
INVALID = 422
"""A form that is understood, and has something wrong in it (RFC 9110, section 15.5.21)."""


@pages.before_request
def _check_form() -> None:
    """The secret in the address is the authority. Mail scanners open every address, so only forms
    of the page itself change anything."""
    if request.method == "POST":
        check_csrf(origin_required=False)


@pages.after_request
def _keep_secret(answer: Response) -> Response:
    """The address holds a secret: it is sent nowhere, and the page is kept nowhere."""
    if request.endpoint != f"{pages.name}.static":
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Robots-Tag"] = "noindex"
    return answer


@pages.get("/<token>")
def show(token: str) -> Response:
    return _page(token, _centre(token))


@pages.post("/<token>/registration")
def register(token: str) -> Response:
    """Sends the browser to the LMS's own registration page, with an invitation (LTI Dynamic
    Registration 1.0, section 3.4)."""
    centre = _centre(token)
    form = read_form(REGISTRATION, request.form, private_addresses=_private(centre))
    if form.wrong:
        return _page(token, centre, {"registration": form})
    lti = the_lti()
    invitation = platform_registration.invite_tool(
        lti, centre.code, private_addresses=_private(centre)
    )
    _log.info("tool invited", centre=centre.code)
    return onward(invitation.address(form.values["registration"]), gettext("To your LMS"))


@pages.post("/<token>/address")
def make_address(token: str) -> Response:
    """The one address to paste. It works once, so it is made on request."""
    centre = _centre(token)
    address = tool_registration.invite_platform(the_lti(), centre.code)
    _log.info("platform invited", centre=centre.code)
    return _page(token, centre, address=address)


@pages.post("/<token>/tool")
def enter_tool(token: str) -> ResponseReturnValue:
    centre = _centre(token)
    form = read_form(TOOL, request.form, private_addresses=_private(centre))
    if form.wrong:
        return _page(token, centre, {"tool": form})
    number = chosen_number("number") if "number" in request.form else 0
    client_id = connect_links.client_id(token, number)
    registration = tool_of_form(form, centre.code, client_id, DEPLOYMENT)
    return _send_in(token, centre, registration, form, "tool")


@pages.post("/<token>/platform")
def enter_platform(token: str) -> ResponseReturnValue:
    centre = _centre(token)
    form = read_form(PLATFORM, request.form, private_addresses=_private(centre))
    if form.wrong:
        return _page(token, centre, {"platform": form})
    return _send_in(token, centre, platform_of_form(form, centre.code), form, "platform")


@pages.post("/<token>/withdrawal")
def withdraw(token: str) -> ResponseReturnValue:
    """Takes back what still waits, so that it can be sent in anew."""
    centre = _centre(token)
    number = chosen_number("connection")
    with the_bridge().database.writing() as tx:
        own = {each.id for each in registrations.all_registrations(tx, centre=centre.code)}
        registration = registrations.find(tx, number, lock=True) if number in own else None
        if registration is not None and registration.status is Status.PENDING:
            approval.reject_registration(tx, registration, _by_link())
            _log.info("connection withdrawn", connection=number, centre=centre.code)
    return redirect(url_for("lti_connect.show", token=token), 303)


def _centre(token: str) -> Centre:
    code = connect_links.centre_of_link(the_lti(), token)
    if not code:
        return Centre("", "the ITU Academy", "", "")
    return the_bridge().centre(code)


def _private(centre: Centre) -> bool:
    """As for the centre's other connections."""
    return the_lti().private_addresses or centre.sample


def _send_in(
    token: str, centre: Centre, registration: LtiRegistration, form: PageForm, name: str
) -> ResponseReturnValue:
    registration = replace(registration, private_addresses=_private(centre))
    try:
        with the_bridge().database.writing() as tx:
            registration = connect_links.send_in(tx, registration, _by_link())
    except LtiRefused as error:
        form.problem, form.remedy = error.message, error.remedy
        return _page(token, centre, {name: form})
    _log.info(
        "connection sent in", connection=registration.id, side=registration.side, centre=centre.code
    )
    return _sent(token, registration)


def _by_link() -> Actor:
    """Whoever has the link: the bridge does not know them by name."""
    return Actor("connect link", PAGE, the_lti().now())


def _sent(token: str, registration: LtiRegistration) -> ResponseReturnValue:
    place = f"connection-{registration.id}"
    return redirect(url_for("lti_connect.show", token=token, _anchor=place), 303)


def _page(
    token: str, centre: Centre, typed: Mapping[str, PageForm] | None = None, *, address: str = ""
) -> Response:
    """``typed`` are forms that were sent and cannot be taken; ``address`` is one just made."""
    lti = the_lti()
    with the_bridge().database.reading() as tx:
        connected = registrations.all_registrations(tx, centre=centre.code)
        number = connect_links.next_number(tx, token)
    client_id = connect_links.client_id(token, number)
    forms = {name: PageForm(fields) for name, fields in _FORMS.items()} | dict(typed or {})
    page = render_template(
        "connections/connect.html",
        token=token,
        centre=centre,
        connected=connected,
        pending=sum(each.status is Status.PENDING for each in connected),
        most=MOST_PENDING,
        forms=forms,
        address=address,
        hours=lti.settings.invitation_hours,
        number=number,
        at_tool=connect_links.values_for_tool(lti.address, client_id, (DEPLOYMENT,)),
        at_platform=connect_links.values_for_platform(lti.address),
        values_of=lambda registration: _values_of(lti.address, registration),
    )
    return make_response(page, INVALID if typed else 200)


_FORMS = {
    "registration": REGISTRATION,
    "tool": TOOL,
    "platform": PLATFORM,
}


def _values_of(address: str, registration: LtiRegistration) -> connect_links.Values:
    if registration.side is Side.TOOL:
        return connect_links.values_for_tool(
            address, registration.client_id, registration.deployment_ids
        )
    return connect_links.values_for_platform(address)
