"""Endpoints for programs: OpenID configuration, key set, dynamic registration, token."""

from __future__ import annotations

from importlib.metadata import version

from flask import Blueprint, Response, jsonify, request

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import params, refusal_json, refusal_oauth, the_lti
from lms_bridge.lti.platform import access_tokens, dynamic_registration, endpoints

machine = Blueprint("lti_machine", __name__)
machine.register_error_handler(LtiRefused, refusal_json)
KEYS_SECONDS = 300
"""How long others may cache the key set. They fetch it anyway if a token names a new key."""


@machine.get(endpoints.CONFIGURATION)
def configuration() -> Response:
    return jsonify(dynamic_registration.configuration(the_lti().address, version("lms-bridge")))


@machine.get(endpoints.KEYS)
def keys() -> Response:
    response = jsonify(the_lti().keyring.public_set())
    response.headers["Cache-Control"] = f"public, max-age={KEYS_SECONDS}"
    return response


@machine.post(endpoints.REGISTRATION)
def register() -> Response:
    """Ignores the content type: some tools send none."""
    body = request.get_data(cache=False)
    return jsonify(
        dynamic_registration.register(the_lti(), request.headers.get("Authorization", ""), body)
    )


@machine.post(endpoints.TOKEN)
def token() -> Response | tuple[Response, int]:
    try:
        granted = access_tokens.grant_token(the_lti(), params())
    except LtiRefused as error:
        return refusal_oauth(error)
    response = jsonify(
        access_token=granted.access_token,
        token_type="Bearer",  # noqa: S106 (a word of RFC 6749)
        expires_in=granted.seconds,
        scope=" ".join(granted.scopes),
    )
    response.headers["Cache-Control"] = "no-store"
    return response
