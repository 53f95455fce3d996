"""What is answered when a tool's message is refused: a page to people, JSON to programs."""

from __future__ import annotations

import secrets

import structlog
from flask import Response, jsonify, make_response, render_template, request

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.granting import oauth_error
from lms_bridge.web.headers import POLICY

_log = structlog.get_logger(__name__)


def noted(error: LtiRefused) -> str:
    """Writes a refusal to the log and gives the reference by which it is found there."""
    reference = secrets.token_hex(4)
    _log.warning(
        "refused", endpoint=request.endpoint, code=error.operator_code, reference=reference
    )
    return reference


def as_page(error: LtiRefused) -> tuple[Response, int]:
    page = make_response(render_template("lti/refused.html", error=error, reference=noted(error)))
    # A launch may be inside any platform's frame, and there is nothing to click here.
    page.headers["Content-Security-Policy"] = POLICY.replace(
        "frame-ancestors 'none'", "frame-ancestors *"
    )
    page.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return page, error.status


def as_json(error: LtiRefused) -> tuple[Response, int]:
    answer = _json({"code": error.code, "message": error.message, "reference": noted(error)})
    if error.status == 401:  # RFC 6750, section 3
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return answer, error.status


def as_oauth(error: LtiRefused) -> tuple[Response, int]:
    """RFC 6749, section 5.2."""
    name = oauth_error(error)
    noted(error)
    answer = _json({"error": name, "error_description": f"{error.code}: {error.message}"})
    return answer, 401 if name == "invalid_client" else 400


def _json(value: object) -> Response:
    answer = jsonify(value)
    answer.headers["Cache-Control"] = "no-store"
    return answer
