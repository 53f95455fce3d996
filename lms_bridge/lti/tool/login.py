"""Login initiation: the platform sends a browser, and the tool sends it back to be vouched for.

Sources: LTI Core 1.3, section 5.1.1; OpenID Connect Core 1.0, section 3.1.2.1 and section 4 (third
party initiated login); LTI OIDC Login with LTI Client Side postMessages 1.0 (platform storage).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import quote_plus, urlencode, urlsplit

from itsdangerous import Signer
from pylti1p3.oidc_login import OIDCLogin
from pylti1p3.redirect import Redirect
from pylti1p3.registration import Registration

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.tool.configuration import Platforms, registration_of
from lms_bridge.lti.tool.reading import origin
from lms_bridge.lti.tool.request import SESSION, Cookies, Form, Session, fresh
from lms_bridge.lti.tool.state import LONGEST_STORAGE, LoginState, digest

PARAMETERS = (
    "iss",
    "login_hint",
    "target_link_uri",
    "lti_message_hint",
    "lti_deployment_id",
    "client_id",
    "lti_storage_target",
)
LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that has begun: where the browser goes, and how it will be known again.

    ``secret`` is the value of the cookie, and of the platform storage where ``storage`` (the name
    of the platform's frame) is given; ``platform`` is the origin that storage is asked at.
    """

    address: str
    state: str
    nonce: str
    secret: str
    cookie: str
    platform: str
    storage: str = ""


class Login(OIDCLogin[Form, Platforms, Session, Cookies, str]):
    """PyLTI1p3's login, of which nothing is kept; bound to the browser. It may be used once, until
    ``expires`` (seconds since 1970)."""

    def __init__(
        self,
        form: Form,
        platforms: Platforms,
        cookies: Cookies,
        *,
        address: str,
        signer: Signer,
        expires: int,
    ) -> None:
        super().__init__(form, platforms, SESSION, cookies)
        self._address, self._signer, self._expires = address, signer, expires
        self._state = self._nonce = ""

    def begin(self, launch_address: str) -> Begun:
        """Raises LtiRefused, with a code for each thing that is missing or wrong."""
        address = self._prepare_redirect_url(launch_address)
        return Begun(
            address=address,
            state=self._state,
            nonce=self._nonce,
            secret=self._cookie_service.secret,
            cookie=self._cookie_service.name,
            platform=origin(self._party().authorization_endpoint),
            storage=self._request.get_param("lti_storage_target"),
        )

    def validate_oidc_login(self) -> Registration:
        _check_sizes(self._request)
        iss = _required(self._request, "iss", "issuer-missing", "who sends it")
        _required(self._request, "login_hint", "login-hint-missing", "whom it is about")
        target = _required(self._request, "target_link_uri", "target-missing", "what it is for")
        check_target(target, self._address)
        client_id = self._request.get_param("client_id")
        self._tool_config.find_registration_by_params(iss, client_id)
        party = self._party()
        deployment = self._request.get_param("lti_deployment_id")
        if deployment and deployment not in party.deployment_ids:
            raise LtiRefused(
                "deployment-unknown",
                "The login comes from a deployment that is not registered.",
                "An operator can add its deployment id to the registration.",
                status=403,
            )
        return registration_of(party)

    def _prepare_redirect_url(self, launch_url: str) -> str:
        """The authentication request (Security Framework 1.1, section 5.1.1.2). PyLTI1p3 puts it
        together anew for each login, and loses a query that the endpoint has of its own."""
        self.validate_oidc_login()
        given, party = self._request.get_param, self._party()
        self._nonce, secret = fresh(), fresh()
        login = LoginState(
            nonce=self._nonce,
            party_id=party.id,
            expires=self._expires,
            browser=digest(secret),
            deployment=digest(given("lti_deployment_id")),
            target=digest(given("target_link_uri")),
            storage=given("lti_storage_target"),
        )
        self._state = login.sealed(self._signer)
        self._cookie_service.set_cookie(self._state, secret)
        always = _always(party.authorization_endpoint, party.client_id, launch_url)
        own = f"state={self._state}&nonce={self._nonce}"  # of letters that need no quoting
        address = f"{always}&{own}&login_hint={quote_plus(given('login_hint'))}"
        message = given("lti_message_hint")
        return f"{address}&lti_message_hint={quote_plus(message)}" if message else address

    def get_redirect(self, url: str) -> Redirect[str]:
        raise NotImplementedError  # the web's business

    def _party(self) -> Party:
        return usable(self._tool_config.party)


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


def usable(party: Party | None) -> Party:
    """Raises LtiRefused unless the platform is registered and switched on."""
    if party is None:
        raise LtiRefused(
            "platform-unknown",
            "The platform that sends you is not registered with the bridge.",
            "Its administrator can connect it; an operator then approves.",
            status=403,
        )
    if not party.active:
        raise LtiRefused(
            "platform-not-active",
            "The platform that sends you is registered, but not approved or switched off.",
            "Please tell the operator of the bridge.",
            status=403,
        )
    return party


def check_target(target: str, address: str) -> None:
    """Raises LtiRefused unless the target is a page of the bridge (LTI Core 1.3, section 5.1.1)."""
    inside = urlsplit(target).path if origin(target) else ""
    if origin(target) != origin(address) or not inside.startswith(urlsplit(address).path + "/lti/"):
        raise LtiRefused(
            "target-foreign",
            "What should be opened is not a page of the bridge.",
            "Check the tool's address in the platform.",
        )


def parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Those of a login, to begin it again in another window."""
    return {name: given[name] for name in PARAMETERS if given.get(name)}


def again(login_address: str, given: Mapping[str, str], **more: str) -> str:
    """The address that begins the same login anew."""
    return f"{login_address}?{urlencode({**parameters(given), **more})}"


def _required(form: Form, name: str, code: str, what: str) -> str:
    value = form.get_param(name)
    if not value:
        raise LtiRefused(code, f"The login does not say {what}.", detail=name)
    return value


def _check_sizes(form: Form) -> None:
    for name in PARAMETERS:
        value = cast(object, form.get_param(name))
        longest = LONGEST_STORAGE if name == "lti_storage_target" else LONGEST
        if not isinstance(value, str) or len(value) > longest or "\x00" in value:
            raise LtiRefused("login-too-large", "A part of the login is not usable.", detail=name)
