"""Launches into the tool: the login that a platform begins, and its answer, checked in full.

Sources: LTI Core 1.3, section 5; OpenID Connect Core 1.0, section 3.1.3.7; Deep Linking 2.0, 2.1.2.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask, Response, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.signatures import Claims, verified
from lms_bridge.devtools.lti.site import NotAccepted, page, set_cookie
from lms_bridge.devtools.lti.tool_state import (
    DAY,
    KEYS,
    LAUNCH,
    LOGIN,
    Landing,
    RegisteredPlatform,
    StartedLogin,
    ToolState,
)

RESOURCE = "resource"
"""The parameter of a target's address that names one of the tool's resources."""
LOGIN_SECONDS = 600


def landing_of(platform: RegisteredPlatform, claims: Claims) -> Landing:
    """Raises NotAccepted for a message that is not whole."""
    kind = claims.get(names.MESSAGE_TYPE)
    if kind not in (names.RESOURCE_LINK_REQUEST, names.DEEP_LINKING_REQUEST):
        raise NotAccepted("The message is of a kind that is not known here.")
    if not isinstance(claims.get("sub"), str):
        raise NotAccepted("The message does not say who launches.")
    link = _part(claims, names.RESOURCE_LINK)
    if kind == names.RESOURCE_LINK_REQUEST and not link.get("id"):
        raise NotAccepted("The message does not say what was clicked.")
    linking = _part(claims, names.LINKING_SETTINGS)
    if kind == names.DEEP_LINKING_REQUEST and not linking.get("deep_link_return_url"):
        raise NotAccepted("The message does not say where chosen content goes.")
    roles = claims.get(names.ROLES)
    if not isinstance(roles, list):
        raise NotAccepted("The message names no roles.")
    course, grading = _part(claims, names.CONTEXT), _part(claims, names.GRADING)
    back = _part(claims, names.PRESENTATION).get("return_url", "")
    target = parse_qs(urlsplit(str(claims[names.TARGET])).query)
    return Landing(
        platform,
        person=claims["sub"],
        name=str(claims.get("name") or ""),
        roles=tuple(str(role) for role in roles),
        course=str(course.get("id") or ""),
        course_title=str(course.get("title") or ""),
        link_title=str(link.get("title") or ""),
        resource=target.get(RESOURCE, [""])[0],
        custom={str(name): str(text) for name, text in _part(claims, names.CUSTOM).items()},
        line_items=str(grading.get("lineitems") or ""),
        line_item=str(grading.get("lineitem") or ""),
        members=str(_part(claims, names.MEMBERSHIPS).get("context_memberships_url") or ""),
        return_address=str(linking.get("deep_link_return_url") or back or ""),
        return_data=str(linking.get("data") or "") if linking else None,
    )


def _part(claims: Claims, name: str) -> dict[str, Any]:
    found = claims.get(name)
    return found if isinstance(found, dict) else {}


def add_launches(app: Flask, tool: ToolState) -> None:
    @app.get("/")
    def home() -> Response:
        values = {
            "Login address": tool.address + LOGIN,
            "Redirect address": tool.address + LAUNCH,
            "Key set": tool.address + KEYS,
        }
        return page("tool_home.html", values=values)

    @app.get(KEYS)
    def keys() -> Response:
        return jsonify(tool.signer.public_set())

    @app.route(LOGIN, methods=["GET", "POST"])
    def login() -> AnyResponse:
        given = request.form if request.method == "POST" else request.args
        platform = tool.platform_of(given.get("iss", ""), given.get("client_id", ""))
        if not given.get("target_link_uri", "").startswith(f"{tool.address}/"):
            raise NotAccepted("What is to be opened is not a page of this site.")
        kept = StartedLogin(platform, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        state = tool.logins.put(kept)
        fields = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": platform.client_id,
            "redirect_uri": tool.address + LAUNCH,
            "login_hint": given.get("login_hint", ""),
            "lti_message_hint": given.get("lti_message_hint", ""),
            "state": state,
            "nonce": kept.nonce,
        }
        mark = "&" if urlsplit(platform.authentication_address).query else "?"
        address = f"{platform.authentication_address}{mark}{urlencode(fields)}"
        response = Response(status=302, headers={"Location": address})
        set_cookie(response, _login_cookie(state), kept.cookie, LOGIN_SECONDS)
        return response

    @app.post(LAUNCH)
    def launch() -> AnyResponse:
        state = request.form.get("state", "")
        kept = tool.logins.take(state)
        if kept is None:
            raise NotAccepted("This launch was opened already, or took too long.")
        sent = request.cookies.get(_login_cookie(state), "")
        if not hmac.compare_digest(sent.encode(), kept.cookie.encode()):
            raise NotAccepted("This browser did not begin the launch, or keeps no cookies.", 403)
        landing = landing_of(kept.platform, _claims(tool, kept))
        word = tool.land(landing)
        where = "pick" if landing.return_data is not None else "course"
        there = f"{tool.address}/{where}/{visit_name(word)}"
        response = Response(status=303, headers={"Location": there})
        set_cookie(response, _visit_cookie(visit_name(word)), word, DAY)
        set_cookie(response, _login_cookie(state), "", 0)
        return response


def visit_name(word: str) -> str:
    """What a visit is called in addresses: it opens nothing without the visit's cookie."""
    return word[:8]


def visit_of(tool: ToolState, name: str) -> Landing:
    """Who landed by the visit of that name. Raises NotAccepted in any other browser."""
    landing = tool.visits.look(request.cookies.get(_visit_cookie(name), ""))
    if landing is None:
        raise NotAccepted("This visit is over, or was begun in another browser.", 403)
    return landing


def _login_cookie(state: str) -> str:
    return f"sample_login_{state[:8]}"


def _visit_cookie(name: str) -> str:
    return f"sample_visit_{name}"


def _claims(tool: ToolState, kept: StartedLogin) -> Claims:
    platform = kept.platform
    claims = verified(
        request.form.get("id_token", ""),
        tool.keys_of(platform),
        issuer=platform.issuer,
        audience=platform.client_id,
    )
    if claims.get("nonce") != kept.nonce:
        raise NotAccepted("The message answers another login (nonce).")
    if claims.get(names.DEPLOYMENT) != platform.deployment_id:
        raise NotAccepted("The message names another deployment.")
    if claims.get(names.LTI_VERSION) != names.VERSION:
        raise NotAccepted("The message is of another version of LTI.")
    if not str(claims.get(names.TARGET, "")).startswith(f"{tool.address}/"):
        raise NotAccepted("What is to be opened is not a page of this site.")
    return claims
