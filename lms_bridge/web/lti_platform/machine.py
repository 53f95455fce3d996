"""What programs ask for outside of any course: configuration, keys, registration, tokens."""

from __future__ import annotations

from importlib.metadata import version

from flask import Blueprint, Response, jsonify, request

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, granting, registration
from lms_bridge.web.lti_platform.parts import given, the_room
from lms_bridge.web.lti_platform.refusals import as_json, as_oauth

machine = Blueprint("lti_machine", __name__)
machine.register_error_handler(LtiRefused, as_json)
KEYS_SECONDS = 300
"""How long others may keep the key set; a new key is looked for by its unknown name anyway."""


@machine.get(endpoints.CONFIGURATION)
def configuration() -> Response:
    return jsonify(registration.configuration(the_room().address, version("lms-bridge")))


@machine.get(endpoints.KEYS)
def keys() -> Response:
    answer = jsonify(the_room().keyring.public_set())
    answer.headers["Cache-Control"] = f"public, max-age={KEYS_SECONDS}"
    return answer


@machine.post(endpoints.REGISTRATION)
def register() -> Response:
    """Also answers tools that say nothing of the content's type."""
    body = request.get_data(cache=False)
    answer = registration.register(the_room(), request.headers.get("Authorization", ""), body)
    return jsonify(answer)


@machine.post(endpoints.TOKEN)
def token() -> Response | tuple[Response, int]:
    try:
        made = granting.grant(the_room(), given())
    except LtiRefused as error:
        return as_oauth(error)
    answer = jsonify(
        access_token=made.access_token,
        token_type="Bearer",  # noqa: S106 (a word of RFC 6749)
        expires_in=made.seconds,
        scope=" ".join(made.scopes),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
