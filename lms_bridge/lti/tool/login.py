"""Login initiation: the platform sends a browser here, and the tool sends it back to sign in.

Sources: LTI Core 1.3, section 5.1.1; OpenID Connect Core 1.0, section 3.1.2.1 and section 4
(third-party initiated login); LTI OIDC Login with LTI Client Side postMessages 1.0 (platform
storage).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, urlencode, urlsplit

from lms_bridge.http.origins import origin
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.tool.login_state import LONGEST_STORAGE, LoginState, cookie_name, digest, fresh

PARAMETERS = (
    "iss",
    "login_hint",
    "target_link_uri",
    "lti_message_hint",
    "lti_deployment_id",
    "client_id",
    "lti_storage_target",
)
LONGEST = 8 * 1024
"""Characters of one parameter: platforms put whatever they have to remember into their hints."""

FindPlatform = Callable[[str, str], LtiRegistration | None]
"""The platform of an issuer and a client id; the latter is empty where a login names none."""


@dataclass(frozen=True, slots=True)
class BegunLogin:
    """A login that has begun: where the browser goes, and how it will be known again.

    ``secret`` is the value of the cookie, and of the platform storage where ``storage`` (the name
    of the platform's frame) is given; ``platform`` is the origin of its storage.
    """

    address: str
    state: str
    nonce: str
    secret: str
    cookie: str
    platform: str
    storage: str = ""


def begin(
    given: Mapping[str, str], find: FindPlatform, lti: LtiContext, launch_address: str
) -> BegunLogin:
    """Begins a login that ends at this launch address. Nothing of it is kept: what the launch has
    to know travels in the state.

    Raises:
        LtiRefused: with a code for each thing that is missing or wrong.
    """
    registration = _platform(given, find, lti.address)
    nonce, secret = fresh(), fresh()
    storage = given.get("lti_storage_target", "")
    login = LoginState(
        nonce=nonce,
        registration_id=registration.id,
        expires=int(lti.now().timestamp() + lti.settings.login_seconds),
        browser=digest(secret),
        deployment=digest(given.get("lti_deployment_id", "")),
        target=digest(given["target_link_uri"]),
        storage=storage,
    )
    state = login.sealed(lti.signer)
    return BegunLogin(
        address=_authentication_request(registration, launch_address, state, nonce, given),
        state=state,
        nonce=nonce,
        secret=secret,
        cookie=cookie_name(state, secure=lti.address.startswith("https:")),
        platform=origin(registration.authorization_endpoint),
        storage=storage,
    )


def _platform(given: Mapping[str, str], find: FindPlatform, address: str) -> LtiRegistration:
    """The platform that a login comes from, once the login was found to be whole."""
    _check_sizes(given)
    issuer = _required(given, "iss", "issuer-missing")
    _required(given, "login_hint", "login-hint-missing")
    target = _required(given, "target_link_uri", "target-missing")
    check_target(target, address)
    return usable(find(issuer, given.get("client_id", "")))


def _authentication_request(
    registration: LtiRegistration,
    launch_address: str,
    state: str,
    nonce: str,
    given: Mapping[str, str],
) -> str:
    """Security Framework 1.1, section 5.1.1.2."""
    always = _always(registration.authorization_endpoint, registration.client_id, launch_address)
    own = f"state={state}&nonce={nonce}"  # of letters that need no quoting
    address = f"{always}&{own}&login_hint={quote_plus(given['login_hint'])}"
    hint = given.get("lti_message_hint")
    return f"{address}&lti_message_hint={quote_plus(hint)}" if hint else address


@lru_cache(1024)
def _always(endpoint: str, client_id: str, launch_address: str) -> str:
    """What is the same in all requests to one platform."""
    fixed = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": client_id,
        "redirect_uri": launch_address,
    }
    mark = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint.rstrip('?')}{mark}{urlencode(fixed)}"


def usable(registration: LtiRegistration | None) -> LtiRegistration:
    """Raises LtiRefused unless the platform is registered and switched on."""
    if registration is None:
        raise LtiRefused(
            "platform-unknown",
            "The platform that sends you is not registered with the bridge.",
            "Its administrator can connect it; an operator then approves.",
            status=403,
        )
    if not registration.active:
        raise LtiRefused(
            "platform-not-active",
            "The platform that sends you is registered, but not approved or switched off.",
            "Please tell the operator of the bridge.",
            status=403,
        )
    return registration


def check_target(target: str, address: str) -> None:
    """Raises LtiRefused unless the target is a page of the bridge (LTI Core 1.3, section 5.1.1)."""
    inside = urlsplit(target).path if origin(target) else ""
    if origin(target) != origin(address) or not inside.startswith(urlsplit(address).path + "/lti/"):
        raise LtiRefused(
            "target-foreign",
            "The address to open is not a page of the bridge.",
            "Check the tool's address in the platform.",
        )


def parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Those of a login, to begin it again in another window."""
    return {name: given[name] for name in PARAMETERS if given.get(name)}


def again(login_address: str, given: Mapping[str, str], **more: str) -> str:
    """The address that begins the same login anew."""
    return f"{login_address}?{urlencode({**parameters(given), **more})}"


def _required(given: Mapping[str, str], name: str, code: str) -> str:
    value = given.get(name)
    if not value:
        raise LtiRefused(code, f"The login has no {name}.", detail=name)
    return value


def _check_sizes(given: Mapping[str, str]) -> None:
    for name in PARAMETERS:
        value = given.get(name, "")
        longest = LONGEST_STORAGE if name == "lti_storage_target" else LONGEST
        if len(value) > longest or "\x00" in value:
            raise LtiRefused("login-too-large", "A part of the login is not usable.", detail=name)
