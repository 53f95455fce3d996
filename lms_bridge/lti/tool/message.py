"""The launch: an id_token for a login that this browser began, fully checked and accepted once.

Sources: LTI Core 1.3, section 5.1.2 and 5.1.3; OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.jwt import VerifiedClaims, verify
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.tool.claims import launch_of
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.login import usable
from lms_bridge.lti.tool.login_state import LoginState, opened

STORED_SECRET = "stored_secret"  # noqa: S105 (the name of a form field)
STORED_NONCE = "stored_nonce"
LOGIN = "login"
MARK_SECONDS = 60
"""How much longer than its login a mark stays: a launch that came just in time is still checked."""

FindById = Callable[[int], LtiRegistration | None]


def accepted(given: Mapping[str, str], cookie: str, find: FindById, lti: LtiContext) -> Launch:
    """Checks the platform's response, and returns its launch. The login's nonce is then used up.

    Raises:
        LtiRefused: with a code for each thing that is missing or wrong.
    """
    login = _login(given, cookie, lti)
    # The platform that the login began with, never the one that the token names.
    registration = usable(find(login.registration_id))
    launch = launch_of(
        _claims(given.get("id_token", ""), registration, login, lti), registration, login
    )
    seconds = login.expires + MARK_SECONDS - lti.now().timestamp()
    if not lti.nonces.use(LOGIN, login.nonce, seconds):
        raise _over()
    return launch


def _login(given: Mapping[str, str], cookie: str, lti: LtiContext) -> LoginState:
    """The login that is answered, which this browser began."""
    login = opened(given.get("state", ""), lti.signer, lti.now().timestamp())
    if login is None:
        raise _over()
    if login.is_of(cookie or _stored(given, login)):
        return login
    if lti.nonces.was_used(LOGIN, login.nonce):
        raise _over()  # whoever opens a launch again has no cookie of it any more
    raise LtiRefused(
        "browser-other",
        "This launch was not begun in this browser, or the browser keeps no cookies.",
        "Go back to your course and click the link again; allow cookies for this site.",
        status=403,
    )


def _stored(given: Mapping[str, str], login: LoginState) -> str:
    """What the platform's storage gave back in place of the cookie."""
    nonce = given.get(STORED_NONCE, "")
    same = hmac.compare_digest(nonce.encode(), login.nonce.encode())
    return given.get(STORED_SECRET, "") if same else ""


def _claims(
    token: str, registration: LtiRegistration, login: LoginState, lti: LtiContext
) -> VerifiedClaims:
    claims = verify(
        token,
        lti.keys_of(registration),
        issuer=registration.issuer,
        audience=registration.client_id,
        leeway=lti.settings.leeway_seconds,
        now=lti.now(),
    )
    _check_authorized_party(claims, registration.client_id)
    _check_nonce(claims, login)
    return claims


def check_answer(given: Mapping[str, str]) -> None:
    """Whether the form is an answer to a login at all."""
    if given.get("error") and not given.get("id_token"):
        # OpenID Connect Core, section 3.1.2.6
        raise LtiRefused(
            "platform-refused",
            "The platform did not vouch for you.",
            "Go back to your course, sign in there, and click the link again.",
            status=403,
        )
    if not given.get("state"):
        raise LtiRefused("state-missing", "The launch does not belong to any login.")


def _over() -> LtiRefused:
    return LtiRefused(
        "state-unknown",
        "This launch was opened already, or its time is over.",
        "Go back to your course and click the link again.",
    )


def _check_authorized_party(claims: VerifiedClaims, client_id: str) -> None:
    """OpenID Connect Core, section 3.1.3.7, rule 4: a token for several audiences names the one
    that it was made for. In a token for the bridge alone ``azp`` says nothing: Blackboard puts
    another id of its own there."""
    audiences = claims["aud"]
    alone = isinstance(audiences, str) or set(audiences) == {client_id}
    if not alone and claims.get("azp") != client_id:
        raise LtiRefused("token-authorized-party")


def _check_nonce(claims: Mapping[str, object], login: LoginState) -> None:
    nonce = claims.get("nonce")
    if nonce is None or nonce == "":
        raise LtiRefused("nonce-missing", "The launch does not name the login that it answers.")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(errors="replace"), login.nonce.encode()
    ):
        raise LtiRefused("nonce-other", "The launch answers another login than this one.")
