"""`/lti/tool/register`: the address that a platform's administrator pastes."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from lms_bridge.lti.tool.registering import register
from lms_bridge.web.lti_tool.answering import page
from lms_bridge.web.lti_tool.hosting import the_tool


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/register", "register", do_register, methods=["GET"])


def do_register() -> ResponseReturnValue:
    """Registers, and closes the platform's window (LTI Dynamic Registration 1.0, section 3.7)."""
    party = register(the_tool().room, request.args)
    return page("registered.html", party=party)
