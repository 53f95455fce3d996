"""The token endpoint, and what its tokens allow.

Sources: Security Framework 1.1, section 4; RFC 7523, section 3.
"""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from joserfc import jws
from joserfc.errors import JoseError

from lms_bridge.simulators.lti import names
from lms_bridge.simulators.lti.platform.addresses import TOKEN
from lms_bridge.simulators.lti.platform.state import PlatformState
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.signing import verified

SECONDS = 3600


def add_to(app: Flask, platform: PlatformState) -> None:
    @app.post(TOKEN)
    def token() -> Response:
        given, tool = request.form, platform.tool
        if given.get("grant_type") != "client_credentials":
            raise NotAccepted("Only the grant type client_credentials is known here.")
        if given.get("client_assertion_type") != names.ASSERTION_TYPE:
            raise NotAccepted("The tool does not prove by a signed assertion who it is.")
        assertion = given.get("client_assertion", "")
        claims = verified(
            assertion,
            platform.keys_of_tool,
            issuer=tool.client_id,
            audience=_audience(assertion, platform.address + TOKEN, platform.address),
        )
        if claims.get("sub") != tool.client_id:
            raise NotAccepted("The assertion's subject is not the tool itself.")
        _check_once(platform, claims.get("jti"))
        scopes = [scope for scope in given.get("scope", "").split() if scope in names.SCOPES]
        if not scopes:
            raise NotAccepted("None of these scopes is granted here.")
        return jsonify(
            access_token=platform.grants.put(frozenset(scopes)),
            token_type="Bearer",  # noqa: S106  # a word of RFC 6749
            expires_in=SECONDS,
            scope=" ".join(scopes),
        )


def _audience(assertion: str, *accepted: str) -> str:
    """The one of the names of this endpoint that the assertion uses; it is verified after this."""
    try:
        payload = jws.extract_compact(assertion.encode()).payload.decode()
    except (JoseError, ValueError, UnicodeError):
        raise NotAccepted("The assertion is not a signed message.") from None
    named = [each for each in accepted if f'"{each}"' in payload.replace("\\/", "/")]
    return named[0] if named else accepted[0]


def _check_once(platform: PlatformState, word: object) -> None:
    if not isinstance(word, str) or not word:
        raise NotAccepted("The assertion has no id of its own.")
    with platform.lock:
        if platform.assertions.look(word):
            raise NotAccepted("The assertion was used before.")
        platform.assertions.put(True, word)


def check(platform: PlatformState, *needed: str) -> None:
    """Raises NotAccepted unless the request has a token with one of these scopes."""
    scheme, _, word = request.headers.get("Authorization", "").partition(" ")
    scopes = platform.grants.look(word.strip()) if scheme.lower() == "bearer" else None
    if scopes is None:
        raise NotAccepted("There is no valid access token.", 401)
    if not scopes.intersection(needed):
        raise NotAccepted("The access token does not allow this.", 403)
