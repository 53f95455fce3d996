"""`/lti/tool/login`: the platform's browser arrives, and is sent back to be vouched for.

Three ways to know the browser again (traps 16): a partitioned cookie; the platform's own storage,
where it offers one; and a window of its own, for browsers that keep no cookies inside frames.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from lms_bridge.lti.tool.login import Begun, again
from lms_bridge.web.forms import sent_form
from lms_bridge.web.headers import Complete
from lms_bridge.web.lti_tool.answering import page, set_cookie
from lms_bridge.web.lti_tool.hosting import the_tool

PROBE = "lti-probe"
PROBE_SECONDS = 60
CHECKED = "checked"
PLAIN = "text/plain; charset=utf-8"


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/login", "login", login, methods=["GET", "POST"])
    pages.add_url_rule("/lti/tool/jwks", "jwks", jwks, methods=["GET"])


def login() -> ResponseReturnValue:
    """Login initiation (LTI Core 1.3, section 5.1.1), by GET or POST."""
    given = sent_form() if request.method == "POST" else request.args
    if _is_framed(given) and request.cookies.get(PROBE) is None:
        return _probe(given)
    tool = the_tool()
    begun = tool.begin(given)
    response = _stored(begun, given) if begun.storage else _sent(begun)
    set_cookie(response, begun.cookie, begun.secret, tool.room.settings.login_seconds)
    return response


def jwks() -> ResponseReturnValue:
    """What the tool's messages and assertions are verified with."""
    response = jsonify(the_tool().room.keyring.public_set())
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _is_framed(given: Mapping[str, str]) -> bool:
    """Inside a frame, and without the platform's storage to fall back on."""
    return request.headers.get("Sec-Fetch-Dest") == "iframe" and not given.get("lti_storage_target")


def _probe(given: Mapping[str, str]) -> ResponseReturnValue:
    """Finds out whether the browser keeps cookies in this frame, before the platform is asked:
    many platforms answer one login once."""
    here = url_for("lti_tool.login")
    if request.args.get(CHECKED):
        return page("window.html", address=again(here, given))
    response = redirect(again(here, given, **{CHECKED: "1"}), 303)
    set_cookie(response, PROBE, "1", PROBE_SECONDS)
    return response


def _sent(begun: Begun) -> Redirect:
    """Without the page that Flask's redirections have, which nobody sees."""
    kind = Complete if begun.address.isascii() else Response
    return kind("", 302, {"Location": begun.address}, content_type=PLAIN)


def _stored(begun: Begun, given: Mapping[str, str]) -> Redirect:
    """A page that keeps the secret in the platform's storage, and goes on when that is done."""
    beside = {**given, "lti_storage_target": ""}
    return page("store.html", begun=begun, again=again(url_for("lti_tool.login"), beside))
