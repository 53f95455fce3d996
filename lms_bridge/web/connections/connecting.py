"""`/lti/connect/…`: the page of a centre's administrator, who has no account here.

The secret in the address is the authority. Programs that look into messages for safety open every
address: looking changes nothing, only forms do, and none comes but from the page itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.model import Centre
from lms_bridge.lti import connecting, deciding, parties, values
from lms_bridge.lti.connecting import DEPLOYMENT, PATH
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.platform import registration
from lms_bridge.lti.tool import registering
from lms_bridge.lti.waiting import MOST_PENDING
from lms_bridge.sync.auditing import PAGE, By
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.connections import asking
from lms_bridge.web.connections.answering import check_own_form, onward, refused
from lms_bridge.web.connections.forms import Form, read

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
    if request.method == "POST":
        check_own_form(origin_required=False)


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
    form = read(asking.REGISTRATION, request.form, private_addresses=_private(centre))
    if form.wrong:
        return _page(token, centre, {"registration": form})
    room = the_bridge().room
    invitation = registration.invite(room, centre.code, private_addresses=_private(centre))
    _log.info("tool invited", centre=centre.code)
    return onward(invitation.address(form.values["registration"]), "To your LMS")


@pages.post("/<token>/address")
def make_address(token: str) -> Response:
    """The one address to paste. It works once: hence it is made when it is asked for."""
    centre = _centre(token)
    address = registering.invite(the_bridge().room, centre.code)
    _log.info("platform invited", centre=centre.code)
    return _page(token, centre, address=address)


@pages.post("/<token>/tool")
def enter_tool(token: str) -> ResponseReturnValue:
    centre = _centre(token)
    form = read(asking.TOOL, request.form, private_addresses=_private(centre))
    if form.wrong:
        return _page(token, centre, {"tool": form})
    number = request.form.get("number", 0, type=int)
    client_id = connecting.client_id(token, number)
    party = asking.tool_of(form, centre.code, client_id, DEPLOYMENT)
    return _send_in(token, centre, party, form, "tool")


@pages.post("/<token>/platform")
def enter_platform(token: str) -> ResponseReturnValue:
    centre = _centre(token)
    form = read(asking.PLATFORM, request.form, private_addresses=_private(centre))
    if form.wrong:
        return _page(token, centre, {"platform": form})
    return _send_in(token, centre, asking.platform_of(form, centre.code), form, "platform")


@pages.post("/<token>/withdrawal")
def withdraw(token: str) -> ResponseReturnValue:
    """Takes back what still waits, so that it can be sent in anew."""
    centre = _centre(token)
    number = request.form.get("connection", 0, type=int)
    with the_bridge().database.writing() as tx:
        own = {each.id for each in parties.all_parties(tx, centre=centre.code)}
        party = parties.find(tx, number, lock=True) if number in own else None
        if party is not None and party.status is Status.PENDING:
            deciding.reject(tx, party, _by_link())
            _log.info("connection withdrawn", connection=number, centre=centre.code)
    return redirect(url_for("lti_connect.show", token=token), 303)


def _centre(token: str) -> Centre:
    code = connecting.centre_of(the_bridge().room, token)
    if not code:
        return Centre("", "the ITU Academy", "", "")
    return the_bridge().centre(code)


def _private(centre: Centre) -> bool:
    """As for the centre's other connections."""
    return the_bridge().room.private_addresses or centre.sample


def _send_in(
    token: str, centre: Centre, party: Party, form: Form, name: str
) -> ResponseReturnValue:
    party = replace(party, private_addresses=_private(centre))
    try:
        with the_bridge().database.writing() as tx:
            party = connecting.send_in(tx, party, _by_link())
    except LtiRefused as error:
        form.problem = f"{error.message} {error.remedy}".strip()
        return _page(token, centre, {name: form})
    _log.info("connection sent in", connection=party.id, side=party.side, centre=centre.code)
    return _sent(token, party)


def _by_link() -> By:
    """Whoever has the link: the bridge does not know them by name."""
    return By("connect link", PAGE, the_bridge().room.now())


def _sent(token: str, party: Party) -> ResponseReturnValue:
    place = f"connection-{party.id}"
    return redirect(url_for("lti_connect.show", token=token, _anchor=place), 303)


def _page(
    token: str, centre: Centre, typed: Mapping[str, Form] | None = None, *, address: str = ""
) -> Response:
    """``typed`` are forms that were sent and cannot be taken; ``address`` is one just made."""
    room = the_bridge().room
    with the_bridge().database.reading() as tx:
        connected = parties.all_parties(tx, centre=centre.code)
        number = connecting.next_number(tx, token)
    client_id = connecting.client_id(token, number)
    forms = {name: Form(fields) for name, fields in _FORMS.items()} | dict(typed or {})
    page = render_template(
        "connections/connect.html",
        token=token,
        centre=centre,
        connected=connected,
        pending=sum(each.status is Status.PENDING for each in connected),
        most=MOST_PENDING,
        forms=forms,
        address=address,
        hours=room.settings.invitation_hours,
        number=number,
        at_tool=values.for_a_tool(room.address, client_id, (DEPLOYMENT,)),
        at_platform=values.for_a_platform(room.address),
        values_of=lambda party: _values_of(room.address, party),
    )
    return make_response(page, INVALID if typed else 200)


_FORMS = {
    "registration": asking.REGISTRATION,
    "tool": asking.TOOL,
    "platform": asking.PLATFORM,
}


def _values_of(address: str, party: Party) -> values.Values:
    if party.side is Side.TOOL:
        return values.for_a_tool(address, party.client_id, party.deployment_ids)
    return values.for_a_platform(address)
