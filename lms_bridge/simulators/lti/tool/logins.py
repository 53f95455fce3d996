"""Being launched: the login that a platform begins, and its answer, checked in full.

Sources: LTI Core 1.3, section 5; OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.simulators.lti import names
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.showing import page, set_cookie
from lms_bridge.simulators.lti.signing import Claims, verified
from lms_bridge.simulators.lti.tool.reading import landing_of
from lms_bridge.simulators.lti.tool.state import DAY, KEYS, LAUNCH, LOGIN, Landing, Login, ToolState

LOGIN_SECONDS = 600


def add_to(app: Flask, tool: ToolState) -> None:
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
        kept = Login(platform, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
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


def _claims(tool: ToolState, kept: Login) -> Claims:
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
