"""What a launch of a resource link leads to: a learner goes on into the tool that serves the
offering; everybody else, and learners of links without an offering, see where they are."""

from __future__ import annotations

import structlog
from flask import request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.model import Offering
from lms_bridge.lti.chain import visits
from lms_bridge.lti.chain.going import From, Onward, go_on, is_served
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.message import STORED_SECRET
from lms_bridge.lti.tool.tool import Tool
from lms_bridge.web.forms import sent_form
from lms_bridge.web.languages import speak
from lms_bridge.web.lti_platform.browsers import browser_secret, send_to_tool
from lms_bridge.web.lti_platform.taking import send_soon
from lms_bridge.web.lti_tool.answering import frames_of, page, shown
from lms_bridge.web.skeletons import filled

_log = structlog.get_logger(__name__)


def arrive(launch: Launch, tool: Tool) -> ResponseReturnValue:
    speak(launch.locale)
    if not launch.is_learner:
        return _show(launch, tool)
    came = From(
        browser_secret(),
        frames_of(launch),
        framed=request.headers.get("Sec-Fetch-Dest") in ("iframe", "frame"),
        # The platform's storage is asked only where the cookie of the login did not come back.
        keeps_cookies=not sent_form().get(STORED_SECRET),
    )
    onward = go_on(tool.room, tool.party_of(launch), launch, came)
    if onward is None:
        _log.warning("launch without offering", code="link-without-offering")
        return _show(launch, tool)
    if onward.result_waits:
        send_soon(onward.offering.centre)
    if onward.login is None:
        return _in_window(launch, tool, onward)
    return send_to_tool(onward.login, came.browser)


def _show(launch: Launch, tool: Tool) -> ResponseReturnValue:
    offering = visits.offering_from(tool.room, tool.party_of(launch), launch)
    context = launch.context
    texts = {
        "name": launch.person.name,
        "course": (context.title or context.label) if context else "",
        "issuer": launch.issuer,
        "title": offering.title if offering else "",
        "about": url_for("catalogue.show_one", code=offering.code) if offering else "",
        "back": launch.return_address,
    }
    html = filled(
        "lti_tool/arrived.html",
        texts,
        role=_role(launch),
        known=offering is not None,
        served=offering is not None and is_served(tool.room, offering),
    )
    return shown(html, frames=frames_of(launch))


def _role(launch: Launch) -> str:
    roles = {
        "learner": launch.is_learner,
        "teacher": launch.is_teacher,
        "administrator": launch.is_administrator,
    }
    return next((role for role, is_so in roles.items() if is_so), "visitor")


def _in_window(launch: Launch, tool: Tool, onward: Onward) -> ResponseReturnValue:
    """One button, for the tool cannot be shown in here, or the browser keeps no cookies here."""
    offering: Offering = onward.offering
    return page(
        "onward.html",
        frames=frames_of(launch),
        # The button leads to the tool in the end, and browsers hold that to the policy, too.
        targets="'self' https:" if tool.secure else "'self' https: http:",
        offering=offering,
        token=onward.token,
    )
