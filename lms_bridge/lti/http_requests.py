"""Requests to LTI over HTTP: their parameters, and the responses to those that are refused."""

from __future__ import annotations

import secrets
from dataclasses import replace

import structlog
from flask import Response, g, jsonify, make_response, render_template, request, url_for
from flask_babel import gettext
from werkzeug.exceptions import HTTPException

from lms_bridge.catalogue.queries import one_listed
from lms_bridge.http.origins import is_address, origin
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.jwt import unverified_claims
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.access_tokens import oauth_error
from lms_bridge.lti.refusals import NOBODY, Refusal
from lms_bridge.lti.registrations import Side
from lms_bridge.lti.tool.tool import JWKS_PATH
from lms_bridge.web.access import the_bridge
from lms_bridge.web.error_pages import ErrorPage
from lms_bridge.web.headers import POLICY

_log = structlog.get_logger(__name__)
CONNECTION, BACK = "lti_connection", "lti_back"
"""Of Flask's ``g``: the platform that launches, and the page that it wants people back at."""


ANYWAY = "anyway"
"""The field of a form that goes on to an LMS that is known not to answer."""


def the_lti() -> LtiContext:
    return lti_of(the_bridge()).context


def params() -> dict[str, str]:
    """Parameters of the form for POST, else of the address. None may be repeated: it would be
    unclear which one was checked (OpenID Connect Core, section 3.1.2.1)."""
    values = request.form if request.method == "POST" else request.args
    found = {}
    for name, texts in values.lists():
        if len(texts) != 1:
            raise LtiRefused("parameter-repeated", "A parameter was sent more than once.")
        if "\x00" in texts[0] or "\x00" in name:
            raise LtiRefused(
                "parameter-invalid", "A parameter contains a character that is not allowed."
            )
        found[name] = texts[0]
    return found


def log_refusal(error: LtiRefused, event: str = "refused") -> str:
    """Gives the reference under which the log and the connection's page have the refusal."""
    reference = secrets.token_hex(4)
    _log.warning(event, endpoint=request.endpoint, code=error.operator_code, reference=reference)
    lti = the_lti()
    error.connection = error.connection or g.get(CONNECTION, NOBODY) or _named_tool(lti)
    place = (request.endpoint or "").rpartition(".")[2].replace("_", " ")
    lti.refusals.add(
        Refusal(error.connection, place, error.code, reference, lti.now(), error.detail)
    )
    return reference


def _named_tool(lti: LtiContext) -> int:
    """The number of the tool that the request names, proven or not."""
    try:
        values = request.values
    except HTTPException:  # the body is too large
        return NOBODY
    bearer = request.headers.get("Authorization", "").partition(" ")[2]
    names = (
        values.get("client_id", ""),
        _claim(values.get("client_assertion", ""), "iss"),
        _claim(values.get("JWT", ""), "iss"),
        _claim(bearer, "client_id"),
    )
    client = next(filter(None, names), "")
    if not client.isprintable():
        return NOBODY
    with lti.database.reading() as tx:
        tool = registrations.find_tool(tx, client)
    return NOBODY if tool is None else tool.id


def _claim(token: str, name: str) -> str:
    """A claim that nobody has verified; "" where there is none."""
    try:
        value = unverified_claims(token).get(name) if token else ""
    except LtiRefused:
        return ""
    return value if isinstance(value, str) else ""


def ways_on(error: LtiRefused) -> list[tuple[str, str, str]]:
    """Where a refused person can go: (text, address, where it opens)."""
    lti, ways = the_lti(), []
    with lti.database.reading() as tx:
        platform = registrations.find(tx, error.connection) if error.connection else None
        about = one_listed(tx, error.offering.code) if error.offering else None
    back = error.back or g.get(BACK, "")
    if is_address(back):
        ways.append((gettext("Back to where you came from"), back, "_top"))
    elif platform is not None and platform.active and platform.side is Side.PLATFORM:
        home = origin(platform.issuer)
        if home and home == origin(platform.authorization_endpoint):
            ways.append((gettext("Back to your learning system"), home, "_top"))
    if about is not None:
        page = url_for("catalogue.show_one", code=about.code)
        ways.append((gettext("About this course"), page, "_blank"))
    ways.append((gettext("Courses of the ITU Academy"), url_for("catalogue.show"), "_blank"))
    return ways


def refusal_page(error: LtiRefused) -> tuple[Response, int]:
    reference = log_refusal(error)
    html = render_template(
        "lti/refused.html", error=error, reference=reference, ways=ways_on(error)
    )
    page = make_response(html)
    if error.onward is None:
        # A launch may be inside any platform's frame: this page has nothing to click but links.
        policy = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
    else:
        policy = POLICY.replace("form-action 'self'", f"form-action {tool_targets()}")
    page.headers["Content-Security-Policy"] = policy
    page.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    page.headers.extend(error.headers)
    return page, error.status


def tool_targets() -> str:
    """Where a form leads that ends at a tool: browsers apply the policy to redirects, too."""
    return "'self' https:" if the_lti().address.startswith("https:") else "'self' https: http:"


def refusal_json(error: LtiRefused) -> tuple[Response, int]:
    reference = log_refusal(error)
    response = jsonify({"code": error.code, "message": error.message, "reference": reference})
    response.headers["Cache-Control"] = "no-store"
    response.headers.extend(error.headers)
    if error.status == 401:  # RFC 6750, section 3
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response, error.status


def refusal_oauth(error: LtiRefused) -> tuple[Response, int]:
    """RFC 6749, section 5.2. Where the client is not at fault, the status says so."""
    name = "temporarily_unavailable" if error.after else oauth_error(error)
    found = {"error": name, "error_description": f"{error.code}: {error.message}"}
    response = jsonify({**found, "code": error.code, "reference": log_refusal(error)})
    response.headers["Cache-Control"] = "no-store"
    response.headers.extend(error.headers)
    if error.after:
        return response, error.status
    return response, 401 if name == "invalid_client" else 400


MACHINE = (
    endpoints.CONFIGURATION,
    endpoints.KEYS,
    endpoints.REGISTRATION,
    endpoints.SERVICES,
    endpoints.TOKEN,
    JWKS_PATH,
)


def is_for_program(path: str) -> bool:
    """Whether programs alone call this address."""
    return any(path == each or path.startswith(f"{each}/") for each in MACHINE)


def error_json(page: ErrorPage, error: Exception) -> Response:
    """Any other error of an address that programs call, as ``error_page`` describes it."""
    code = page.code or _HTTP_CODES.get(page.status) or "not-understood"
    body = {"code": code, "message": page.message, "reference": page.reference}
    if request.path == endpoints.TOKEN:  # RFC 6749, section 5.2
        name = "invalid_request" if page.status < 500 else "server_error"
        body |= {"error": name, "error_description": f"{code}: {page.message}"}
    response = jsonify(body)
    response.status_code = page.status
    response.headers["Cache-Control"] = "no-store"
    if isinstance(error, HTTPException):
        response.headers.extend(
            [each for each in error.get_headers() if each[0] in ("Allow", "Retry-After")]
        )
        refused = Refusal(NOBODY, request.path[:60], code, page.reference, the_lti().now())
        if page.status != 404:
            the_lti().refusals.add(replace(refused, connection=_named_tool(the_lti())))
    return response


_HTTP_CODES = {
    404: "no-such-address",
    405: "method-not-possible",
    413: "too-large",
    415: "wrong-media-type",
    429: "too-many-requests",
    503: "out-of-order",
}
