"""The launch: an id_token for a login that this browser began, checked in full and taken once.

Sources: LTI Core 1.3, section 5.1.2 and 5.1.3; OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TypeVar, cast

from pylti1p3.message_launch import MessageLaunch, TJwtData

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.keysets import KeysOf
from lms_bridge.lti.parties import Party
from lms_bridge.lti.room import Room
from lms_bridge.lti.tokens import VerifiedClaims, verify
from lms_bridge.lti.tool.claims import launch_of
from lms_bridge.lti.tool.configuration import NO_SESSION, Platforms
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.login import usable
from lms_bridge.lti.tool.request import SESSION, Cookies, Form, Session
from lms_bridge.lti.tool.state import LoginState, opened

STORED_SECRET = "stored_secret"  # noqa: S105 (the name of a form field)
STORED_NONCE = "stored_nonce"
Kind = TypeVar("Kind")


class Message(MessageLaunch[Form, Platforms, Session, Cookies]):
    """PyLTI1p3's launch, whose steps run in its order: state, format, nonce, registration,
    signature, deployment, message."""

    def __init__(self, form: Form, platforms: Platforms, cookies: Cookies, room: Room) -> None:
        super().__init__(form, platforms, SESSION, cookies, requests_session=NO_SESSION)
        self._room = room
        self._login: LoginState | None = None
        self._party: Party | None = None
        self._claims: VerifiedClaims | None = None
        self._launch: Launch | None = None

    def launch(self) -> Launch:
        """Raises LtiRefused, with a code for each thing that is missing or wrong."""
        self.validate()
        return _known(self._launch)

    def _get_request_param(self, key: str) -> str:
        return self._request.get_param(key)

    def validate_state(self) -> Message:
        """Reads the login, and makes sure that this browser began it."""
        state = self._request.get_param("state")
        check_answer(self._request)
        login = opened(state, self._room.signer, self._room.now().timestamp())
        if login is None:
            raise _over()
        secret = self._cookie_service.get_cookie(state) or self._stored(login)
        if not login.is_of(secret):
            # Whoever opens a launch again has no cookie of it any more.
            if self._room.used.was_used(login):
                raise _over()
            raise LtiRefused(
                "browser-other",
                "This launch was not begun in this browser, or the browser keeps no cookies.",
                "Go back to your course and click the link again; allow cookies for this site.",
                status=403,
            )
        self._login = login
        return self

    def validate_jwt_format(self) -> Message:
        return self  # a part of the check of the signature

    def validate_nonce(self) -> Message:
        return self  # only verified claims count

    def validate_registration(self) -> Message:
        """The platform that the login began with, never the one that the token names."""
        self._party = usable(self._tool_config.find_party(_known(self._login).party_id))
        return self

    def validate_jwt_signature(self) -> Message:
        room, party, login = self._room, _known(self._party), _known(self._login)
        claims = verify(
            self._request.get_param("id_token"),
            KeysOf(room.keysets, party.jwks_uri, room.private_addresses or party.private_addresses),
            issuer=party.issuer,
            audience=party.client_id,
            leeway=room.settings.leeway_seconds,
            now=room.now(),
        )
        _check_nonce(claims, login)
        self._jwt = cast(TJwtData, {"header": claims.header, "body": claims})
        self._claims = claims
        return self

    def validate_deployment(self) -> Message:
        return self  # a part of the check of the message

    def validate_message(self) -> Message:
        self._launch = launch_of(_known(self._claims), _known(self._party), _known(self._login))
        return self

    def save_launch_data(self) -> Message:
        """All that is kept of a launch: that its login was used, which nobody can do twice."""
        if not self._room.used.use(_known(self._login)):
            raise _over()
        return self

    def _stored(self, login: LoginState) -> str:
        """What the platform's storage gave back in place of the cookie."""
        nonce = self._request.get_param(STORED_NONCE)
        same = hmac.compare_digest(nonce.encode(), login.nonce.encode())
        return self._request.get_param(STORED_SECRET) if same else ""


def check_answer(form: Form) -> None:
    """Whether the form is an answer to a login at all."""
    state = form.get_param("state")
    if form.get_param("error") and not form.get_param("id_token"):
        # OpenID Connect Core, section 3.1.2.6
        raise LtiRefused(
            "platform-refused",
            "The platform did not vouch for you.",
            "Go back to your course, sign in there, and click the link again.",
            status=403,
        )
    if not state:
        raise LtiRefused("state-missing", "The launch does not belong to any login.")


def _over() -> LtiRefused:
    return LtiRefused(
        "state-unknown",
        "This launch was opened already, or its time is over.",
        "Go back to your course and click the link again.",
    )


def _check_nonce(claims: Mapping[str, object], login: LoginState) -> None:
    nonce = claims.get("nonce")
    if nonce is None or nonce == "":
        raise LtiRefused("nonce-missing", "The launch does not name the login that it answers.")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(errors="replace"), login.nonce.encode()
    ):
        raise LtiRefused("nonce-other", "The launch answers another login than this one.")


def _known(value: Kind | None) -> Kind:
    if value is None:
        raise RuntimeError("a step of the launch ran before the one that it needs")
    return value
