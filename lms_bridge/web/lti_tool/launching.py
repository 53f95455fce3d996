"""`/lti/tool/launch`: the platform's answer, checked in full and taken once."""

from __future__ import annotations

from flask import Blueprint, make_response
from flask.typing import ResponseReturnValue

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.tool.request import cookie_name
from lms_bridge.lti.tool.tool import AskStorage
from lms_bridge.web.forms import sent_cookies, sent_form
from lms_bridge.web.lti_tool import linking
from lms_bridge.web.lti_tool.answering import drop_cookie, framed, frames_of, page
from lms_bridge.web.lti_tool.hosting import hosted


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/launch", "launch", launch, methods=["POST"])
    pages.add_url_rule("/lti/tool/launch", "reopened", reopened, methods=["GET"])


def launch() -> ResponseReturnValue:
    """The authentication response (LTI Core 1.3, section 5.1.3)."""
    here = hosted()
    form = sent_form()
    found = here.tool.finish(form, sent_cookies())
    if isinstance(found, AskStorage):
        return page("ask.html", ask=found, id_token=form.get("id_token", ""))
    if found.selection is not None:
        response = linking.offer(found, found.selection)
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
